"""Local folders: what is read of them, what is refused, and files that are in no split."""

from __future__ import annotations

import json
import os
import pickle
import pkgutil
import shutil
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from conftest import image_rows, save_rows, text_rows
from PIL import Image

from transferbound.data import _source
from transferbound.data._folder import FilesLeftOut
from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.errors import DataError
from transferbound.independence.names import names_of_data

FORMATS = sorted(module.name for module in pkgutil.iter_modules(datasets.packaged_modules.__path__))


def image_folder(folder: Path, classes: tuple[str, ...], names: list[str]) -> Path:
    """An image of its own under each of ``names``, shared out among the classes in turn."""
    generator = np.random.default_rng(len(names))
    for place, name in enumerate(names):
        target = folder / classes[place % len(classes)] / name
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (8, 8), dtype=np.uint8)).save(target)
    return folder


def numbered(n: int) -> list[str]:
    return [f"{i:03}.png" for i in range(n)]


# The named folder and nothing beside it ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["imagefolder", "audiofolder", "webdataset", "parquet", "cache"])
def test_a_folder_of_images_with_the_name_of_a_format(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_folder(tmp_path / name / "train", ("cat", "dog"), numbered(40))
    image_folder(tmp_path / "holiday" / "train", ("beach", "car"), numbered(90))
    monkeypatch.chdir(tmp_path)
    data = LabelledData.load(name)
    assert (data.name, data.n, data.class_names, data.files_left_out) == (name, 40, ("cat", "dog"), None)
    assert len(list(data.images())) == 40


@pytest.mark.parametrize("name", ["parquet", "csv", "json", "text", "arrow", "pandas"])
def test_a_folder_of_texts_with_the_name_of_a_format(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_rows(tmp_path / name, text_rows(60))
    save_rows(tmp_path / "neighbour", text_rows(300))
    monkeypatch.chdir(tmp_path)
    assert LabelledData.load(name).n == 60


@pytest.mark.parametrize(
    "name", [*FORMATS, "Pandas", "csv/", "hf://datasets/csv", "hf://buckets/a/b", "buckets/a"]
)
@pytest.mark.parametrize("neighbour", [True, False])
def test_a_format_is_no_data_set(
    name: str, neighbour: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **how: Any) -> None:
        raise AssertionError(f"datasets was asked for {arguments}")

    if neighbour:
        (tmp_path / "train.pkl").write_bytes(pickle.dumps({"text": ["a"], "label": [0]}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load_dataset_builder", never)
    for read in (LabelledData.load, Examples.open):
        with pytest.raises(DataError, match=r"as a format of files|no such local folder"):
            read(name)


@pytest.mark.parametrize("name", ["train.pkl", "data/rows.pickle", "TRAIN.PKL", "rows.pkl.gz"])
def test_pickles_are_refused(name: str, tmp_path: Path) -> None:
    class Runs:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "it ran"),)

    save_rows(tmp_path / "d", text_rows())
    (tmp_path / "d" / name).write_bytes(pickle.dumps(Runs()))
    with pytest.raises(DataError, match=r"pickles run code"):
        LabelledData.load(str(tmp_path / "d"))
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody-of-that-name/x", "a/b/c", "two words", "null\0byte"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(DataError, match=r"cannot be found|no such local folder"):
        LabelledData.load(name)


@pytest.mark.parametrize("pattern", ["../other/data/*.parquet", "{absolute}/other/data/*.parquet"])
def test_files_of_other_places_are_refused(pattern: str, tmp_path: Path) -> None:
    save_rows(tmp_path / "other", text_rows(50))
    save_rows(tmp_path / "d", text_rows())
    pattern = pattern.format(absolute=tmp_path)
    (tmp_path / "d" / "README.md").write_text(
        f"---\nconfigs:\n- config_name: default\n  data_files: {pattern}\n---\n"
    )
    with pytest.raises(DataError, match="lies in another place"):
        LabelledData.load(str(tmp_path / "d"))


@pytest.mark.parametrize(
    ("file", "kind"), [("notes.md", "harbor"), ("a.fasta", "fasta"), ("a.wav", "audiofolder")]
)
def test_formats_without_labelled_rows(file: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / file).write_text("# a note\n")
    with pytest.raises(DataError, match=f"would be read as {kind}"):
        LabelledData.load(str(tmp_path / "d"))


# Files and rows --------------------------------------------------------------------------------------------


def test_few_files_have_the_name_of_a_split(tmp_path: Path) -> None:
    names = [f"train_{i}.png" for i in range(8)] + numbered(60)[8:]
    data = LabelledData.load(str(image_folder(tmp_path / "d", ("cat", "dog"), names)))
    assert (data.n, data.files_left_out) == (8, FilesLeftOut(60, 52))


def test_files_of_another_format_are_left_out(tmp_path: Path) -> None:
    folder = save_rows(tmp_path / "d", text_rows())
    shutil.copy(folder / "data" / "train-00000-of-00001.parquet", folder / "data" / "train-b.parquet")
    (folder / "data" / "train-c.csv").write_text("text,label\na,0\n")
    # Beside a file that is named as a part of a split, others are not looked at either.
    assert LabelledData.load(str(folder)).files_left_out == FilesLeftOut(3, 2)


def test_a_list_of_files_that_names_some(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "d", ("train",), numbered(20))
    lines = [json.dumps({"file_name": f"{i:03}.png", "label": i % 2}) for i in range(12)]
    (folder / "train" / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    data = LabelledData.load(str(folder), num_classes=2)
    assert (data.n, data.files_left_out) == (12, FilesLeftOut(20, 8))


def test_nothing_is_left_out(tmp_path: Path) -> None:
    splits = tmp_path / "splits"
    for split in ("train", "test"):
        image_folder(splits / split, ("cat", "dog"), numbered(10))
    (splits / ".hidden").mkdir()
    shutil.copy(splits / "train" / "cat" / "000.png", splits / ".hidden" / "a.png")
    assert LabelledData.load(str(splits)).files_left_out is None

    configs = tmp_path / "configs"
    for config in ("one", "two"):
        save_rows(configs / config, text_rows())
    lines = [f"- config_name: {config}\n  data_files: {config}/data/*.parquet" for config in ("one", "two")]
    (configs / "README.md").write_text("\n".join(["---", "configs:", *lines, "---", ""]))
    (configs / "figure.png").write_bytes(b"beside the data")
    assert LabelledData.load(str(configs), config="one").files_left_out is None

    datasets.load_dataset(str(splits)).save_to_disk(str(tmp_path / "disk"))
    assert LabelledData.load(str(tmp_path / "disk")).files_left_out is None


def test_the_builder_is_looked_at_before_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    prepare = datasets.DatasetBuilder.download_and_prepare

    def watched(self: Any, *arguments: Any, **how: Any) -> None:
        read.append(type(self).__module__)
        prepare(self, *arguments, **how)

    monkeypatch.setattr(datasets.DatasetBuilder, "download_and_prepare", watched)
    folder = save_rows(tmp_path / "d", text_rows())
    assert _source.open_split(str(folder), config=None, split="train", revision=None).table.num_rows == 24
    assert len(read) == 1
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files: ../*/data/*.parquet\n---\n"
    )
    save_rows(tmp_path / "other", text_rows())
    with pytest.raises(DataError, match="another place"):
        LabelledData.load(str(folder))
    assert len(read) == 1


# One file ------------------------------------------------------------------------------------------------


def write_rows(path: Path, rows: dict[str, Any]) -> Path:
    names = datasets.ClassLabel(names=["class0", "class1"])
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    table = datasets.Dataset.from_dict(rows, features=features)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".csv", ".tsv"):
        table.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_json(path)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "train.csv",
        "x.parquet",
        "rows.TSV",
        "a.json",
        "a.jsonl",
        "a.ndjson",
        "test.csv",
        "t[x]*/tr?in.csv",
        "csv.csv",
    ],
)
def test_a_file_is_a_data_set(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its name; and nothing that lies beside it."""
    rows = text_rows(30)
    path = tmp_path / "d" / name
    write_rows(path.with_suffix(path.suffix.lower()), rows).rename(path)
    save_rows(tmp_path / "d", text_rows(50))
    (tmp_path / "d" / "train.pkl").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    for asked in (f"d/{name}", str(path)):
        data = LabelledData.load(asked, num_classes=2)
        assert [row[0] for row in data.text_rows()] == rows["text"]
        assert (data.labels.tolist(), data.split, data.files_left_out) == (rows["label"], "train", None)
        assert data.name == asked
    assert data.fingerprint == LabelledData.load(str(save_rows(tmp_path / "whole", rows))).fingerprint
    assert LabelledData.load(asked, split="train[10:]", num_classes=2).n == 20
    assert Examples.open(asked).n == 30
    with pytest.raises(DataError, match="test"):
        LabelledData.load(asked, split="test", num_classes=2)


def test_classes_that_a_parquet_file_declares(tmp_path: Path) -> None:
    data = LabelledData.load(str(write_rows(tmp_path / "x.parquet", text_rows())))
    assert (data.class_names, data.classes_from) == (("class0", "class1"), "features")


def test_images_in_a_file(tmp_path: Path) -> None:
    folder = save_rows(tmp_path / "d", image_rows(6))
    file = next((folder / "data").iterdir())
    data, whole = LabelledData.load(str(file)), LabelledData.load(str(folder))
    assert data.fingerprint == whole.fingerprint


@pytest.mark.parametrize("name", ["rows.xlsx", "rows", "rows.csv.gz", "model.safetensors", "rows.py"])
def test_files_of_other_kinds(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"text,label\na,0\nb,1\n")
    with pytest.raises(DataError, match=r"is a file of a kind that is not read; .* ends in \.arrow, \.csv"):
        LabelledData.load(str(tmp_path / name))


@pytest.mark.parametrize("name", ["train.pkl", "train.pickle.gz"])
def test_a_pickle_is_no_data_set(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"text": ["a"], "label": [0]}))
    with pytest.raises(DataError, match="is a pickle, which runs code"):
        LabelledData.load(str(tmp_path / name))


@pytest.mark.parametrize(
    ("content", "how", "message"),
    [
        (b"", {}, "cannot be read"),
        (b"text,label\n", {}, "is empty"),
        (b"text,label\na,0\nb,1\n", {}, "say how many there are with --num-classes"),
        (b"text,label\na,0\nb,1\n", {"config": "sst2"}, "--dataset-config sst2 .* is a file; leave it out"),
        (b"text,label\na,0\nb,1\n", {"revision": "main"}, "--dataset-revision main was given"),
        (b"\xff\xfe\x00\x01" * 20, {}, "cannot be read"),
    ],
)
def test_files_that_hold_no_rows(content: bytes, how: dict[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        LabelledData.load(str(tmp_path / "train.csv"), **how)


def test_a_certificate_of_a_file_verifies_here_and_elsewhere(tmp_path: Path, tiny_bert: Path) -> None:
    from stated import stated

    from transferbound import Prior, verify
    from transferbound.message import Header

    path = write_rows(tmp_path / "reviews" / "train.parquet", text_rows(30))
    data = LabelledData.load(str(path))
    header = Header("film", 12, head_seed=5)
    out = stated(Prior.from_pretrained(str(tiny_bert)), data, tmp_path / "out", header, np.arange(12) % 3 - 1)
    assert verify(out).problems == ()
    moved = path.rename(tmp_path / "moved.parquet")
    save_rows(tmp_path / "folder", text_rows(30))
    for place in (moved, tmp_path / "folder"):
        assert verify(out, dataset=str(place)).problems == ()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mnist/train.csv", {"mnist"}),
        ("/data/sst2/test.jsonl", {"sst2"}),
        ("cola.parquet", {"cola"}),
        ("train.csv", set()),
        ("my/own_reviews.csv", {"ownreviews"}),
    ],
)
def test_names_of_files(name: str, found: set[str]) -> None:
    assert names_of_data(name, None) == found
