"""Trap 14: a search that compares nothing must not say "nothing found"; and rows that repeat one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from conftest import image_rows, save_rows
from PIL import Image
from spine_fixtures import bright_rows, world

from transferbound import LabelledData, Prior
from transferbound.certificate.assumptions import assumptions
from transferbound.certificate.identity import dataset_content
from transferbound.errors import DataError, PriorIndependenceError
from transferbound.independence import check_independence
from transferbound.independence.rows import dependent_rows

DECODER: Any = {"candidates": 1, "head_start": "zero"}
WORDS = "sun moon star rain wind snow leaf root".split()  # noqa: SIM905


def short_texts(folder: Path, n: int, offset: int = 0) -> LabelledData:
    """Distinct texts of three words, labels by a coin."""
    coins = np.random.default_rng(0).integers(0, 2, n)
    coins[:2] = (0, 1)
    texts = [f"{WORDS[i % 8]} {WORDS[i // 8 % 8]} {i + offset}" for i in range(n)]
    return LabelledData.load(str(save_rows(folder, {"text": texts, "label": coins.tolist()})))


@pytest.fixture
def prior(tiny_bert: Path) -> Prior:
    return Prior.from_pretrained(str(tiny_bert))


def test_the_very_data_set_as_pretraining_data_is_refused(prior: Prior, tmp_path: Path) -> None:
    """Memorized coin flips once gave "none found" and a bound of 5.8 %, since every row had fewer than 8 words."""
    data = short_texts(tmp_path / "flips", 400)
    with pytest.raises(PriorIndependenceError, match=r"400 of 400 training rows .* \(400 exactly"):
        check_independence(prior, data, str(tmp_path / "flips"))


@pytest.mark.parametrize(
    "change", [str.upper, lambda text: f"  {text}!", lambda text: text.replace(" ", "  ")]
)
def test_case_blanks_and_marks_hide_no_copy(change, prior: Prior, tmp_path: Path) -> None:
    data = short_texts(tmp_path / "flips", 100)
    copies = [change(text) for (text,) in data.text_rows()]
    corpus = save_rows(tmp_path / "corpus", {"text": copies})
    with pytest.raises(PriorIndependenceError, match="100 of 100 training rows"):
        check_independence(prior, data, str(corpus))


def test_a_few_short_rows_that_recur_are_a_warning(prior: Prior, tmp_path: Path) -> None:
    data = short_texts(tmp_path / "rows", 400)
    first = next(data.text_rows())[0]
    corpus = save_rows(tmp_path / "corpus", {"text": [first, "something else altogether"]})
    record = check_independence(prior, data, str(corpus))
    assert record["verdict"] == "warning"
    assert record["checked"]["pretraining_data"]["exact_duplicates"] == 1


def test_what_was_not_compared_is_said(prior: Prior, tmp_path: Path) -> None:
    data = short_texts(tmp_path / "rows", 50)
    corpus = save_rows(tmp_path / "corpus", {"text": ["something else altogether"]})
    record = check_independence(prior, data, str(corpus))
    assert record["verdict"] == "warning"
    assert "50 of 50 training rows have fewer than 8 words" in record["assumption"]
    assert "nothing was found" not in record["assumption"]


def test_what_was_not_compared_between_parts_is_said(prior: Prior, tmp_path: Path) -> None:
    short_texts(tmp_path / "parts", 60)
    first, rest = (
        LabelledData.load(str(tmp_path / "parts"), split=split) for split in ("train[:50%]", "train[50%:]")
    )
    record = check_independence(prior, rest, prior_split=first)
    assert record["verdict"] == "warning"
    assert "30 of 30 training rows have fewer than 8 words" in record["assumption"]
    assert "nothing was found" not in record["assumption"]


@pytest.mark.parametrize(
    ("name", "verdict"), [("data", "warning"), ("train", "warning"), ("weather", "none found")]
)
def test_a_name_that_tells_nothing_is_compared_with_nothing(
    name: str, verdict: str, prior: Prior, tmp_path: Path
) -> None:
    record = check_independence(prior, short_texts(tmp_path / name, 20))
    assert record["verdict"] == verdict
    assert ("does not tell which data this is" in record["assumption"]) == (verdict == "warning")
    (tmp_path / name / "README.md").write_text("---\npretty_name: Rotten Tomatoes\n---\n", encoding="utf-8")
    told = check_independence(prior, LabelledData.load(str(tmp_path / name)))
    assert told["verdict"] == "none found"


def test_pictures_with_one_pixel_moved_are_said(tmp_path: Path) -> None:
    """100 images, each ten times: n was 1,000 without a word."""
    random, rows = np.random.default_rng(0), {"image": [], "label": []}
    for image, label in zip(*image_rows(100, side=24).values(), strict=True):
        for _ in range(10):
            pixels = np.asarray(image).copy()
            pixels[tuple(random.integers(0, 24, 2))] = random.integers(0, 256)
            rows["image"].append(Image.fromarray(pixels))
            rows["label"].append(label)
    data = LabelledData.load(str(save_rows(tmp_path / "copies", rows)))
    found = dependent_rows(data)
    assert found["near_rows_compared"] == 1000
    assert 800 < found["near_duplicate_rows"] <= 900
    honest = dependent_rows(LabelledData.load(str(save_rows(tmp_path / "honest", image_rows(200, side=24)))))
    assert honest["near_duplicate_rows"] == 0
    content = dataset_content(data)
    record = check_independence(Prior.from_pretrained(str(world() / "prior")), data)
    said = assumptions(content, DECODER, record, 0.95)
    assert any(line.startswith("WARNING") and "nearly the same as an earlier one" in line for line in said)


def test_texts_that_differ_in_case_are_said(tmp_path: Path) -> None:
    texts = [f"the film number {i} is good" for i in range(50)]
    rows = {"text": texts + [text.title() + "." for text in texts], "label": [i % 2 for i in range(100)]}
    found = dependent_rows(LabelledData.load(str(save_rows(tmp_path / "texts", rows))))
    assert found["exact_duplicate_rows"] == 0
    assert found["near_duplicate_rows"] == 50


@pytest.mark.parametrize(
    ("split", "warns"),
    [
        ("train[:50%]", False),
        ("train[:40]+train[60:]", False),
        ("train[:35]+train[35:70]+train[70:]", False),
        ("train[:40]+train[43:]", True),
        ("train[7:31]", True),
        ("odd", True),
    ],
)
def test_pieces_that_could_be_cut_by_outcome_are_a_warning(split: str, warns: bool, tmp_path: Path) -> None:
    """396 characters of slices left out exactly the wrong rows, and went from 77.8 to 49.4 % without a word."""
    save_rows(tmp_path / "data", bright_rows(100))
    if split == "odd":
        split = "+".join(f"train[{i}:{i + 7}]" for i in range(0, 100, 10))
    data = LabelledData.load(str(tmp_path / "data"), split=split)
    record = check_independence(Prior.from_pretrained(str(world() / "prior")), data)
    content = dataset_content(data)
    said = assumptions(content, DECODER, record, 0.95)
    assert ("cut" in content) == (data.n < 100)
    assert any(line.startswith("WARNING: the split") for line in said) == warns


def test_minus_zero_is_no_other_group(tmp_path: Path) -> None:
    rows = bright_rows(8) | {"patient": [0.0, -0.0, 1.5, 1.5, 2.0, 2.0, -0.0, 0.0]}
    folder = save_rows(tmp_path / "data", rows, patient=datasets.Value("float64"))
    assert LabelledData.load(str(folder), group_column="patient").n_units == 3
    rows["patient"][3] = float("nan")
    folder = save_rows(tmp_path / "nan", rows, patient=datasets.Value("float64"))
    with pytest.raises(DataError, match="no number in group column patient of row 3"):
        LabelledData.load(str(folder), group_column="patient")
