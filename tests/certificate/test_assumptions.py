"""Trap 16, and its kin: a sentence on a certificate says what was checked, or whose word it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from conftest import image_rows, save_rows, text_rows
from short_certificates import certified
from spine_fixtures import QUICK, assigned, bright_rows, image_certificate, world, write_certificate

from transferbound import CertifySettings, LabelledData, Prior, certify, verify
from transferbound.certificate.assumptions import assumptions
from transferbound.certificate.certificate import Certificate
from transferbound.errors import ArgumentError
from transferbound.message import OPEN_LIST, Header
from transferbound.message.stream import encode


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


# Classes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["class1", "class0"], ["class0", "class1 "], ["Class0", "class1"]])
def test_a_copy_with_other_names_for_its_classes_is_other_data(names: list[str], tmp_path: Path) -> None:
    rows = bright_rows(60)
    folder = str(save_rows(tmp_path / "plain", rows))
    copy = LabelledData.load(str(save_rows(tmp_path / "copy", rows, label=datasets.ClassLabel(names=names))))
    message = encode(Header("constant", 1, answer=1, classes=2), np.zeros(1, dtype=np.int64))
    case = certified(tmp_path / "out", Prior.from_pretrained(str(world() / "prior")), copy, message)
    assert verify(case.folder, progress=False).holds
    verdict = verify(case.folder, dataset=folder, progress=False)
    assert not verdict.holds
    assert any("class_names" in line for line in verdict.problems)


_DECLARED = """---
dataset_info:
  features:
  - {name: image, dtype: image}
  - {name: label, dtype: {class_label: {names: {'0': dog, '1': cat}}}}
---
"""


def folders_of_images(folder: Path, n: int = 12) -> Path:
    for i, image in enumerate(image_rows(n)["image"]):
        place = folder / "train" / ("cat" if i % 2 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{i}.png")
    return folder


@pytest.mark.parametrize("split", ["train", "train[:9]", "train[:6]+train[8:]"])
def test_classes_that_are_names_of_folders_are_not_declared(split: str, tmp_path: Path) -> None:
    data = LabelledData.load(str(folders_of_images(tmp_path / "pets")), split=split)
    assert (data.class_names, data.classes_from) == (("cat", "dog"), "folders")
    assert data.other_split("train").classes_from == "folders"


def test_what_a_card_says_makes_no_classes_of_folders(tmp_path: Path) -> None:
    """``datasets`` takes them from the folders whatever stands there, so nothing is declared."""
    folder = folders_of_images(tmp_path / "pets")
    (folder / "README.md").write_text(_DECLARED, encoding="utf-8")
    data = LabelledData.load(str(folder))
    assert (data.class_names, data.classes_from) == (("cat", "dog"), "folders")


def test_other_classes_are_declared(tmp_path: Path) -> None:
    assert LabelledData.load(str(save_rows(tmp_path / "rows", text_rows()))).classes_from == "features"


def test_a_certificate_on_folders_says_so_and_holds(tmp_path: Path) -> None:
    data = LabelledData.load(str(folders_of_images(tmp_path / "pets", 40)))
    certify(Prior.from_pretrained(str(world() / "prior")), data, tmp_path / "out", QUICK, progress=False)
    verdict = verify(tmp_path / "out")
    assert verdict.holds, verdict.problems
    assert any("which nobody declares" in line for line in verdict.certificate.content["assumptions"])


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("features", None),
        ("folders", "which nobody declares"),
        ("user", "the data set does not declare them"),
    ],
)
def test_whose_classes_they_are(origin: str, words: str | None) -> None:
    lines = [
        line
        for line in said({("dataset", "classes_from"): origin})
        if line.startswith("The task has 2 classes")
    ]
    assert len(lines) == (words is not None)
    assert words is None or words in lines[0]
