"""Packaged texts: what they are, and that they are the same everywhere."""

from __future__ import annotations

import importlib.resources

import pytest

from transferbound.errors import ArgumentError
from transferbound.priors.reference import Reference, default_reference, plain_sentences, plain_texts


def test_the_packaged_sentences_are_short_plain_and_different() -> None:
    rows = plain_sentences()
    assert len(rows) == len({row.lower() for row in rows}) == 4000
    assert list(rows) == sorted(rows)
    assert all(row.isascii() and 4 <= len(row.split()) <= 30 for row in rows)


def test_the_licence_lies_beside_them() -> None:
    text = (importlib.resources.files("transferbound.priors.reference") / "LICENSE.WordNet").read_text()
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text


def test_the_default_texts_are_the_same_everywhere() -> None:
    default = default_reference("text")
    assert len(default.rows) == 2000
    assert default.fingerprint == "093fc74d18078a4a61e8afb736e871dbd73a65b94dcd6854440155e877c1dcd5"


def test_paragraphs_are_of_other_sentences_than_those_that_stand_alone() -> None:
    rows = plain_texts(2000, 50)
    alone = {row.lower().rstrip(".?!") for row in rows[:2000]}
    for paragraph in rows[2000:]:
        assert sum(paragraph.count(mark) for mark in ".!?") >= 3
        assert paragraph[0].isupper()
        assert not any(paragraph.lower().startswith(row + ".") for row in alone)


@pytest.mark.parametrize(("sentences", "paragraphs"), [(2001, 0), (-1, 0), (0, -1)])
def test_numbers_out_of_range_are_refused(sentences: int, paragraphs: int) -> None:
    with pytest.raises(ArgumentError):
        plain_texts(sentences, paragraphs)


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(ArgumentError, match="modality 'sound'; there are mixture of text"):
        default_reference("sound")


def test_the_fingerprint_tells_rows_apart() -> None:
    def of(*rows: object) -> str:
        return Reference("name", "text", "", "", lambda: rows).fingerprint

    assert len({of("ab", "c"), of("a", "bc"), of("abc"), of(("ab", "c")), of("ab", "c", "")}) == 5
