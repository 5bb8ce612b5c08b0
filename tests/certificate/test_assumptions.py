"""Trap 16, and its kin: a sentence on a certificate says what was checked, or whose word it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from spine_fixtures import QUICK, assigned, image_certificate, world, write_certificate

from transferbound import CertifySettings, LabelledData, Prior, certify, verify
from transferbound.certificate.assumptions import assumptions
from transferbound.certificate.certificate import Certificate
from transferbound.errors import ArgumentError
from transferbound.message import OPEN_LIST


def said(changes: dict[tuple[str | int, ...], Any]) -> list[str]:
    """The assumptions of an honest certificate with some of its values changed."""
    content: Any = Certificate.from_pretrained(image_certificate()).content
    for path, value in changes.items():
        content = assigned(content, path, value)
    return assumptions(content["dataset"], content["decoder"], content["independence"], content["confidence"])


def test_every_sentence_of_a_certificate_is_made_of_it() -> None:
    assert said({}) == Certificate.from_pretrained(image_certificate()).content["assumptions"]
    assert not any(line.startswith("WARNING") for line in said({}))


# Lists of variants ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidates", "when", "words"),
    [
        (1, None, "no other checkpoint was tried on this data and put aside"),
        (1, "after", "was chosen after results of others on this data were seen"),
        (24, None, "one of a list of 24 variants and pays for the choice. By the word of the writer"),
        (24, "after", "entries were put on that list after results of others on this data were seen"),
        (0, None, "a list of variants that may grow, and pays for the length of the place's number"),
        (0, "after", "entries were put on that list after results of others on this data were seen"),
    ],
)
def test_who_chose_what_and_when(candidates: int, when: str | None, words: str) -> None:
    """Once all of them said that the list "was complete before training"."""
    changes: dict[tuple[str | int, ...], Any] = {("decoder", "candidates"): candidates}
    if when is not None:
        changes["decoder", "list_written"] = when
    lines = said(changes)
    (line,) = (line for line in lines if words in line)
    assert line.startswith("WARNING: ") == (when == "after")
    assert "the word of the writer" in line
    assert any("not made longer after results" in line for line in lines) == (candidates == 24 and not when)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ArgumentError, match="list_written is 'later'; it must be before or after"):
        CertifySettings(list_written="later")


def test_a_list_widened_after_results_is_a_warning_that_cannot_be_taken_away(tmp_path: Path) -> None:
    """The sixth place of a list that grew: certificate, card and verdict say so, and it costs 5 bits, not log2 6."""
    settings = replace(QUICK, candidate=5, candidates=OPEN_LIST, list_written="after")
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = LabelledData.load(str(world() / "bright-squares"))
    certify(prior, data, tmp_path / "out", settings, progress=False)
    certificate = Certificate.from_pretrained(tmp_path / "out")
    content: Any = certificate.content
    (cost,) = (cost for cost in content["message"]["costs"] if cost["field"] == "candidate")
    assert (cost["value"], cost["bits"]) == (5, pytest.approx(5, abs=1e-4))
    verdict = verify(tmp_path / "out")
    assert verdict.holds, verdict.problems
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for text in (card, verdict.text()):
        assert "after results of others on this data" in " ".join(text.split())

    decoder = {key: value for key, value in content["decoder"].items() if key != "list_written"}
    for forged in (decoder, decoder | {"list_written": "before"}, decoder | {"list_written": "later"}):
        write_certificate(tmp_path / "forged", content | {"decoder": forged}, certificate.message)
        assert not verify(tmp_path / "forged").holds
