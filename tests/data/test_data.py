"""Labelled data: columns, classes, groups, fingerprints, duplicates, and each bad input's message."""

from __future__ import annotations

import inspect
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import COMMIT, image_rows, save_rows, text_rows
from PIL import Image

from transferbound.certification.inputs import check_modality
from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.data.reading import DataReading
from transferbound.errors import DataError, PriorError
from transferbound.independence.rows import dependent_rows
from transferbound.independence.word_runs import contained_rows
from transferbound.priors import Prior


def test_images_with_declared_classes(tiny_images: Path) -> None:
    data = LabelledData.load(str(tiny_images))
    assert (data.n, data.n_units, data.num_classes, data.modality) == (24, 24, 3, "image")
    assert data.class_names == ("class0", "class1", "class2")
    assert data.labels.dtype == np.int64
    assert data.labels.tolist() == [i % 3 for i in range(24)]
    assert data.columns == {"image": ["image"], "label": "label", "group": None}
    assert data.is_greyscale
    assert [image.size for image in data.images()] == [(12, 12)] * 24


def test_texts(tiny_texts: Path) -> None:
    data = LabelledData.load(str(tiny_texts))
    assert (data.modality, data.is_pairs, data.classes_from) == ("text", False, "features")
    assert [row[0] for row in data.text_rows()] == text_rows()["text"]


def test_classes_are_the_declared_ones_not_those_seen(tmp_path: Path) -> None:
    feature = datasets.ClassLabel(names=["a", "b", "c", "d"])
    data = LabelledData.load(str(save_rows(tmp_path / "d", text_rows(), label=feature)))
    assert data.num_classes == 4
    assert set(data.labels.tolist()) == {0, 1}


def test_bare_integers_want_a_declared_number_of_classes(tmp_path: Path) -> None:
    folder = str(save_rows(tmp_path / "d", text_rows(), label=datasets.Value("int64")))
    with pytest.raises(DataError, match=r"bare integers \(0 to 1 here\).*num-classes"):
        LabelledData.load(folder)
    data = LabelledData.load(folder, num_classes=3)
    assert (data.num_classes, data.classes_from) == (3, "user")
    with pytest.raises(DataError, match="num-classes is 1"):
        LabelledData.load(folder, num_classes=1)


def test_contradicting_number_of_classes(tiny_texts: Path) -> None:
    with pytest.raises(DataError, match=r"num-classes is 5.*declares 2 classes"):
        LabelledData.load(str(tiny_texts), num_classes=5)


def test_sentence_pairs_are_found(tmp_path: Path) -> None:
    rows = {"sentence1": ["a b", "c"], "sentence2": ["d", "e f"], "note": ["x", "y"], "label": [0, 1]}
    data = LabelledData.load(str(save_rows(tmp_path / "d", rows)))
    assert data.is_pairs
    assert list(data.text_rows()) == [("a b", "d"), ("c", "e f")]


def test_named_columns(tmp_path: Path) -> None:
    rows = {"one": ["a", "b"], "two": ["c", "d"], "label": [0, 1], "other": [1, 0]}
    feature = datasets.ClassLabel(names=["x", "y"])
    folder = str(save_rows(tmp_path / "d", rows, other=feature))
    data = LabelledData.load(folder, text_columns="two", label_column="other")
    assert (data.columns["text"], data.labels.tolist()) == (["two"], [1, 0])
    assert LabelledData.load(folder, text_columns=["one", "two"]).is_pairs
    assert LabelledData.load(folder).columns["text"] == ["one", "two"]  # a pair, found by itself


def test_groups(tmp_path: Path) -> None:
    rows = {**text_rows(6), "patient": ["p7", "p1", "p7", "p2", "p1", "p7"]}
    folder = str(save_rows(tmp_path / "d", rows))
    data = LabelledData.load(folder, text_columns="text", group_column="patient")
    assert (data.n, data.n_units) == (6, 3)
    assert data.groups is not None
    same = data.groups[:, None] == data.groups[None, :]
    expected = np.array(rows["patient"])[:, None] == np.array(rows["patient"])[None, :]
    assert (same == expected).all()
    assert data.fingerprint != LabelledData.load(folder, text_columns="text").fingerprint
    rows["patient"][2] = None
    with pytest.raises(DataError, match="no value in group column patient of row 2"):
        LabelledData.load(str(save_rows(tmp_path / "e", rows)), text_columns="text", group_column="patient")


def test_folder_written_by_save_to_disk(tiny_images: Path, tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(tiny_images))
    loaded.save_to_disk(str(tmp_path / "disk"))
    data = LabelledData.load(str(tmp_path / "disk"))
    assert data.fingerprint == LabelledData.load(str(tiny_images)).fingerprint


def test_fingerprint_ignores_order_and_packing_and_sees_every_change(tmp_path: Path) -> None:
    def fingerprint(rows: dict[str, list[Any]], name: str) -> str:
        return LabelledData.load(str(save_rows(tmp_path / name, rows))).fingerprint

    rows = text_rows()
    base = fingerprint(rows, "base")
    assert fingerprint({key: values[::-1] for key, values in rows.items()}, "reversed") == base
    relabelled = {**rows, "label": [1 - rows["label"][0], *rows["label"][1:]]}
    swapped = {**rows, "label": [*rows["label"][1::-1], *rows["label"][2:]]}
    reworded = {**rows, "text": [rows["text"][0] + " ", *rows["text"][1:]]}
    doubled = {key: [*values, values[0]] for key, values in rows.items()}
    changed = [fingerprint(r, str(i)) for i, r in enumerate((relabelled, swapped, reworded, doubled))]
    assert len({base, *changed}) == 5


def test_image_fingerprint_is_of_pixels_not_of_the_file_format(tmp_path: Path) -> None:
    rows = image_rows(6)
    base = LabelledData.load(str(save_rows(tmp_path / "png", rows))).fingerprint
    encoded = []
    for image in rows["image"]:
        buffer = io.BytesIO()
        image.save(buffer, format="BMP")
        encoded.append({"bytes": buffer.getvalue(), "path": None})
    assert LabelledData.load(str(save_rows(tmp_path / "bmp", {**rows, "image": encoded}))).fingerprint == base
    rows["image"][0].putpixel((3, 3), rows["image"][0].getpixel((3, 3)) ^ 1)
    assert LabelledData.load(str(save_rows(tmp_path / "bit", rows))).fingerprint != base


def test_unlabelled_examples(tmp_path: Path) -> None:
    examples = Examples.open(str(save_rows(tmp_path / "d", {"text": ["a", "b"]})))
    assert (examples.n, examples.modality) == (2, "text")


# Duplicates


def test_duplicate_counts(tmp_path: Path) -> None:
    texts = ["good film", "a good film indeed", "good film", "food film", "good", "plot"]
    rows = {"text": texts, "label": [0, 1, 0, 1, 0, 1]}
    counts = dependent_rows(LabelledData.load(str(save_rows(tmp_path / "d", rows))))
    near = {"near_rows_compared": 6, "near_duplicate_rows": 1}
    assert counts == {"rows": 6, "exact_duplicate_rows": 1, "contained_rows": 3, "standalone_rows": 3} | near


def test_image_duplicates(tmp_path: Path) -> None:
    rows = image_rows(6)
    rows["image"][5] = rows["image"][0]
    assert dependent_rows(LabelledData.load(str(save_rows(tmp_path / "d", rows)))) == {
        "rows": 6,
        "exact_duplicate_rows": 1,
        "near_rows_compared": 6,
        "near_duplicate_rows": 1,
    }


def test_pairs_are_not_contained_across_their_two_texts(tmp_path: Path) -> None:
    rows = {"sentence1": ["a", "x a b"], "sentence2": ["b", "y"], "label": [0, 1]}
    counts = dependent_rows(LabelledData.load(str(save_rows(tmp_path / "d", rows))))
    assert counts["contained_rows"] == 0


def test_contained_rows_against_a_direct_search() -> None:
    generator = np.random.default_rng(3)
    texts = [" ".join(generator.choice(list("abc"), size=generator.integers(0, 9))) for _ in range(300)]
    long = " ".join(generator.choice(list("abc"), size=300))
    words = long.split()
    texts += [long, " ".join(words[50:150]), " ".join([*words[50:149], "z"]), " ".join(words[10:74]), ""]
    expected = [
        bool(text) and any(f" {text} " in f" {other} " for other in texts if other != text) for text in texts
    ]
    assert contained_rows(texts).tolist() == expected


# The Hub, offline


def test_hub_id_from_the_hub_cache(tiny_images: Path, hub_cache: Callable[..., str]) -> None:
    data = LabelledData.load(hub_cache(tiny_images, "someone/tiny-images", "dataset"))
    assert (data.n, data.revision) == (24, COMMIT)
    assert LabelledData.load(data.name, revision=COMMIT).fingerprint == data.fingerprint
    with pytest.raises(DataError, match="unknown data set"):
        LabelledData.load(data.name, revision="f" * 40)


def test_partly_downloaded_data_set(tiny_texts: Path, tmp_path: Path, hub_cache: Callable[..., str]) -> None:
    shutil.copytree(tiny_texts, tmp_path / "part")
    file = tmp_path / "part" / "data" / "train-00000-of-00001.parquet"
    file.rename(file.with_name("train-00000-of-00002.parquet"))
    with pytest.raises(DataError, match="train-00001-of-00002 is missing"):
        LabelledData.load(hub_cache(tmp_path / "part", "someone/part", "dataset"))


def test_hub_id_from_the_prepared_cache(tiny_texts: Path) -> None:
    """What ``load_dataset`` leaves behind online: prepared rows under the commit they came from."""
    loaded = datasets.load_dataset(str(tiny_texts), split="train")
    prepared = Path(loaded.cache_files[0]["filename"]).parent
    target = Path(datasets.config.HF_DATASETS_CACHE) / "someone___prepared" / "default" / "0.0.0" / COMMIT
    shutil.copytree(prepared, target)
    for file in target.glob("*-train.arrow"):
        file.rename(target / "prepared-train.arrow")
    info = json.loads((target / "dataset_info.json").read_text())
    info.update(dataset_name="prepared", download_checksums=None)
    (target / "dataset_info.json").write_text(json.dumps(info))
    data = LabelledData.load("someone/prepared")
    assert (data.n, data.revision) == (24, COMMIT)
    with pytest.raises(DataError, match=f"of commit {COMMIT}, not {'e' * 40}"):
        LabelledData.load("someone/prepared", revision="e" * 40)


# Bad input


@pytest.mark.parametrize("name", ["", "nobody/nothing", "no/such/folder/here", "nothing"])
def test_unknown_data_sets(name: str) -> None:
    with pytest.raises(DataError, match=r"unknown data set|name is empty|cannot be read"):
        LabelledData.load(name)


def test_local_data_takes_no_revision(tiny_texts: Path) -> None:
    with pytest.raises(DataError, match="local path"):
        LabelledData.load(str(tiny_texts), revision="main")


def test_unknown_split_and_columns_list_what_there_is(tiny_texts: Path) -> None:
    with pytest.raises(DataError, match="no split 'validation'; it has train"):
        LabelledData.load(str(tiny_texts), split="validation")
    for argument in ("label_column", "image_column", "text_columns", "group_column"):
        with pytest.raises(DataError, match="no column 'colour'; it has text, label"):
            LabelledData.load(str(tiny_texts), **{argument: "colour"})


def test_no_label_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no label column; its columns are text"):
        LabelledData.load(str(save_rows(tmp_path / "d", {"text": ["a", "b"]})))


def test_several_label_columns(tmp_path: Path) -> None:
    rows = {"text": ["a", "b"], "fine": [0, 1], "coarse": [1, 0]}
    feature = datasets.ClassLabel(names=["x", "y"])
    folder = save_rows(tmp_path / "d", rows, fine=feature, coarse=feature)
    with pytest.raises(DataError, match=r"several label columns \(fine, coarse\)"):
        LabelledData.load(str(folder))


def test_no_input_column(tmp_path: Path) -> None:
    rows = {"x": [1, 2], "label": [0, 1]}
    with pytest.raises(DataError, match="no image or text column"):
        LabelledData.load(str(save_rows(tmp_path / "d", rows, x=datasets.Value("int32"))))


def test_column_of_the_wrong_kind(tiny_texts: Path) -> None:
    with pytest.raises(DataError, match="not images"):
        LabelledData.load(str(tiny_texts), image_column="text")


@pytest.mark.parametrize(
    ("labels", "feature", "message"),
    [
        ([0.5, 1.0], datasets.Value("float32"), "holds float32.*needs classes"),
        (["x", "y"], datasets.Value("string"), r"holds strings \('x', 'y'\).*--class-names"),
        ([0, None], datasets.ClassLabel(names=["a", "b"]), r"1 rows without a label \(the first is row 1\)"),
        ([0, -1], datasets.ClassLabel(names=["a", "b"]), r"label -1 in row 1, outside its 2 classes"),
        ([0, 0], datasets.ClassLabel(names=["a", "b"]), "all 2 rows .* have the label 0"),
        ([True, False], datasets.Value("bool"), None),
    ],
)
def test_labels(labels: list[Any], feature: Any, message: str | None, tmp_path: Path) -> None:
    folder = str(save_rows(tmp_path / "d", {"text": ["a", "b"], "label": labels}, label=feature))
    if message is None:
        assert LabelledData.load(folder).class_names == ("False", "True")
        return
    with pytest.raises(DataError, match=message):
        LabelledData.load(folder)


def test_label_above_the_declared_classes(tmp_path: Path) -> None:
    """``datasets`` refuses to write such a file; a file from elsewhere may still hold it."""
    feature = datasets.ClassLabel(names=["a", "b"])
    folder = save_rows(tmp_path / "d", {"text": ["a", "b"], "label": [0, 1]}, label=feature)
    path = folder / "data" / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    index = table.schema.get_field_index("label")
    table = table.set_column(index, table.schema.field(index), pa.array([0, 5], pa.int64()))
    pq.write_table(table, path)
    with pytest.raises(DataError, match="label 5 in row 1, outside its 2 classes"):
        LabelledData.load(str(folder))


def test_empty_split(tmp_path: Path) -> None:
    feature = datasets.ClassLabel(names=["a", "b"])
    folder = save_rows(tmp_path / "d", {"text": [], "label": []}, label=feature)
    with pytest.raises(DataError, match="is empty"):
        LabelledData.load(str(folder))


def test_another_empty_split_does_not_matter(tmp_path: Path, tiny_texts: Path) -> None:
    feature = datasets.ClassLabel(names=["class0", "class1"])
    shutil.copytree(tiny_texts, tmp_path / "d")
    save_rows(tmp_path / "d", {"text": [], "label": []}, split="test", label=feature)
    assert LabelledData.load(str(tmp_path / "d")).n == 24
    with pytest.raises(DataError, match=r"the split test .* is empty"):
        LabelledData.load(str(tmp_path / "d"), split="test")


def test_missing_and_undecodable_images(tmp_path: Path) -> None:
    rows = image_rows(4)
    good = rows["image"][0]
    for name, cell, message in [
        ("none", None, "column image of row 2, no image"),
        ("junk", {"bytes": b"not an image", "path": None}, "row 2, an image that cannot be decoded"),
        ("deep", Image.fromarray(np.zeros((4, 4), dtype=np.uint16)), "of mode I;16"),
    ]:
        rows["image"] = [good, good, cell, good]
        data = LabelledData.load(str(save_rows(tmp_path / name, rows)))
        with pytest.raises(DataError, match=message):
            data.fingerprint  # noqa: B018


def test_truncated_image(tmp_path: Path) -> None:
    rows = image_rows(4, side=40)
    buffer = io.BytesIO()
    rows["image"][1].save(buffer, format="PNG")
    rows["image"][1] = {"bytes": buffer.getvalue()[:300], "path": None}
    with pytest.raises(DataError, match="row 1, an image that cannot be decoded"):
        list(LabelledData.load(str(save_rows(tmp_path / "d", rows))).images())


def test_missing_text(tmp_path: Path) -> None:
    data = LabelledData.load(str(save_rows(tmp_path / "d", {"text": ["a", None], "label": [0, 1]})))
    with pytest.raises(DataError, match="no text in column text of row 1"):
        list(data.text_rows())


def test_image_turned_by_its_exif_tag(tmp_path: Path) -> None:
    image = image_rows(1, side=8)["image"][0].resize((8, 4))
    tags = Image.Exif()
    tags[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", exif=tags)
    rows = {"image": [{"bytes": buffer.getvalue(), "path": None}, image], "label": [0, 1]}
    data = LabelledData.load(str(save_rows(tmp_path / "d", rows)))
    assert [item.size for item in data.images()] == [(4, 8), (8, 4)]


def test_a_data_set_with_a_script_is_refused_and_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "scripted"
    folder.mkdir()
    (folder / "scripted.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    with pytest.raises(DataError):
        LabelledData.load(str(folder))
    assert not (tmp_path / "executed").exists()


def test_corrupt_parquet(tmp_path: Path, tiny_texts: Path) -> None:
    shutil.copytree(tiny_texts, tmp_path / "d")
    path = tmp_path / "d" / "data" / "train-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="cannot be read"):
        LabelledData.load(str(tmp_path / "d"))


def test_a_model_on_the_other_kind_of_data(
    tiny_timm: Path, tiny_bert: Path, tiny_texts: Path, tiny_images: Path
) -> None:
    image_prior, text_prior = (Prior.from_pretrained(str(folder)) for folder in (tiny_timm, tiny_bert))
    images, texts = (LabelledData.load(str(folder)) for folder in (tiny_images, tiny_texts))
    check_modality(image_prior, images)
    check_modality(text_prior, texts)
    with pytest.raises(PriorError, match=r"reads texts and the data set .* holds images \(column image\)"):
        check_modality(text_prior, images)
    with pytest.raises(PriorError, match=r"reads images and the data set .* holds texts \(column text\)"):
        check_modality(image_prior, texts)


def test_folder_of_image_files(tmp_path: Path) -> None:
    for i, image in enumerate(image_rows(6)["image"]):
        folder = tmp_path / "d" / "train" / ("cat", "dog")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{i}.png")
    data = LabelledData.load(str(tmp_path / "d"))
    assert (data.n, data.class_names, data.modality) == (6, ("cat", "dog"), "image")
    assert len({row.tobytes() for row in data.row_hashes}) == 6
    (tmp_path / "d" / "train" / "cat" / "0.png").unlink()
    with pytest.raises(DataError, match="image file that cannot be read"):
        list(data.images())


def test_csv_folder(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "train.csv").write_text("text,label\ngood film,1\nbad film,0\n")
    assert LabelledData.load(str(tmp_path / "d"), num_classes=2).labels.tolist() == [1, 0]


def test_group_column_of_strings_is_not_taken_for_text(tmp_path: Path) -> None:
    rows = {"note": ["a b", "c d"], "author": ["x", "y"], "label": [0, 1]}
    data = LabelledData.load(str(save_rows(tmp_path / "d", rows)), group_column="author")
    assert data.columns == {"text": ["note"], "label": "label", "group": "author"}


@pytest.mark.parametrize("what", ["file", "broken-disk", "empty"])
def test_paths_that_hold_no_data_set(what: str, tmp_path: Path) -> None:
    path = tmp_path / what
    if what == "file":
        path.write_text("x")
    else:
        path.mkdir()
        if what == "broken-disk":
            (path / "dataset_dict.json").write_text("{")
    with pytest.raises(DataError, match=r"is a file of a kind|cannot be read|unknown data set"):
        LabelledData.load(str(path))


def test_the_fingerprint_of_groups_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    rows = {**text_rows(8), "patient": ["a", "a", "b", "b", "c", "c", "d", "d"]}
    backwards = {name: list(values)[::-1] for name, values in rows.items()}
    moved = {**rows, "patient": ["a", "a", "a", "b", "c", "c", "d", "d"]}
    found = []
    for place, some in enumerate((rows, backwards, moved)):
        folder = str(save_rows(tmp_path / str(place), some))
        found.append(LabelledData.load(folder, text_columns="text", group_column="patient").fingerprint)
    assert found[0] == found[1] != found[2]


def test_a_reading_is_the_keywords_of_load() -> None:
    keywords = dict(inspect.signature(LabelledData.load).parameters)
    del keywords["data"], keywords["modality"]
    assert vars(DataReading()) == {name: parameter.default for name, parameter in keywords.items()}
