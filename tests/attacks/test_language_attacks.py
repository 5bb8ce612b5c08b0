"""Certificates on language models that say what is not so: refused; what is accepted is true within the slack."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import save_rows
from language_certificates import CASES, LanguageBench, language_case, offset
from language_fixtures import ARCHITECTURES, MAX_TOKENS, MIN_TOKENS, document_texts, save_language_model
from spine_fixtures import assigned, dotted
from tampering import Tampering, edited_leaves, edited_objects, leaves, rehashed
from test_card_attacks import NAMES, structure

from transferbound import Certificate, Documents, Prior
from transferbound.certificate import language_statement
from transferbound.independence.check import check_independence
from transferbound.language_predictor import PROMPT_SLACK_BITS, DecodedLanguagePredictor
from transferbound.message.generation import (
    GenerationMessage,
    Stage,
    decode_generation,
    encode_generation,
)
from transferbound.report.card import card_text
from transferbound.report.card_check import check_card
from transferbound.risks.bits_per_token import BitsPerToken
from transferbound.risks.likelihoods import SLACK, Likelihoods

Content = dict[str, Any]
BOUNDS = re.compile(r"(risk|excess|prior_risk)_bound|bounds\..*|comparison\.holdout_tenth\.(bound|by_excess)")
MEASURED = re.compile(r"(prior_)?train_risk|comparison\.train_bits_per_byte|evaluation\.test\.(prior_)?loss")
PAID = re.compile(r"message_bits|message\.ideal_bits|message\.costs\[\d+\]\.bits|decoder\.stages\[\d\]\.bits")


@pytest.fixture(scope="module")
def benches() -> dict[str, LanguageBench]:
    return {name: LanguageBench(language_case(name)) for name in CASES}


def falsehoods(bench: LanguageBench, content: Content, message: bytes) -> list[str]:
    """Where an accepted statement is further from what is true than is declared, or a bound below the truth."""
    true = dict(leaves(bench.computed(content, message)))
    stated = dict(leaves({key: value for key, value in content.items() if key != "unverified"}))
    assert true.keys() == stated.keys()
    found = []
    for path, value in stated.items():
        name, computed = dotted(path), true[path]
        if not isinstance(computed, float):
            allowed = value == computed
        elif BOUNDS.fullmatch(name):  # the slack is in what was computed
            allowed = computed - SLACK - 1e-9 <= value <= computed + SLACK + 1e-9
        elif MEASURED.fullmatch(name):
            allowed = abs(value - computed) <= SLACK + 1e-9
        elif name == "comparison.train_bits_per_document":
            allowed = abs(value - computed) <= SLACK * MAX_TOKENS
        elif name == "comparison.perplexity_bound":
            allowed = abs(value - computed) <= SLACK * computed
        elif name.startswith("comparison.next_token."):
            allowed = abs(value - computed) <= language_statement.TOP_SLACK + 1e-9
        elif PAID.fullmatch(name):
            allowed = abs(value - computed) <= PROMPT_SLACK_BITS + 1e-9
        else:
            allowed = value == pytest.approx(computed, rel=1e-8)
        if not allowed:
            found.append(f"{name} is {value!r}, and truly {computed!r}")
    return found


def refused(bench: LanguageBench, found: Iterator[Tampering] | list[Tampering]) -> int:
    """Asserts that nothing false is accepted, and that refusals say of what. Gives how many were refused."""
    false, unnamed, count = [], [], 0
    for what, word, content, message in found:
        refusal = bench.refusal(content, message)
        if refusal is None:
            false += [(what, line) for line in falsehoods(bench, content, message)]
        elif not refusal or word not in refusal:
            unnamed.append((what, word, refusal[:200]))
        else:
            count += 1
    assert not false
    assert not unnamed
    return count


@pytest.mark.parametrize("name", CASES)
def test_the_honest_certificate_is_accepted(benches: dict[str, LanguageBench], name: str) -> None:
    bench = benches[name]
    assert bench.refusal(bench.content, bench.message) is None
    assert falsehoods(bench, bench.content, bench.message) == []


@pytest.mark.parametrize("name", CASES)
def test_every_leaf_and_object_that_is_changed(benches: dict[str, LanguageBench], name: str) -> None:
    bench = benches[name]
    edits = edited_leaves(bench.content, bench.message), edited_objects(bench.content, bench.message)
    assert refused(bench, [edit for some in edits for edit in some]) >= 500


@pytest.mark.parametrize("name", CASES)
def test_numbers_that_no_float_holds(benches: dict[str, LanguageBench], name: str) -> None:
    bench, huge = benches[name], 10**400
    numbers = [path for path, value in leaves(bench.content) if type(value) in (int, float)]
    found = [
        (f"{dotted(path)} is huge", "", assigned(bench.content, path, sign * huge), bench.message)
        for path in numbers
        for sign in (1, -1)
    ]
    assert refused(bench, found) == len(found)


# Within the slack and beyond --------------------------------------------------------------------------


@pytest.mark.parametrize("share", [-3.0, -1.1, -0.9, -0.5, 0.5, 0.9, 1.1, 3.0])
def test_no_bound_is_accepted_below_the_truth(benches: dict[str, LanguageBench], share: float) -> None:
    """Stated numbers have the slack added: one that is smaller by less is still true, and one by more is not."""
    bench = benches["chain"]
    paths = [path for path, value in leaves(bench.content) if isinstance(value, float)]
    tried = [path for path in paths if BOUNDS.fullmatch(dotted(path)) or MEASURED.fullmatch(dotted(path))]
    assert len(tried) >= 12
    for path in tried:
        value = dict(leaves(bench.content))[path]
        moved = assigned(bench.content, path, value + share * SLACK)
        refusal = bench.refusal(moved, bench.message)
        if abs(share) > 1.0:
            assert refusal is not None
            assert dotted(path) in refusal
        else:
            assert refusal is None
            assert falsehoods(bench, moved, bench.message) == []


def test_another_slack_is_refused(benches: dict[str, LanguageBench]) -> None:
    bench = benches["prompt"]
    for slack in (0.0, 1.0, SLACK / 2, 2 * SLACK, 1e-3):
        refusal = bench.refusal(assigned(bench.content, ("decoder", "slack"), slack), bench.message)
        assert refusal is not None
        assert "decoder.slack" in refusal


def test_bits_of_a_subspace_are_exact_and_those_of_a_prompt_nearly(
    benches: dict[str, LanguageBench],
) -> None:
    for name, share, accepted in (("chain", 0.5, False), ("prompt", 0.5, True), ("prompt", 1.5, False)):
        bench = benches[name]
        less = bench.content["message_bits"] - share * PROMPT_SLACK_BITS
        refusal = bench.refusal(assigned(bench.content, ("message_bits",), less), bench.message)
        assert (refusal is None) == accepted, (name, share)


# Messages ----------------------------------------------------------------------------------------------


def other_bytes(message: bytes) -> Iterator[tuple[str, bytes]]:
    for place in range(len(message)):
        flipped = bytearray(message)
        flipped[place] ^= 1 << place % 8
        yield f"byte {place} changed", bytes(flipped)
        yield f"cut to {place} bytes", message[:place]
        yield f"byte {place} left out", message[:place] + message[place + 1 :]
    for tail in (b"\0", b"\xff", bytes(100), message, message[3:]):
        yield f"grown by {len(tail)} bytes", message + tail
    yield "backwards", message[::-1]
    yield "zeros", bytes(len(message))
    yield "too long", message + bytes(2**20)
    for start in (b"TB\x01", b"TB\x02", b"TB\x03", b"TG\x00", b"TG\x02"):
        yield f"begins with {start!r}", start + message[3:]


def other_stages(message: bytes) -> Iterator[tuple[str, bytes]]:
    """Well-formed messages near this one."""
    stages = decode_generation(message).stages
    others: list[tuple[Stage, ...]] = []
    for place, stage in enumerate(stages):
        for mix in {1, 32, stage.mix + 1, stage.mix - 1} - {stage.mix}:
            moved = Stage(mix, stage.offset, stage.prompt)
            others.append((*stages[:place], moved, *stages[place + 1 :]))
    for prompt in ((16, 53), (53, 16, 14), (16, 53, 15), (16, 53, 14, 14), (90,), (99,)):
        others.append((Stage(stages[0].mix, prompt=prompt), *stages[1:]))
    others += [stages[:1], stages[1:] if not stages[1].prompt else stages[:1], (*stages, stages[1])]
    others += [(*stages[:1], Stage(7, offset=offset("hashed", 10, seed=1)))]
    for one in others:
        yield f"{one}"[:80], encode_generation(GenerationMessage(one))


@pytest.mark.parametrize("name", CASES)
def test_another_message_under_the_old_statement(benches: dict[str, LanguageBench], name: str) -> None:
    bench = benches[name]
    found: list[Tampering] = []
    for what, other in (*other_bytes(bench.message), *other_stages(bench.message)):
        if other != bench.message:
            found.append((what, "", bench.content, other))
            found.append((f"{what}, hash recomputed", "", rehashed(bench.content, other), other))
    assert refused(bench, found) >= 200


@pytest.mark.parametrize("prompt", [(100,), (2**31,), (2**32 - 1,), (5, 94, 10**6)])
def test_a_prompt_of_tokens_that_the_prior_lacks(
    benches: dict[str, LanguageBench], prompt: tuple[int, ...]
) -> None:
    bench = benches["prompt"]
    message = encode_generation(GenerationMessage((Stage(4, prompt=prompt),)))
    if max(prompt) < 100:
        return
    refusal = bench.refusal(rehashed(bench.content, message), message)
    assert refusal is not None
    assert "offset.bin: the prompt names the token" in refusal


def test_a_prompt_that_leaves_no_room(benches: dict[str, LanguageBench]) -> None:
    bench = benches["prompt"]
    message = encode_generation(GenerationMessage((Stage(4, prompt=(16,) * 64),)))
    content = assigned(rehashed(bench.content, message), ("decoder", "max_tokens"), 90)
    refusal = bench.refusal(content, message)
    assert refusal is not None
    assert "leaves no room" in refusal


# Statements that agree with themselves -------------------------------------------------------------


def lied(bench: LanguageBench, patches: list[tuple[Any, str, Any]], **told: Any) -> Content:
    """The package's own statement while it believes something false: all that follows agrees."""
    how: Any = {
        "confidence": bench.content["confidence"],
        "max_tokens": MAX_TOKENS,
        "min_tokens": MIN_TOKENS + 1,
        "test": bench.case.test,
        "independence": bench.content["independence"],
    }
    data = told.pop("data", bench.case.data)
    with pytest.MonkeyPatch.context() as patch:
        for place, name, value in patches:
            patch.setattr(place, name, value)
        made: Any = language_statement.make_language_statement(
            bench.case.prior, data, bench.message, **how | told
        )
    return made | {"unverified": bench.content["unverified"]}


def _scores(share: float) -> Callable[..., Likelihoods]:
    """Documents that seem more likely under the finetuned model, by so many bits each."""
    honest = language_statement.log_likelihoods

    def told(module: Any, *others: Any, desc: str = "", **how: Any) -> Likelihoods:
        found = honest(module, *others, **how)
        more = share if desc != "scoring, prior" else 0.0
        return Likelihoods(found.log2 + more, found.smoothed, found.wrong)

    return told


def lies(bench: LanguageBench) -> Iterator[tuple[str, Content]]:
    statement, bits = language_statement, bench.content["message_bits"]
    for share in (0.0, 0.5, 0.99):
        lower = property(lambda self, share=share: tuple(share * one for one in _BITS_TO(self)))
        yield f"bits times {share}", lied(bench, [(DecodedLanguagePredictor, "bits_to", lower)])
    for more in (1.0, 0.1, 0.01):
        yield (
            f"documents likelier by {more} bits",
            lied(bench, [(statement, "log_likelihoods", _scores(more))]),
        )
    yield "no slack", lied(bench, [(statement, "SLACK", 0.0)])
    yield "less slack", lied(bench, [(statement, "SLACK", SLACK / 2)])
    yield "a larger uniform part", lied(bench, [(statement, "UNIFORM_BITS", 3)])
    top = property(lambda self: 1.0)
    yield "a lower top of the prior's loss", lied(bench, [(BitsPerToken, "largest_prior_loss", top)])
    for least in (MIN_TOKENS + 2, MAX_TOKENS):
        yield f"only documents of {least} tokens", lied(bench, [], min_tokens=least)
    yield "another cut", lied(bench, [], max_tokens=MAX_TOKENS - 1)
    for confidence in (0.9, 0.5):
        made = lied(bench, [], confidence=confidence)
        yield f"confidence {confidence} said to be .95", made | {"confidence": 0.95}
    yield "no test", lied(bench, [], test=None) | {"evaluation": bench.content["evaluation"]}
    assert bits > 0


_BITS_TO = DecodedLanguagePredictor.bits_to.fget  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", CASES)
def test_statements_that_agree_with_themselves(benches: dict[str, LanguageBench], name: str) -> None:
    bench = benches[name]
    for what, content in lies(bench):
        stated = content | {"decoder": content["decoder"]}
        # Where the settings are told, only their other values are stated: it is another statement, and a true one.
        if what.startswith(("only documents", "another cut")):
            stated = copy.deepcopy(stated)
            stated["decoder"] |= {key: bench.content["decoder"][key] for key in ("min_tokens", "max_tokens")}
        if content == bench.content:
            continue
        refusal = bench.refusal(stated, bench.message)
        assert refusal is not None or falsehoods(bench, stated, bench.message) == [], what
        assert refusal is not None or what.startswith(("less slack", "no test", "no slack")), what


def changed_rows(bench: LanguageBench, folder: Path) -> Iterator[tuple[str, Documents]]:
    texts, stated = list(bench.case.data.text_rows()), bench.content["dataset"]
    texts = [one if isinstance(one, str) else one[0] for one in texts]
    others = {
        "one left out": texts[1:],
        "the longest left out": sorted(texts, key=len)[:-1],
        "one twice": [*texts, texts[0]],
        "one in another's place": [texts[1], *texts[1:]],
        "a word more": [texts[0] + " ba", *texts[1:]],
        "others": document_texts(len(texts), seed=9),
    }
    for place, (what, rows) in enumerate(others.items()):
        save_rows(folder / str(place), {"text": rows})
        yield what, Documents.load(str(folder / str(place))).under_name(stated["id"])


def test_other_documents(benches: dict[str, LanguageBench], tmp_path: Path) -> None:
    bench = benches["prompt"]
    for what, data in changed_rows(bench, tmp_path):
        refusal = bench.refusal(bench.content, bench.message, data=data)
        assert refusal is not None, what
        assert "dataset.sha256" in refusal
        independence = check_independence(bench.case.prior, data)
        forged = lied(bench, [], data=data, independence=independence)
        forged["dataset"] |= {key: bench.content["dataset"][key] for key in ("sha256", "rows")}
        assert bench.refusal(forged, bench.message) is not None, what


@pytest.mark.parametrize("name", CASES)
def test_the_same_documents_in_another_order_are_the_same(
    benches: dict[str, LanguageBench], name: str, tmp_path: Path
) -> None:
    bench = benches[name]
    data = bench.case.data
    order = np.random.default_rng(3).permutation(data.n)
    texts = [one if isinstance(one, str) else one[0] for one in data.text_rows()]
    rows: dict[str, Any] = {"text": [texts[place] for place in order]}
    if data.groups is not None:
        rows["author"] = [f"a{data.groups[place]}" for place in order]
    save_rows(tmp_path / "rows", rows)
    group = None if data.groups is None else "author"
    again = Documents.load(str(tmp_path / "rows"), group_column=group).under_name(data.name)
    assert again.fingerprint == data.fingerprint
    assert bench.refusal(bench.content, bench.message, data=again) is None


def test_another_prior(benches: dict[str, LanguageBench], tmp_path: Path) -> None:
    bench = benches["chain"]
    folder = save_language_model(tmp_path / "other", ARCHITECTURES["llama"], "llama", rms_norm_eps=1e-3)
    changed = Prior.from_pretrained(str(folder), task="text-generation").under_name(bench.case.prior.name)
    refusal = bench.refusal(bench.content, bench.message, prior=changed)
    assert refusal is not None
    assert "prior.files" in refusal or "train_risk" in refusal


# Cards -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_every_number_of_a_card_is_held_to_the_certificate(
    benches: dict[str, LanguageBench], name: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(benches[name].case.folder, tmp_path / "card"))
    certificate = Certificate.from_pretrained(folder)
    honest = (folder / "README.md").read_text(encoding="utf-8")
    assert check_card(folder, certificate) == []
    tried, authors = 0, honest.index("license: ")  # the one line that is an author's to set
    for found in re.finditer(r"\d+\.\d+", honest):
        if honest.rfind("\n", 0, found.start()) + 1 == authors:
            continue
        digit = str((int(found.group()[-1]) + 5) % 10)
        text = honest[: found.end() - 1] + digit + honest[found.end() :]
        (folder / "README.md").write_text(text, encoding="utf-8")
        assert check_card(folder, certificate), found.group()
        tried += 1
    for sentence in certificate.content["assumptions"]:
        text = honest.replace(sentence[:40], "", 1)
        if text != honest:
            (folder / "README.md").write_text(text, encoding="utf-8")
            assert check_card(folder, certificate), sentence
    assert tried >= 30


SHOWN: list[tuple[str | int, ...]] = [
    ("prior", "id"),
    ("dataset", "id"),
    ("dataset", "split"),
    ("decoder", "stages", 0, "prompt"),
    ("decoder", "stages", 1, "kind"),
    ("assumptions", 0),
    ("message", "costs", 3, "value"),
]


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_or_a_prompt_is_no_markup(benches: dict[str, LanguageBench], kind: str) -> None:
    content: Any = json.loads(json.dumps(benches["prompt"].content))
    honest = structure(card_text(Certificate(content, b"")))
    for place in SHOWN:
        text = card_text(Certificate(assigned(content, place, NAMES[kind]), b""))  # type: ignore[arg-type]
        assert structure(text) == honest, (dotted(place), text)
        assert all(line.isprintable() for line in text.split("\n"))
