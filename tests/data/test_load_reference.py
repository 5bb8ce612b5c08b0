"""The user's own reference inputs."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import image_rows, save_rows, text_rows
from PIL import Image

from transferbound import LabelledData
from transferbound.data import Examples, reference
from transferbound.data.reference import load_reference
from transferbound.errors import DataError
from transferbound.independence import reference_overlap
from transferbound.priors.reference import reference as priors_reference
from transferbound.priors.reference import row_content


def test_texts_are_the_rows_in_order(tmp_path: Path) -> None:
    rows = text_rows(30)
    loaded = load_reference(str(save_rows(tmp_path / "texts", rows)), modality="text")
    assert loaded.rows == tuple(rows["text"])
    assert loaded.modality == "text"
    assert loaded.description == f"the 30 rows of {tmp_path / 'texts'}, split train"


def test_pictures_are_those_of_the_folder(tmp_path: Path) -> None:
    rows = image_rows(8, mode="RGB")
    loaded = load_reference(str(save_rows(tmp_path / "pictures", rows)), modality="image")
    assert all(
        np.array_equal(np.asarray(one), np.asarray(other))
        for one, other in zip(loaded.rows, rows["image"], strict=True)
    )


def test_pairs_stay_pairs(tmp_path: Path) -> None:
    rows = {"first": ["a b", "c d"], "second": ["e f", "g h"]}
    folder = str(save_rows(tmp_path / "pairs", rows))
    loaded = load_reference(folder, modality="text", text_columns=["first", "second"])
    assert loaded.rows == (("a b", "e f"), ("c d", "g h"))


def test_the_first_rows_are_taken_and_the_split_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "MOST_ROWS", 10)
    rows = text_rows(30)
    folder = str(save_rows(tmp_path / "texts", rows))
    assert load_reference(folder, modality="text").rows == tuple(rows["text"][:10])
    later = load_reference(folder, modality="text", split="train[5:]")
    assert later.rows == tuple(rows["text"][5:15])
    assert "the first 10 of 25 rows" in later.description


def test_the_fingerprint_is_of_the_rows_alone(tmp_path: Path) -> None:
    folders = [str(save_rows(tmp_path / name, text_rows(12))) for name in ("one", "other")]
    assert len({load_reference(folder, modality="text").fingerprint for folder in folders}) == 1


@pytest.mark.parametrize("kind", ["text", "image"])
def test_rows_are_hashed_as_those_of_a_data_set(tmp_path: Path, kind: str) -> None:
    """So that a row of both is found."""
    folder = str(save_rows(tmp_path / kind, text_rows(6) if kind == "text" else image_rows(6)))
    mine = [hashlib.sha256(row_content(row)).digest() for row in load_reference(folder, modality=kind).rows]
    assert mine == [row.tobytes() for row in Examples.open(folder).row_hashes]


def test_large_pictures_are_not_held_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each use makes them anew; what is found is the same."""
    folder = str(save_rows(tmp_path / "pictures", image_rows(40)))
    data = LabelledData.load(folder)

    def found() -> tuple[object, ...]:
        loaded = load_reference(folder, modality="image")
        overlap = reference_overlap(loaded, data, override=True)
        return loaded.fingerprint, loaded.n, overlap, [row_content(row) for row in loaded.each()]

    kept = found()
    given: list[weakref.ref[Image.Image]] = []
    most = 0
    original = Examples.images

    def counted(self: Examples, rows: np.ndarray | None = None) -> Iterator[Image.Image]:
        nonlocal most
        for image in original(self, rows):
            given.append(weakref.ref(image))
            yield image
            del image
            most = max(most, sum(one() is not None for one in given))

    monkeypatch.setattr(priors_reference, "_MOST_KEPT", 1000)
    monkeypatch.setattr(Examples, "images", counted)
    assert found() == kept
    assert most < 12


def test_rows_of_another_kind_are_refused(tmp_path: Path) -> None:
    folder = str(save_rows(tmp_path / "texts", text_rows(6)))
    with pytest.raises(DataError, match="the prior reads images"):
        load_reference(folder, modality="image")
    with pytest.raises(DataError):
        load_reference(folder, modality="text", split="nowhere")
