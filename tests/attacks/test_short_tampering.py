"""Tampered certificates of version 3 of the message format: kinds ``sparse`` and ``constant``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from short_certificates import of_one_class, of_pictures, of_texts
from tampering import (
    Bench,
    Content,
    Tampering,
    distinct,
    edited_leaves,
    edited_messages,
    edited_objects,
    forged_costs,
    forged_counts,
    judged,
)

KINDS: dict[str, Callable[[Content, bytes], Iterator[Tampering]]] = {
    "a value changed": edited_leaves,
    "a key or an entry more or less": edited_objects,
    "another message": edited_messages,
    "counts that agree": forged_counts,
    "costs that agree": forged_costs,
}
CASES = ("pictures", "texts", "one class")
FEWEST = {"pictures": 1000, "texts": 1000, "one class": 800}
"""Distinct tamperings of each certificate, at least."""


@pytest.fixture(scope="module")
def benches(tiny_bert: Path) -> dict[str, Bench]:
    made = (of_pictures(), of_texts(tiny_bert), of_one_class())
    return {name: Bench(case) for name, case in zip(CASES, made, strict=True)}


@pytest.mark.parametrize("name", CASES)
def test_the_honest_certificate_is_accepted(benches: dict[str, Bench], name: str) -> None:
    bench = benches[name]
    assert bench.refusal(bench.content, bench.message) is None


@pytest.mark.parametrize("name", CASES)
def test_tampered_certificates_are_refused(benches: dict[str, Bench], name: str) -> None:
    bench = benches[name]
    counts, every = {}, []
    for kind, made in KINDS.items():
        found = list(made(bench.content, bench.message))
        accepted, unnamed, true = judged(bench, found)
        assert not accepted, kind
        assert not unnamed, kind
        counts[kind] = distinct(found) - true
        every += found
    print(f"{name}: {counts}")
    assert distinct(every) >= FEWEST[name]
