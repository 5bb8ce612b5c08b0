"""Reference inputs that hold training rows: a basis made of them has seen the data."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import image_rows, save_rows, text_rows

from transferbound import LabelledData
from transferbound.data.reference import load_reference
from transferbound.errors import DataError, PriorIndependenceError
from transferbound.independence import reference_overlap
from transferbound.priors.reference import default_reference

LONG = "the {} fox jumps over one lazy dog and runs home"


def long_rows(n: int, start: int = 0) -> dict[str, list[object]]:
    return {
        "text": [LONG.format(f"{chr(97 + i % 26)}{i} {i * i} {i + 7} red") for i in range(start, start + n)],
        "label": [i % 2 for i in range(n)],
    }


def test_a_basis_of_the_training_rows_themselves_is_refused(tmp_path: Path) -> None:
    folder = str(save_rows(tmp_path / "task", long_rows(20)))
    data, reference = LabelledData.load(folder), load_reference(folder, modality="text")
    with pytest.raises(PriorIndependenceError, match="20 of 20 training rows stand in the reference inputs"):
        reference_overlap(reference, data)
    found = reference_overlap(reference, data, override=True)
    assert found["verdict"] == "overridden"
    assert found["rows"]["exact_duplicates"] == 20


def test_pictures_that_are_training_rows_are_refused(tmp_path: Path) -> None:
    rows = image_rows(20)
    data = LabelledData.load(str(save_rows(tmp_path / "task", rows)))
    some = {"image": rows["image"][:3]}
    reference = load_reference(str(save_rows(tmp_path / "some", some)), modality="image")
    with pytest.raises(PriorIndependenceError, match="3 of 20"):
        reference_overlap(reference, data)


def test_other_rows_are_none_found(tmp_path: Path) -> None:
    data = LabelledData.load(str(save_rows(tmp_path / "task", image_rows(20))))
    found = reference_overlap(default_reference("image", "objects", 8), data)
    assert found["verdict"] == "none found"
    assert found["rows"]["rows"] == 1000
    assert found["rows"]["rows_compared"] == 20
    assert found["findings"] == []


def test_short_texts_that_could_not_be_compared_are_a_doubt(tmp_path: Path) -> None:
    data = LabelledData.load(str(save_rows(tmp_path / "task", {**text_rows(20), "text": ["a b"] * 20})))
    assert reference_overlap(default_reference("text"), data)["verdict"] == "warning"


def test_texts_and_pictures_are_not_compared(tmp_path: Path) -> None:
    data = LabelledData.load(str(save_rows(tmp_path / "task", text_rows(20))))
    with pytest.raises(DataError, match="reference inputs"):
        reference_overlap(default_reference("image", "objects", 8), data)
