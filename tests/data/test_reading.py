"""Data as people have it: labels that are words, merged classes, chosen files, draws, many columns, 16-bit images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from conftest import image_rows, save_rows, text_rows
from PIL import Image

from transferbound.certificate.assumptions import assumptions
from transferbound.certificate.identity import dataset_content
from transferbound.certificate.schema import check_content
from transferbound.data._draw import drawn_units, shuffled_order
from transferbound.data.declared import files_by_split, names_of_classes, parsed_label_map
from transferbound.data.inputs import Inputs
from transferbound.data.labelled import LabelledData
from transferbound.data.reading import DataReading
from transferbound.errors import ArgumentError, DataError

STRING = datasets.Value("string")


def words(folder: Path, labels: list[str]) -> str:
    rows = {"text": [f"row {i}" for i in range(len(labels))], "label": labels}
    return str(save_rows(folder, rows, label=STRING))


# Classes ---------------------------------------------------------------------------------------------


def test_the_stated_order_numbers_the_words(tmp_path: Path) -> None:
    folder = words(tmp_path / "d", ["bad", "good", "good", "bad"])
    data = LabelledData.load(folder, class_names="good,bad,fair")
    assert (data.class_names, data.classes_from) == (("good", "bad", "fair"), "words")
    assert data.labels.tolist() == [1, 0, 0, 1]
    assert LabelledData.load(folder, class_names=["bad", "good"]).labels.tolist() == [0, 1, 1, 0]
    assert data.other_split("train[:3]").class_names == data.class_names


def test_words_that_are_not_listed_are_named_on_both_sides(tmp_path: Path) -> None:
    folder = words(tmp_path / "d", ["bad", "good", "Good "])
    with pytest.raises(DataError, match=r"--class-names says nothing of 'Good '.*it names 'bad', 'good'"):
        LabelledData.load(folder, class_names="bad,good")


def test_declared_classes_keep_their_words_in_another_order(tmp_path: Path) -> None:
    feature = datasets.ClassLabel(names=["cat", "dog"])
    folder = str(save_rows(tmp_path / "d", text_rows(4), label=feature))
    data = LabelledData.load(folder, class_names="dog,cat")
    assert (data.labels.tolist(), data.classes_from) == ([1, 0, 1, 0], "order")
    assert LabelledData.load(folder, class_names="cat,dog").classes_from == "features"
    with pytest.raises(DataError, match=r"lists 'dog', 'cow', but the data set .* declares 'cat', 'dog'"):
        LabelledData.load(folder, class_names="dog,cow")


def test_bare_integers_are_named_in_order_or_as_they_are_written(tmp_path: Path) -> None:
    rows = {"text": ["a", "b", "c"], "label": [1, 2, 1]}
    folder = str(save_rows(tmp_path / "d", rows, label=datasets.Value("int64")))
    with pytest.raises(DataError, match=r"count from 0.*from 1 to 2.*--class-names 1,2"):
        LabelledData.load(folder, num_classes=2)
    assert LabelledData.load(folder, class_names="2,1").labels.tolist() == [1, 0, 1]
    named = LabelledData.load(folder, class_names="none,bad,good")
    assert (named.labels.tolist(), named.classes_from) == ([1, 2, 1], "names")


def test_a_map_merges_classes_and_leaves_no_row_out(tmp_path: Path) -> None:
    feature = datasets.ClassLabel(names=["1", "2", "3"])
    folder = str(save_rows(tmp_path / "d", text_rows(6, 3), label=feature))
    data = LabelledData.load(folder, label_map="1=bad,2=bad,3=good")
    assert (data.class_names, data.labels.tolist(), data.n) == (("bad", "good"), [0, 0, 1, 0, 0, 1], 6)
    turned = LabelledData.load(
        folder, label_map={"1": "bad", "2": "bad", "3": "good"}, class_names="good,bad"
    )
    assert turned.labels.tolist() == [1, 1, 0, 1, 1, 0]
    with pytest.raises(DataError, match="--label-map says nothing of '3'"):
        LabelledData.load(folder, label_map="1=bad,2=good")
    with pytest.raises(DataError, match="name the same classes in both"):
        LabelledData.load(folder, label_map="1=bad,2=bad,3=good", class_names="bad,fair,good")


@pytest.mark.parametrize(
    ("parse", "given", "message"),
    [
        (names_of_classes, "one", "1 names"),
        (names_of_classes, "a,,b", "0 characters"),
        (names_of_classes, "a,b,a", "'a' twice"),
        (names_of_classes, '["a", 1]', "JSON list of strings"),
        (parsed_label_map, "a", "OLD=NEW"),
        (parsed_label_map, "a=x,a=y", "twice"),
        (parsed_label_map, "a=x,b=x", "one class"),
        (parsed_label_map, '{"a": 1}', "JSON object of strings"),
        (files_by_split, "../a.csv", "inside the data set"),
        (files_by_split, "test=/etc/passwd", "inside the data set"),
        (files_by_split, "https://host/a.csv", "inside the data set"),
    ],
)
def test_what_cannot_be_declared(parse: Any, given: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        parse(given)


def test_names_with_commas_and_maps_in_files(tmp_path: Path) -> None:
    assert names_of_classes('["a, b", "c"]') == ("a, b", "c")
    (tmp_path / "map.json").write_text('{"a": "x", "b": "y"}', encoding="utf-8")
    assert parsed_label_map(str(tmp_path / "map.json")) == {"a": "x", "b": "y"}


@pytest.mark.parametrize(
    "how", [{"shuffle_seed": -1}, {"max_rows": 1}, {"image_bits": 17}, {"class_names": "a"}]
)
def test_a_reading_is_checked_before_anything_is_read(how: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=f"--{next(iter(how)).replace('_', '-')}"):
        DataReading(**how)


# Draws -----------------------------------------------------------------------------------------------


def test_a_draw_is_of_places_and_seed_alone(tmp_path: Path) -> None:
    """Not of what rows hold: the same places are drawn of a data set with other texts and labels."""
    rows = text_rows(40)
    other = {"text": rows["text"][::-1], "label": [(i // 2) % 2 for i in range(40)]}
    kept = []
    for name, each in (("a", rows), ("b", other)):
        numbered = each | {"number": [str(i) for i in range(40)]}
        folder = str(save_rows(tmp_path / name, numbered))
        data = LabelledData.load(folder, text_columns="number", max_rows=10, shuffle_seed=3)
        assert (data.n, data.draw is not None and data.draw.of) == (10, 40)
        kept.append([row[0] for row in data.text_rows()])
    assert kept[0] == kept[1]
    assert not np.array_equal(drawn_units(40, 10, 3), drawn_units(40, 10, 4))


def test_groups_are_drawn_whole(tmp_path: Path) -> None:
    rows = text_rows(40) | {"patient": [f"p{i // 4}" for i in range(40)]}
    folder = str(save_rows(tmp_path / "d", rows))
    data = LabelledData.load(folder, group_column="patient", text_columns="text", max_rows=3)
    assert (data.n, data.n_units) == (12, 3)
    assert data.groups is not None
    assert np.bincount(data.groups).tolist() == [4, 4, 4]


def test_rows_are_shuffled_before_slices_are_cut(tmp_path: Path) -> None:
    rows = {"text": [f"t{i}" for i in range(20)], "label": [int(i >= 10) for i in range(20)]}
    folder = str(save_rows(tmp_path / "d", rows))
    with pytest.raises(DataError, match="--shuffle-seed 0"):
        LabelledData.load(folder, split="train[:10]")
    data = LabelledData.load(folder, split="train[:10]", shuffle_seed=0)
    assert [row[0] for row in data.text_rows()] == [f"t{i}" for i in shuffled_order(20, 0)[:10]]
    rest = data.other_split("train[10:]")
    assert not {row[0] for row in data.text_rows()} & {row[0] for row in rest.text_rows()}


# What a certificate says -----------------------------------------------------------------------------


def said(data: LabelledData) -> str:
    decoder: Any = {"head_start": "zero", "candidates": 1}
    record: Any = {"verdict": "none found", "assumption": "Fixed."}
    return "\n".join(assumptions(dataset_content(data), decoder, record, 0.95))


def test_every_choice_of_the_reading_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    save_rows(folder, text_rows(20))
    plain = said(LabelledData.load(str(folder)))
    for how, sentence in (
        ({"max_rows": 10}, "Of 20 rows 10 were drawn with seed 0, without sight of what they hold"),
        ({"shuffle_seed": 4}, "the order that seed 4 gives"),
        (
            {"label_map": {"class0": "x", "class1": "y"}},
            "Labels stand for other classes than in the data (class0=x",
        ),
        ({"data_files": "data/*.parquet"}, "of the files that the writer named (data/*.parquet)"),
    ):
        data = LabelledData.load(str(folder), **how)
        assert sentence in said(data)
        assert "by the word of the writer" in said(data)
        assert sentence not in plain
        assert next(iter(how)).replace("max_rows", "draw") in dataset_content(data)


def test_content_of_a_reading_has_the_declared_form(tmp_path: Path) -> None:
    from spine_fixtures import image_certificate

    from transferbound import Certificate

    content: Any = Certificate.from_pretrained(image_certificate()).content
    more = {"label_map": {"a": "b"}, "data_files": ["x"], "shuffle_seed": 1, "image_bits": 12}
    content["dataset"] = content["dataset"] | more | {"draw": {"seed": 0, "units": 2, "of": 3}}
    check_content(content)


# Files and columns -----------------------------------------------------------------------------------


def test_files_are_named_by_split(tmp_path: Path) -> None:
    for name, label in (("a", 0), ("b", 1), ("c", 1)):
        (tmp_path / f"{name}.csv").write_text(
            f"text,label\n{name}1,{label}\n{name}2,{1 - label}\n", encoding="utf-8"
        )
    how: dict[str, Any] = {"num_classes": 2, "data_files": ["a.csv", "test=b.csv"]}
    data = LabelledData.load(str(tmp_path), **how)
    assert [row[0] for row in data.text_rows()] == ["a1", "a2"]
    assert data.files_left_out is not None
    assert (data.files_left_out.left_out, data.files_left_out.files) == (1, 3)
    assert [row[0] for row in data.other_split("test").text_rows()] == ["b1", "b2"]
    with pytest.raises(DataError, match=r"--data-files was given.*is a file"):
        LabelledData.load(str(tmp_path / "a.csv"), **how)


def test_what_was_prepared_of_a_folder_is_no_data_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LabelledData.load(str(save_rows(tmp_path / "here" / "reviews-of-mine", text_rows())))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="unknown data set reviews-of-mine"):
        LabelledData.load("reviews-of-mine")


def test_a_pair_is_found_beside_columns_that_are_no_texts(tmp_path: Path) -> None:
    rows = {
        "id": ["1", "2"],
        "query": ["a", "b"],
        "reply": ["c", "d"],
        "label_text": ["x", "y"],
        "label": [0, 1],
    }
    data = LabelledData.load(str(save_rows(tmp_path / "d", rows)))
    assert data.columns["text"] == ["query", "reply"]
    del rows["reply"]
    assert LabelledData.load(str(save_rows(tmp_path / "e", rows))).columns["text"] == ["query"]


def test_more_than_two_columns_are_put_together(tmp_path: Path) -> None:
    rows = {"title": ["a", "b"], "body": ["c", "d"], "note": ["e", "f"], "label": [0, 1]}
    folder = str(save_rows(tmp_path / "d", rows))
    with pytest.raises(DataError, match=r"several text columns \(title, body, note\).*--text-column"):
        LabelledData.load(folder)
    data = LabelledData.load(folder, text_columns=["title", "body", "note"])
    assert list(data.texts()) == [(["a\nc\ne", "b\nd\nf"], None)]
    assert list(data.text_rows()) == [("a", "c", "e"), ("b", "d", "f")]
    asked = Inputs(
        "text", ("title", "body", "note"), [{"title": "a", "body": "c", "note": "e"}, ("b", "d", "f")]
    )
    assert list(asked.texts()) == list(data.texts())


def test_captions_for_a_prior_of_texts(tmp_path: Path) -> None:
    rows = image_rows(6, 2) | {"caption": [f"w{i}" for i in range(6)]}
    folder = str(save_rows(tmp_path / "d", rows))
    assert LabelledData.load(folder).modality == "image"
    data = LabelledData.load(folder, modality="text")
    assert (data.modality, data.columns["text"]) == ("text", ["caption"])
    assert LabelledData.load(folder, modality="image").modality == "image"


def test_images_of_sixteen_bits_are_read_where_that_is_asked_for(tmp_path: Path) -> None:
    values = [np.full((4, 4), value, dtype=np.uint16) for value in (0, 255, 4095, 65535)]
    cells = []
    for value in values:
        buffer = io.BytesIO()
        Image.fromarray(value).save(buffer, format="PNG")
        cells.append({"bytes": buffer.getvalue(), "path": None})
    rows = {"image": cells, "label": [0, 1, 0, 1]}
    folder = str(save_rows(tmp_path / "d", rows))
    with pytest.raises(DataError, match="--image-bits"):
        list(LabelledData.load(folder).images())
    data = LabelledData.load(folder, image_bits=16)
    assert [image.getpixel((0, 0)) for image in data.images()] == [0, 0, 15, 255]
    assert dataset_content(data)["image_bits"] == 16
    with pytest.raises(DataError, match="grey value 65535, more than 12 bits hold"):
        list(LabelledData.load(folder, image_bits=12).images())
    asked = Inputs("image", ("image",), [cells[2]["bytes"]], image_bits=12)
    assert next(asked.images()).getpixel((0, 0)) == 255
