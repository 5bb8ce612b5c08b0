"""Decoding the images of a data set, one clear error for each that cannot be."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
from PIL import Image, ImageOps, UnidentifiedImageError

from transferbound.errors import DataError

__all__ = ["decode_images"]

_BATCH = 256
_DEEP = ("I", "I;16", "I;16B", "I;16L", "F")


def decode_images(table: Any, column: str, name: str) -> Iterator[Image.Image]:
    """PIL images in row order: mode ``L`` for greyscale, else ``RGB``.

    Raises:
        DataError: a missing, undecodable or more than 8-bit image, with its row.
    """
    table = table.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    for start in range(0, table.num_rows, _BATCH):
        for offset, cell in enumerate(table[start : start + _BATCH][column]):
            yield _decode(cell, start + offset, column, name)


def _decode(cell: Any, row: int, column: str, name: str) -> Image.Image:
    where = f"the data set {name} has, in column {column} of row {row},"
    content = None if cell is None else cell.get("bytes")
    if content is None and cell is not None and cell.get("path"):
        try:
            content = Path(cell["path"]).read_bytes()
        except OSError as error:
            raise DataError(f"{where} an image file that cannot be read ({error})") from error
    if content is None:
        raise DataError(f"{where} no image; drop the row")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(content))
            image.load()
            if "exif" in image.info:  # turned upright, as ``datasets`` does
                image = ImageOps.exif_transpose(image)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(
            f"{where} an image that cannot be decoded ({' '.join(str(error).split())})"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{where} an image of too many pixels ({error})") from error
    if image.mode in _DEEP:
        raise DataError(f"{where} an image of mode {image.mode}; convert it to 8 bits a channel")
    if image.mode in ("L", "1", "LA"):
        return image if image.mode == "L" else image.convert("L")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")
