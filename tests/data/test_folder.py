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
from conftest import save_rows, text_rows
from PIL import Image

from transferbound.data import _source
from transferbound.data._folder import FilesLeftOut
from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.errors import DataError

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
