"""Slices of splits: the rows, their number and their fingerprint are those of the slice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from conftest import save_rows, text_rows
from hypothesis import given
from hypothesis import strategies as st
from spine_fixtures import bright_rows, grouped

from transferbound import LabelledData
from transferbound.data._slices import Cut, RowRange, cut_of, row_ranges, shared_ranges
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.errors import DataError
from transferbound.priors import Prior

SIZES = {"train": 90, "test": 12}


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = save_rows(tmp_path_factory.mktemp("slices") / "squares", grouped(bright_rows(90), 4))
    save_rows(folder, grouped(bright_rows(12, seed=1), 4), split="test")
    return str(folder)


@pytest.mark.parametrize(
    "spec",
    [
        "train[:50%]",
        "train[33%:]",
        "train[-10:]",
        "train[:10%]+train[20%:30%]",
        "train[:9]+test",
    ],
)
def test_a_slice_is_what_datasets_says_it_is(squares: str, spec: str) -> None:
    found = LabelledData.load(squares, split=spec)
    wanted = datasets.load_dataset(squares, split=spec)
    assert found.split == spec
    assert found.n == len(wanted) == sum(rows.stop - rows.start for rows in found.ranges)
    assert found.labels.tolist() == wanted["label"]
    for ours, theirs in zip(found.images(), wanted["image"], strict=True):
        assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def test_the_fingerprint_is_that_of_the_rows(squares: str, tmp_path: Path) -> None:
    half = {key: value[:45] for key, value in bright_rows(90).items()}
    alone = LabelledData.load(str(save_rows(tmp_path / "half", half)))
    slices = [LabelledData.load(squares, split=spec) for spec in ("train[:50%]", "train[:45]", "train[45:]")]
    assert slices[0].fingerprint == slices[1].fingerprint == alone.fingerprint != slices[2].fingerprint


def test_a_folder_that_save_to_disk_wrote(squares: str, tmp_path: Path) -> None:
    datasets.load_dataset(squares).save_to_disk(str(tmp_path / "disk"))
    found = LabelledData.load(str(tmp_path / "disk"), split="train[50%:]")
    assert found.fingerprint == LabelledData.load(squares, split="train[50%:]").fingerprint


def test_by_hub_id(tmp_path: Path, hub_cache: Callable[..., str]) -> None:
    name = hub_cache(save_rows(tmp_path / "texts", text_rows(40)), "someone/texts", "dataset")
    assert LabelledData.load(name, split="train[30:]").n == 10


def test_groups_are_those_of_the_slice(squares: str) -> None:
    """Patients of 4 rows: of the 12th, p11, only one row is in the first half, and it counts as a group."""
    first = LabelledData.load(squares, split="train[:45]", group_column="patient")
    rest = LabelledData.load(squares, split="train[45:]", group_column="patient")
    assert (first.n_units, rest.n_units) == (12, 12)
    assert np.bincount(first.groups).tolist() == [4] * 11 + [1]
    assert first.group_values & rest.group_values == {"p11"}


def test_another_split_is_read_in_the_same_way(squares: str) -> None:
    first = LabelledData.load(squares, split="train[:45]", group_column="patient")
    rest = first.other_split("train[45:]")
    assert (rest.columns, rest.class_names, rest.name) == (first.columns, first.class_names, first.name)
    assert first.shared_rows(rest) == []
    assert first.shared_rows(first.other_split("train[40:50]")) == [RowRange("train", 40, 45)]


def pixels(encoded: EncodedData, row: int) -> torch.Tensor:
    (image,) = encoded.batch(np.array([row]))["pixel_values"]
    return image


def test_encoded_images_of_slices_are_kept_apart(squares: str, tiny_timm: Path) -> None:
    """The pixel cache must not take one half for the other."""
    preprocessing = Prior.from_pretrained(str(tiny_timm)).preprocessing(32)
    halves = [LabelledData.load(squares, split=spec) for spec in ("train[:45]", "train[45:]")]
    whole = encode(preprocessing, LabelledData.load(squares), progress=False)
    for half, rows in zip(halves, (range(45), range(45, 90)), strict=True):
        encoded = encode(preprocessing, half, progress=False)
        for row in (0, 44):
            assert bool((pixels(encoded, row) == pixels(whole, rows[row])).all())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("train[:0]", "is empty"),
        ("train[80:20]", "is empty"),
        ("trn[:3]", "has no split 'trn'; it has test, train"),
        ("train[3", "is not understood"),
        ("train[::2]", "is not understood"),
        ("train[:150%]", "is not understood"),
        ("train[:50%](up)", "is not understood"),
        ("train[:10]+train[5:]", r"takes the rows train\[5:10\] twice"),
        ("train+train", "twice"),
        ("train[" + "9" * 5000 + ":]", "characters"),
        ("", "has no split ''"),
    ],
)
def test_what_is_no_slice(squares: str, spec: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        LabelledData.load(squares, split=spec)


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(-100, 100), st.integers(-100, 100))
def test_shared_rows_are_the_intersection(a: int, b: int, c: int, d: int) -> None:
    first, second = (row_ranges(spec, SIZES, "x") for spec in (f"train[{a}:{b}]", f"train[{c}:{d}]"))
    rows = [{i for part in ranges for i in range(part.start, part.stop)} for ranges in (first, second)]
    shared = {i for part in shared_ranges(first, second) for i in range(part.start, part.stop)}
    assert shared == rows[0] & rows[1] == set(range(90)[a:b]) & set(range(90)[c:d])


def test_percentages_are_rounded_as_asked() -> None:
    assert row_ranges("train[:33%] + test[:3]", SIZES, "x")[0] == RowRange("train", 0, 30)
    assert row_ranges("train[:33%](pct1_dropremainder)", {"train": 199}, "x") == (RowRange("train", 0, 33),)
    assert row_ranges("train[:33%]", {"train": 199}, "x") == (RowRange("train", 0, 66),)


def test_a_split_of_a_strange_name_means_itself() -> None:
    assert row_ranges("a[:1]", {"a[:1]": 7, "a": 3}, "x") == (RowRange("a[:1]", 0, 7),)


# Slices that could be cut by outcome


@pytest.mark.parametrize(
    ("split", "kind", "pieces", "left_out"),
    [
        ("train", "whole", 1, 0),
        ("train+test", "whole", 2, 0),
        ("train[50%:]+train[:50%]", "whole", 1, 0),
        ("train[:333]+train[333:]", "whole", 1, 0),
        ("train[:333]+train[333:666]+train[666:]", "whole", 1, 0),
        ("train[:50%]", "plain", 1, 500),
        ("train[:333]", "plain", 1, 667),
        ("train[-37:]", "plain", 1, 963),
        ("train[:400]+train[400:412]", "plain", 1, 588),
        ("train[10%:90%]", "plain", 1, 200),
        ("train[:10%]+train[20%:]", "plain", 2, 100),
        ("train+test[:3]", "plain", 2, 97),
        ("test[10%:90%]", "plain", 1, 20),
        ("test[:40]+test[60:]", "plain", 2, 20),
        ("train[5:]+train[:3]", "free", 2, 2),
        ("train[100:333]", "free", 1, 767),
        ("train[:40]+train[63:]", "free", 2, 23),
        ("test[:41%]+test[42%:]", "free", 2, 1),
        ("train[:10%]+train[20%:30%]+train[40%:]", "free", 3, 200),
        ("+".join(f"train[{i}:{i + 99}]" for i in range(0, 1000, 100)), "free", 10, 10),
    ],
)
def test_slices_that_can_be_cut_around_single_rows(split: str, kind: str, pieces: int, left_out: int) -> None:
    """By the rows that are taken, however that is written; a percent of 100 rows is a single row."""
    assert cut_of(row_ranges(split, {"train": 1000, "test": 100}, "x")) == Cut(kind, pieces, left_out)
