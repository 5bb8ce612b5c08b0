"""Images: embedded bytes, or regular files of the data set's own folder; a few formats; no file too large."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import image_rows
from PIL import EpsImagePlugin, Image

from transferbound.data import _images
from transferbound.data.labelled import LabelledData
from transferbound.errors import DataError


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=form)
    return buffer.getvalue()


def with_cell(folder: Path, cell: dict[str, Any]) -> LabelledData:
    """Four images, the third of which is ``cell``, as a table says it: no file is looked at here."""
    rows = image_rows(4)
    cells = [{"bytes": encoded(image), "path": None} for image in rows["image"]]
    cells[2] = cell
    names = datasets.ClassLabel(names=["a", "b", "c"])
    schema = datasets.Features({"image": datasets.Image(), "label": names}).arrow_schema
    (folder / "data").mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pydict({"image": cells, "label": rows["label"]}, schema=schema)
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    return LabelledData.load(str(folder))


@pytest.mark.parametrize(
    "path",
    [
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/environ",
        "{outside}",
        "../outside.png",
        "data/../../outside.png",
        "link.png",
        "linked/outside.png",
        "loop.png",
        "pipe",
        "data",
        "absent.png",
        "null\0.png",
        "http://127.0.0.1:1/a.png",
        "https://127.0.0.1:1/a.png",
        "hf://datasets/someone/else/a.png",
        "file://{outside}",
        "zip://a.png::{outside}",
    ],
)
def test_other_places(path: str, tmp_path: Path) -> None:
    folder, outside = tmp_path / "d", tmp_path / "outside.png"
    folder.mkdir()
    outside.write_bytes(encoded(image_rows(1)["image"][0]))
    (folder / "link.png").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    (folder / "loop.png").symlink_to(folder / "loop.png")
    os.mkfifo(folder / "pipe")
    data = with_cell(folder, {"bytes": None, "path": path.format(outside=outside)})
    with pytest.raises(
        DataError, match=r"column image of row 2, (an image file that cannot be read|the address)"
    ):
        list(data.images())


@pytest.mark.parametrize("absolute", [True, False])
def test_a_file_of_the_folder(absolute: bool, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    (folder / "pictures").mkdir(parents=True)
    image = image_rows(1)["image"][0]
    (folder / "pictures" / "a.png").write_bytes(encoded(image))
    path = "pictures/a.png"
    data = with_cell(folder, {"bytes": None, "path": str(folder / path) if absolute else path})
    assert list(data.images())[2].tobytes() == image.tobytes()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_formats_that_are_read(form: str, tmp_path: Path) -> None:
    content = encoded(image_rows(1)["image"][0].convert("RGB"), form)
    assert len(list(with_cell(tmp_path / "d", {"bytes": content, "path": None}).images())) == 4


@pytest.mark.parametrize("form", ["EPS", "PDF", "ICO", "ICNS", "PCX", "SGI", "TGA", "DDS"])
@pytest.mark.parametrize("name", [None, "a.png"])
def test_formats_that_are_not(
    form: str, name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*arguments: Any, **how: Any) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    content = encoded(image_rows(1, side=64)["image"][0].convert("RGB"), form)
    with pytest.raises(DataError, match=r"row 2( \(file a\.png\))?, an image that cannot be decoded"):
        list(with_cell(tmp_path / "d", {"bytes": content, "path": name}).images())


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(image_rows(1, side=64)["image"][0])
    embedded = with_cell(tmp_path / "embedded", {"bytes": content, "path": None})
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "a.png").write_bytes(content)
    file = with_cell(tmp_path / "file", {"bytes": None, "path": "a.png"})
    assert len(list(embedded.images())) == len(list(file.images())) == 4
    monkeypatch.setattr(_images, "MAX_IMAGE_BYTES", len(content) - 1)
    for data in (embedded, file):
        with pytest.raises(DataError, match="row 2"):
            list(data.images())
