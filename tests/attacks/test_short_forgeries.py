"""Forged certificates of version 3: whatever is stated agrees with itself, or belongs to another certificate."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import save_rows
from datasets import ClassLabel
from fuzz_messages import contexts_of
from short_certificates import of_doubt, of_one_class, of_pictures, of_texts
from spine_fixtures import save_calibrated
from tampering import Bench, Content, rehashed

from transferbound import LabelledData, Prior
from transferbound.certificate import statement
from transferbound.data.encode import encode as encode_data
from transferbound.data.reference import load_reference
from transferbound.independence.check import check_independence
from transferbound.independence.reference import SearchedReference, searched_reference
from transferbound.message import OPEN_LIST, Header
from transferbound.message.short_codes import COMPONENTS, sparse_dim
from transferbound.message.stream import decode, encode
from transferbound.predictor import decode_predictor
from transferbound.priors.reference import default_reference
from transferbound.risks.counting import count_errors
from transferbound.risks.risk import Measured
from transferbound.risks.zero_one import ZeroOne

CASES = ("pictures", "texts", "one class")
# (what was done, the content, the message)
Forgery = tuple[str, Content, bytes]


@pytest.fixture(scope="module")
def benches(tiny_bert: Path) -> dict[str, Bench]:
    made = (of_pictures(), of_texts(tiny_bert), of_one_class())
    return {name: Bench(case) for name, case in zip(CASES, made, strict=True)}


@pytest.fixture(scope="module")
def doubtful(tiny_bert: Path) -> Bench:
    return Bench(of_doubt(tiny_bert))


def how_of(bench: Bench) -> dict[str, Any]:
    content = bench.content
    return {
        "confidence": content["confidence"],
        "candidates": content["decoder"]["candidates"],
        "list_written": content["decoder"].get("list_written", "before"),
        "test": bench.test,
        "independence": content["independence"],
        "reference": bench.case.reference,
    }


def lied(bench: Bench, **told: Any) -> Content:
    """The whole statement, computed by the package itself from what it is told.

    Args:
        told: arguments of ``make_statement`` other than the honest ones, and functions of the package that lie.
    """
    lies = {name: told.pop(name) for name in ("message_bits", "itemize", "measure") if name in told}
    data = told.pop("data", bench.data)
    encoded = bench.encoded if data is bench.data and bench.content["decoder"]["kind"] == "sparse" else None
    with pytest.MonkeyPatch.context() as patch:
        for name, lie in lies.items():
            patch.setattr(ZeroOne if name == "measure" else statement, name, lie)
        made: Any = statement.make_statement(
            bench.prior, data, bench.message, **how_of(bench) | told, encoded=encoded
        )
    return made | {"unverified": bench.content["unverified"]}


def refused(bench: Bench, found: Iterator[Forgery], true: int = 0) -> int:
    """Asserts that every forgery is refused, but for as many as ``true`` that say nothing false. Gives their number."""
    accepted, count = [], 0
    for what, content, message in found:
        if (content, message) == (bench.content, bench.message):
            continue  # the honest one
        count += 1
        if bench.refusal(content, message) is None:
            accepted.append((what, bench.is_true(content, message)))
    assert [what for what, is_true in accepted if not is_true] == []
    assert len(accepted) <= true
    return count - len(accepted)


# Messages ------------------------------------------------------------------------------------------


def other_messages(bench: Bench) -> Iterator[tuple[str, bytes]]:
    """Well-formed messages near the honest one, and of other kinds and versions."""
    content = bench.content
    classes, candidates = bench.data.num_classes, content["decoder"]["candidates"]
    header, integers = decode(bench.message, candidates=candidates, classes=classes, contexts=contexts_of)
    others: list[tuple[Header, np.ndarray]] = []
    if header.kind == "sparse":
        place = COMPONENTS.index(header.components)
        others += [
            (replace(header, features=f), integers)
            for f in ((0, 2) if bench.data.modality == "image" else (0, 2, 15))
        ]
        for k in (COMPONENTS[place + 1], 0):
            sized = replace(header, components=k, dim=sparse_dim(classes, k))
            others.append((sized, np.resize(integers, sized.dim)))
        others += [(replace(header, step=s), integers) for s in (-18, 13)]
        others += [(replace(header, levels=n), integers) for n in (15, 63)]
        others += [(replace(header, input_size=s), integers) for s in (3, 4096, 65_536)]
        others += [(replace(header, contexts=not header.contexts), integers)]
        others += [(replace(header, adaptive_signs=not header.adaptive_signs), integers)]
        for coordinate in (0, len(integers) - 1):
            moved = integers.copy()
            moved[coordinate] = -moved[coordinate] if moved[coordinate] else 1
            others.append((header, moved))
    else:
        others += [(replace(header, answer=a), integers) for a in range(classes) if a != header.answer]
    others.append((replace(header, candidate=(header.candidate or 1) - 1), integers))
    zero = np.zeros(1, dtype=np.int64)
    for answer in range(classes):
        constant = Header("constant", 1, answer=answer, classes=classes, candidates=candidates)
        others.append((constant, zero))
    others.append((Header("sparse", classes - 1, levels=7, classes=classes, candidates=candidates), zero))
    for kind in ("film", "hashed", "head"):
        others.append((Header(kind, 8, candidates=candidates), np.arange(8) % 2))
    for other, values in others:
        if other.kind == "sparse":
            values = np.resize(values, other.dim)
        yield f"{other}", encode(other, values, contexts_of(other))


@pytest.mark.parametrize("name", CASES)
def test_another_message_under_the_old_statement(benches: dict[str, Bench], name: str) -> None:
    bench = benches[name]
    found = ((what, rehashed(bench.content, made), made) for what, made in other_messages(bench))
    assert refused(bench, found, true=2) >= 8


def cheaper(bench: Bench) -> Iterator[Forgery]:
    """The message anew with a shorter list or without one; the statement still tells of the list."""
    decoder = bench.content["decoder"]
    header, integers = decode(
        bench.message, candidates=decoder["candidates"], classes=bench.data.num_classes, contexts=contexts_of
    )
    for candidates in {1, 2, 5, OPEN_LIST} - {decoder["candidates"]}:
        other = replace(header, candidate=0, candidates=candidates)
        message = encode(other, integers, contexts_of(other))
        yield f"coded for {candidates}", rehashed(bench.content, message), message
        stated = copy.deepcopy(bench.content)
        stated["decoder"]["candidates"] = candidates
        yield f"said to be of {candidates}", stated, bench.message
        yield f"coded for {candidates} and said so", rehashed(stated, message), message


@pytest.mark.parametrize("name", CASES)
def test_another_number_of_candidates(benches: dict[str, Bench], name: str) -> None:
    assert refused(benches[name], cheaper(benches[name])) >= 9


# Statements that agree with themselves -------------------------------------------------------------


def lies_about_bits(bench: Bench) -> Iterator[Forgery]:
    """The package's own statement while it takes bits for fewer than they are: all that follows agrees."""
    bits_of, items_of = statement.message_bits, statement.itemize

    def told(share: float) -> Callable[..., float]:
        return lambda *message: share * bits_of(*message)

    def free(place: int) -> Callable[..., Any]:
        return lambda *message: [
            replace(cost, bits=0.0) if i == place else cost for i, cost in enumerate(items_of(*message))
        ]

    for share in (0.0, 0.5, 0.99, 0.9999):
        yield f"bits times {share}", lied(bench, message_bits=told(share)), bench.message
    for place, cost in enumerate(bench.content["message"]["costs"]):
        if cost["bits"]:
            items = free(place)
            total = lambda *message, items=items: sum(cost.bits for cost in items(*message))  # noqa: E731
            forged = lied(bench, itemize=items, message_bits=total)
            yield f"{cost['field']} for nothing", forged, bench.message


def lies_about_errors(bench: Bench) -> Iterator[Forgery]:
    measure_of = ZeroOne.measure

    def told(fewer: int) -> Callable[..., Measured]:
        def measure(self: ZeroOne, *told: Any, **how: Any) -> Measured:
            rows = measure_of(self, *told, **how).rows.copy()
            rows[np.flatnonzero(rows)[:fewer]] = 0.0
            return Measured(rows, self.units.losses(rows))

        return measure

    for fewer in (1, 2, 5, bench.data.n):
        yield f"{fewer} errors fewer", lied(bench, measure=told(fewer)), bench.message


def lies_about_rows(bench: Bench, folder: Path) -> Iterator[Forgery]:
    """True of other rows; and the same under the data set's own fingerprint."""
    decoded = decode_predictor(
        bench.prior,
        bench.data.num_classes,
        bench.message,
        class_names=bench.data.class_names,
        candidates=bench.content["decoder"]["candidates"],
        reference=None if bench.case.reference is None else bench.case.reference.reference,
    )
    wrong = count_errors(decoded.module, encode_data(decoded.preprocessing, bench.data, progress=False)).wrong
    column = bench.data.columns[bench.data.modality][0]
    inputs = (
        list(bench.data.images()) if column == "image" else [parts[0] for parts in bench.data.text_rows()]
    )
    labels = [int(label) for label in bench.data.labels]
    right = [row for row in range(len(labels)) if not wrong[row]]
    kept = {
        "twice": list(range(len(labels))) * 2,
        "without the wrong rows": right,
        "right rows, some again": [*right, *right[: len(labels) - len(right)]],
    }
    for what, rows in kept.items():
        if len({labels[row] for row in rows}) < 2:
            continue
        names = ClassLabel(names=list(bench.data.class_names))
        chosen = {column: [inputs[row] for row in rows], "label": [labels[row] for row in rows]}
        other = LabelledData.load(str(save_rows(folder / what.replace(" ", "-"), chosen, label=names)))
        forged = lied(bench, data=other.under_name(bench.data.name), test=None)
        yield what, forged, bench.message
        forged["evaluation"] = bench.content["evaluation"]
        for key in ("sha256", "rows", "units", "overlap"):
            yield f"{what}, {key} of the honest", forged, bench.message
            forged = copy.deepcopy(forged)
            forged["dataset"][key] = bench.content["dataset"][key]
        yield f"{what}, data set of the honest", forged, bench.message


@pytest.mark.parametrize("name", CASES)
def test_a_writer_whose_package_lies(benches: dict[str, Bench], name: str, tmp_path: Path) -> None:
    bench = benches[name]
    assert refused(bench, lies_about_bits(bench)) >= 6
    assert refused(bench, lies_about_errors(bench)) == 4
    # Of the constant answer only one class is left without the wrong rows, which is no data set.
    assert refused(bench, lies_about_rows(bench, tmp_path)) == (6 if name == "one class" else 18)


@pytest.mark.parametrize("name", CASES)
def test_a_bound_of_another_confidence(benches: dict[str, Bench], name: str) -> None:
    """What is true at one confidence, stated at another."""
    bench = benches[name]

    def found() -> Iterator[Forgery]:
        for other in (0.5, 0.9, 0.99, 1 - 1e-9):
            forged = lied(bench, confidence=other)
            assert bench.refusal(forged, bench.message) is None  # true, and it says at what confidence
            yield f"{other} said to be 0.95", forged | {"confidence": 0.95}, bench.message
            yield f"0.95 said to be {other}", bench.content | {"confidence": other}, bench.message

    assert refused(bench, found()) == 8


# Things that belong to another certificate ---------------------------------------------------------


def test_a_certificate_with_what_belongs_to_another(benches: dict[str, Bench], tmp_path: Path) -> None:
    """Statement and message, checkpoint, data: of every two certificates."""
    for mine, bench in benches.items():
        for other, stranger in benches.items():
            if other == mine:
                continue
            swapped = rehashed(bench.content, stranger.message)
            assert bench.refusal(bench.content, stranger.message) is not None
            assert bench.refusal(swapped, stranger.message) is not None
            for key in ("message", "decoder", "bounds", "dataset", "prior", "independence", "comparison"):
                mixed = bench.content | {key: stranger.content[key]}
                if mixed == bench.content:
                    continue  # two of them share a checkpoint
                assert bench.refusal(mixed, bench.message) is not None, key
                assert bench.refusal(rehashed(mixed, stranger.message), stranger.message) is not None, key
            if stranger.prior.fingerprint != bench.prior.fingerprint:
                assert bench.refusal(bench.content, bench.message, prior=stranger.prior) is not None
            assert bench.refusal(bench.content, bench.message, data=stranger.data) is not None
        weights = Prior.from_pretrained(str(save_calibrated(tmp_path / mine, seed=7)))
        assert (
            bench.refusal(bench.content, bench.message, prior=weights.under_name(bench.prior.name))
            is not None
        )


def test_other_reference_inputs(benches: dict[str, Bench], tmp_path: Path) -> None:
    """Under the recorded name: other rows, the same in another order, fewer, one word changed."""
    bench = benches["texts"]
    assert bench.case.reference is not None
    rows = list(bench.case.reference.reference.rows)
    changed = {
        "backwards": rows[::-1],
        "fewer": rows[:-1],
        "more": [*rows, "one more sentence"],
        "twice": rows * 2,
        "a word": [rows[0] + " good", *rows[1:]],
        "case": [rows[0].upper(), *rows[1:]],
        "others": [f"{row} and so on" for row in rows],
    }

    def found() -> Iterator[Forgery]:
        for what, texts in changed.items():
            folder = str(save_rows(tmp_path / what, {"text": texts}))
            assert bench.refusal(bench.content, bench.message, reference=folder) is not None, what
            own = replace(load_reference(folder, modality="text"), name=bench.case.reference.reference.name)
            forged = lied(bench, reference=searched_reference(own, bench.data))
            yield f"{what}: true of them", forged, bench.message
            for key in ("sha256", "rows"):
                forged = copy.deepcopy(forged)
                forged["decoder"]["reference"][key] = bench.content["decoder"]["reference"][key]
                yield f"{what}, with the honest {key}", forged, bench.message

    assert refused(bench, found()) >= 19


def test_default_reference_inputs_under_another_name(benches: dict[str, Bench]) -> None:
    bench = benches["pictures"]
    named = {which: default_reference("image", which) for which in ("strokes", "objects", "figures")}

    def found() -> Iterator[Forgery]:
        for which, other in named.items():
            stated = {"id": other.name, "sha256": other.fingerprint, "rows": len(other.rows)}
            for key in stated:
                content = copy.deepcopy(bench.content)
                content["decoder"]["reference"][key] = stated[key]
                if content != bench.content:
                    yield f"{key} of {which}", content, bench.message
            content = copy.deepcopy(bench.content)
            content["decoder"]["reference"] = stated
            yield which, content, bench.message
            yield (
                f"{which}, split named",
                content | {"decoder": content["decoder"] | {"reference": stated | {"split": "train"}}},
                bench.message,
            )

    assert refused(bench, found()) >= 10


# Records that look better than they are ------------------------------------------------------------


def prettier(bench: Bench, clean: Content, overlap: Any) -> Iterator[Forgery]:
    """The record of the search without what it found: piece by piece, and with every sentence that follows."""
    independence, mine = bench.content["independence"], bench.case.reference
    assert mine is not None
    quiet = SearchedReference(mine.reference, mine.split, overlap)
    for key in independence:
        if independence[key] != clean[key]:
            yield (
                f"independence.{key}",
                lied(bench, independence=independence | {key: clean[key]}),
                bench.message,
            )
    for key in overlap:
        forged = SearchedReference(mine.reference, mine.split, mine.overlap | {key: overlap[key]})
        yield f"overlap.{key}", lied(bench, reference=forged), bench.message
    yield "independence", lied(bench, independence=clean), bench.message
    yield "overlap", lied(bench, reference=quiet), bench.message
    yield "both", lied(bench, independence=clean, reference=quiet), bench.message
    silent = copy.deepcopy(bench.content)
    silent["assumptions"] = [line for line in silent["assumptions"] if not line.startswith("WARNING")]
    yield "no warnings", silent, bench.message
    plain = copy.deepcopy(bench.content)
    del plain["decoder"]["reference"]["overlap"]
    yield "no overlap", plain, bench.message


def test_a_record_that_looks_better_than_it_is(doubtful: Bench) -> None:
    bench = doubtful
    assert bench.refusal(bench.content, bench.message) is None
    assert sum(line.startswith("WARNING") for line in bench.content["assumptions"]) >= 2
    silent = bench.prior.under_name(bench.prior.name, None, {})
    clean: Any = check_independence(silent, bench.data)
    honest = bench.content["decoder"]["reference"]["overlap"]
    counts = honest["rows"] | {"exact_duplicates": 0, "near_duplicates": 0}
    del counts["first_rows"]
    assert (
        refused(bench, prettier(bench, clean, {"rows": counts, "findings": [], "verdict": "none found"}))
        >= 10
    )
