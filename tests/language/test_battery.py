"""One battery over architectures of language models: each trains, is coded, and is decoded and scored alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from afresh import BATCH_SIZES, scored
from language_fixtures import ARCHITECTURES, KINDS, MAX_TOKENS, MIN_TOKENS, checkpoint, corpus, quick

from transferbound import Prior
from transferbound.certification.certify_language import certify_language
from transferbound.certification.language_settings import LanguageSettings
from transferbound.data.documents import Documents
from transferbound.data.encoded_documents import encode_documents
from transferbound.risks.likelihoods import SLACK

TASK = "text-generation"
QUICK = [*((name, "hashed") for name in ARCHITECTURES), ("llama", "film"), ("phi", "lora")]
REST = [(name, kind) for name in ARCHITECTURES for kind in KINDS if (name, kind) not in QUICK]


def certified(name: str, kind: str) -> tuple[Any, bytes]:
    """Content and message of a few steps on one architecture."""
    made = certify_language(
        Prior.from_pretrained(str(checkpoint(name)), task=TASK),
        Documents.load(str(corpus())),
        None,
        quick(KINDS[kind], 1.0),
        LanguageSettings(MAX_TOKENS, MIN_TOKENS),
        progress=False,
    )
    return made.content, made.message


def scored_here_and_there(cases: list[tuple[str, str]], folder: Path) -> dict[str, tuple[Any, ...]]:
    """By case: content, encoded documents, what this process finds, and what a fresh one does."""
    made, jobs = {}, []
    for name, kind in cases:
        content, message = certified(name, kind)
        where = (str(corpus()), MAX_TOKENS, MIN_TOKENS)
        made[f"{name}-{kind}"] = (content, *scored(str(checkpoint(name)), message, *where))
        jobs.append([f"{name}-{kind}", str(checkpoint(name)), message.hex(), *where])
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    script = Path(__file__).with_name("afresh.py")
    subprocess.run(
        [sys.executable, script, folder / "jobs.json", folder / "found.npz"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    with np.load(folder / "found.npz") as found:
        there = {key: found[key] for key in found.files}
    return {
        case: (*values, {key: there[f"{case}/{key}"] for key in values[-1]}) for case, values in made.items()
    }


@pytest.fixture(scope="module")
def battery(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, ...]]:
    return scored_here_and_there(QUICK, tmp_path_factory.mktemp("battery"))


@pytest.fixture(scope="module")
def whole_battery(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, ...]]:
    return scored_here_and_there(REST, tmp_path_factory.mktemp("whole-battery"))


def farthest(encoded: Any, here: dict[str, Any], there: dict[str, Any]) -> float:
    """The largest difference of a document's bits a token, between batches of any size, here or in a fresh process."""
    alone = here["1"] / encoded.lengths
    others = (scores[str(size)] / encoded.lengths for size in BATCH_SIZES for scores in (here, there))
    return max(float(np.abs(found - alone).max()) for found in others)


def check_statement(content: Any, encoded: Any, here: dict[str, Any], there: dict[str, Any]) -> None:
    assert str(there["digest"]) == here["digest"]
    assert encoded.lengths.min() == MIN_TOKENS
    assert encoded.lengths.max() == MAX_TOKENS
    # What was stated of it is the mixture's loss, and that of the prior when no stage has moved.
    stage = content["decoder"]["stages"][0]
    mixed = np.logaddexp2(here["1"] + np.log2(1.0 - stage["weight"]), -1e9)
    assert content["train_risk"] <= float((-mixed / encoded.lengths).mean()) + SLACK
    assert content["dataset"]["tokens"] == int(encoded.lengths.sum())


@pytest.mark.parametrize(("name", "kind"), QUICK)
def test_it_trains_and_is_decoded_and_scored_alike(
    battery: dict[str, tuple[Any, ...]], name: str, kind: str
) -> None:
    content, *scores = battery[f"{name}-{kind}"]
    check_statement(content, *scores)
    assert farthest(*scores) <= SLACK / 8.0


@pytest.mark.long
@pytest.mark.parametrize(("name", "kind"), REST)
def test_so_do_all_others(whole_battery: dict[str, tuple[Any, ...]], name: str, kind: str) -> None:
    content, *scores = whole_battery[f"{name}-{kind}"]
    check_statement(content, *scores)
    assert farthest(*scores) <= SLACK / 8.0


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_padding_moves_nothing_and_counts_nowhere(name: str) -> None:
    """As documents of unlike length stand together in training."""
    prior = Prior.from_pretrained(str(checkpoint(name)), task=TASK)
    data = encode_documents(
        prior.preprocessing(MAX_TOKENS), Documents.load(str(corpus())), min_tokens=MIN_TOKENS
    )
    module = prior.build_language_model()
    rows = np.argsort(data.lengths, kind="stable")[:: data.n // 7]
    assert len(set(data.lengths[rows])) > 3
    with torch.inference_mode():
        together = module(**data.batch(rows))
        for place, row in enumerate(rows):
            alone = module(**data.batch([row]))[0]
            assert len(alone) == data.lengths[row]
            assert torch.allclose(together[place, : len(alone)], alone, atol=2e-5)
            assert not together[place, len(alone) :].any()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_stands_before_a_document(name: str) -> None:
    made = ARCHITECTURES[name]
    prior = Prior.from_pretrained(str(checkpoint(name)), task=TASK)
    told = prior.preprocessing(0).to_dict()
    assert len(told["start"]) == made.given
    assert told["vocabulary"] == 100  # embeddings, those without a token included
    data = encode_documents(prior.preprocessing(5), Documents.load(str(corpus())), min_tokens=1)
    assert data.lengths.max() == 5
    batch = data.batch([0])["input_ids"]
    assert batch.shape[1] == data.lengths[0] + 1  # one that is given, either way
    assert batch[0, : made.given].tolist() == told["start"]


@pytest.mark.parametrize("name", ["llama", "phi", "mamba"])
def test_the_probabilities_of_all_continuations_sum_to_one(name: str) -> None:
    """Documents of one token, and of two: a distribution, whatever stands before them."""
    prior = Prior.from_pretrained(str(checkpoint(name)), task=TASK)
    module, start = prior.build_language_model(), prior.preprocessing(0).to_dict()["start"] or [3]
    everything = torch.arange(100)
    ids = torch.cartesian_prod(everything, everything)
    ids = torch.cat([torch.tensor(start).expand(len(ids), 1), ids], dim=1)
    with torch.inference_mode():
        bits = torch.cat([module(part, torch.ones_like(part)) for part in ids.split(1000)]).double()
    assert float(torch.exp2(bits.sum(1)).sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(torch.exp2(bits[::100, 0]).sum()) == pytest.approx(1.0, abs=1e-5)
