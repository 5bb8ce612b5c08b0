"""A statement on a language model, against the same made anew from nothing but its definition."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from language_certificates import CASES, LanguageBench, LanguageCase, language_case
from language_fixtures import MAX_TOKENS, MIN_TOKENS, checkpoint

from transferbound.bounds import Level, chained_excess
from transferbound.language_predictor import decode_language_predictor
from transferbound.message import message_bits
from transferbound.message.generation import MOST_STAGES

SLACK = 1e-4  # the declared one, on purpose not taken from the package
V, START = 100, 90


@pytest.fixture(scope="module")
def benches() -> dict[str, LanguageBench]:
    return {name: LanguageBench(language_case(name)) for name in CASES}


def tokens_of(case: LanguageCase) -> list[list[int]]:
    """Each document cut to its first tokens."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint("llama"))
    texts = [one if isinstance(one, str) else one[0] for one in case.data.text_rows()]
    return [tokenizer(text, add_special_tokens=False)["input_ids"][:MAX_TOKENS] for text in texts]


@torch.inference_mode()
def log2_of(network: Any, documents: list[list[int]], before: tuple[int, ...]) -> np.ndarray:
    """Bits of each document, alone, in float64."""
    exact, found = copy.deepcopy(network).double(), []
    for document in documents:
        ids = torch.tensor([[*before, *document]])
        logits = exact(input_ids=ids).logits[0, len(before) - 1 : -1].log_softmax(1)
        found.append(float(logits.gather(1, ids[0, len(before) :, None]).sum()) / math.log(2.0))
    return np.array(found)


def prior_network() -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(checkpoint("llama"), dtype=torch.float32)


def means(case: LanguageCase, kept: list[int], values: np.ndarray) -> np.ndarray:
    """Of the documents of each group, in the order of the groups."""
    if case.data.groups is None:
        return values
    groups = np.asarray(case.data.groups)[kept]
    return np.array([values[groups == group].mean() for group in np.unique(groups)])


def paid_for(stage: Any, decoded: Any) -> float:
    """What a stage adds to the message: five bits for the weight, one for what follows, and that."""
    if stage.prompt:
        log2 = log2_of(prior_network(), [list(stage.prompt)], (START,))[0]
        return 6.0 + (2 * math.floor(math.log2(len(stage.prompt))) + 1) - log2 + 0.01
    return 6.0 + message_bits(decoded.header, decoded.integers)


@pytest.mark.parametrize("name", CASES)
def test_it_is_what_it_is_made_of(benches: dict[str, LanguageBench], name: str) -> None:
    case, content = benches[name].case, benches[name].content
    decoded = decode_language_predictor(case.prior, benches[name].message, max_tokens=MAX_TOKENS)
    documents = tokens_of(case)
    least = MIN_TOKENS + 1
    kept = [row for row, document in enumerate(documents) if len(document) >= least]
    documents = [documents[row] for row in kept]
    lengths = np.array([len(document) for document in documents])
    assert content["dataset"]["left_out"] == 24 - len(documents) > 0
    assert content["dataset"]["tokens"] == lengths.sum()

    own = log2_of(prior_network(), documents, (START,))
    before = np.log2((1 - 2.0**-7) * np.exp2(own) + 2.0**-7 * float(V) ** -lengths)
    prior = means(case, kept, -before / lengths)
    levels, bits = [], 2.0
    for stage, one in zip(decoded.message.stages, decoded.stages, strict=True):
        prompt = tuple(one.module.prompt.tolist())
        log2 = log2_of(one.module.network, documents, (START, *prompt))
        after = np.log2((1 - 2.0**-stage.mix) * np.exp2(log2) + 2.0**-stage.mix * np.exp2(before))
        bits += paid_for(stage, one)
        excess = means(case, kept, (before - after) / lengths)
        levels.append(Level(excess, stage.mix / least, bits))
        before = after
    losses = means(case, kept, -before / lengths)
    bound = chained_excess(levels, prior, math.log2(V) + 7 / least, 0.05, most_levels=MOST_STAGES)

    assert content["n"] == len(prior)
    assert content["message_bits"] == pytest.approx(bits, abs=1e-3)
    for key, value, more in (
        ("train_risk", losses.mean(), 0.0),
        ("prior_train_risk", prior.mean(), 0.0),
        ("risk_bound", bound.risk, SLACK),
        ("excess_bound", bound.excess, SLACK),
        ("prior_risk_bound", bound.prior_risk, SLACK),
    ):
        assert content[key] == pytest.approx(value + more, abs=SLACK / 4), key
    document_bits = content["comparison"]["train_bits_per_document"]
    assert document_bits == pytest.approx(float(-before.mean()), abs=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_what_must_be_said_is_said(benches: dict[str, LanguageBench], name: str) -> None:
    content, card = benches[name].content, (benches[name].case.folder / "README.md").read_text()
    said = content["assumptions"]
    left_out = content["dataset"]["left_out"]
    assert any(f"of the 24 rows {left_out} shorter ones were left out" in line for line in said)
    assert any(
        line.startswith("WARNING: what") and "was trained on was not searched" in line for line in said
    )
    assert any(f"the least number of tokens, {MIN_TOKENS + 1}," in line for line in said)
    assert "its training data was not searched" in card
    assert f"{left_out} shorter ones were left out" in card
    assert all(stage["weight"] == 2.0 ** -stage["mix"] for stage in content["decoder"]["stages"])
    named = [cost["field"] for cost in content["message"]["costs"]]
    assert named.count("mix") == len(content["decoder"]["stages"])
    assert named[0] == "stages"


def test_a_message_of_a_prompt_alone_names_no_variant(benches: dict[str, LanguageBench]) -> None:
    from transferbound.errors import MessageError
    from transferbound.message.generation import GenerationMessage, Stage, encode_generation

    message = encode_generation(GenerationMessage((Stage(4, prompt=(16, 53)),)))
    with pytest.raises(MessageError, match="names none of the variants"):
        decode_language_predictor(benches["prompt"].case.prior, message, candidates=10)
