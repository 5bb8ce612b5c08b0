"""Decoding images, those of a data set and single ones, with one clear error for each that cannot be."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import datasets
from PIL import Image, ImageOps, UnidentifiedImageError

from transferbound.errors import DataError
from transferbound.storage.files import read_limited

__all__ = ["decode_image", "decode_images", "eight_bit_image", "read_image_file"]

#: Bytes of one image file.
MAX_IMAGE_BYTES = 64 * 2**20

_BATCH = 256
# Formats that Pillow reads by itself, from the bytes alone: others start programs (EPS) or read more files.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "F")


def decode_images(table: Any, column: str, name: str, places: Sequence[Path]) -> Iterator[Image.Image]:
    """PIL images in row order: mode ``L`` for greyscale, else ``RGB``.

    Args:
        table, column, name: rows, the column of images, and the data set's name for errors.
        places: folders in which image files may lie; relative paths start at the first.

    Raises:
        DataError: a missing, undecodable or more than 8-bit image, or one in another place, with its row.
    """
    table = table.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    for start in range(0, table.num_rows, _BATCH):
        for offset, cell in enumerate(table[start : start + _BATCH][column]):
            where = f"the data set {name} has, in column {column} of row {start + offset},"
            yield decode_image(_content(cell, where, places), where)


def read_image_file(path: Path) -> Image.Image:
    """The image in a regular file, which the user has named: mode ``L`` or ``RGB``.

    Raises:
        DataError: it is missing, too large, undecodable or of more than 8 bits.
    """
    return decode_image(read_limited(path, MAX_IMAGE_BYTES, DataError), f"the file {path} holds")


def _content(cell: Any, where: str, places: Sequence[Path]) -> bytes:
    """The embedded bytes, or those of a regular file within ``places``."""
    content, path = (None, None) if cell is None else (cell.get("bytes"), cell.get("path"))
    if content is None and path:
        content = _read_file(str(path), where, places)
    if content is None:
        raise DataError(f"{where} no image; drop the row")
    return bytes(content)


def _read_file(path: str, where: str, places: Sequence[Path]) -> bytes:
    try:
        if "://" in path:
            raise DataError(f"{where} the address {path[:200]} and no image; embed the image's bytes")
        file = (places[0] / path).resolve()
        if not any(file.is_relative_to(place.resolve()) for place in places):
            raise DataError(
                f"{where} an image file that cannot be read: {path[:200]} lies outside the data set's own folder; "
                "embed the image's bytes, or copy the file into the folder"
            )
        return read_limited(file, MAX_IMAGE_BYTES, DataError)
    except DataError as error:
        if str(error).startswith(where):
            raise
        raise DataError(f"{where} an image file that cannot be read ({error})") from error
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null in the name
        raise DataError(f"{where} an image file that cannot be read ({error})") from error


def decode_image(content: bytes, where: str) -> Image.Image:
    """The image in the bytes of a file: mode ``L`` or ``RGB``.

    Args:
        content: untrusted.
        where: how an error begins: ``the file a.png holds``.

    Raises:
        DataError: it is too large, undecodable or of more than 8 bits.
    """
    if len(content) > MAX_IMAGE_BYTES:
        raise DataError(f"{where} an image of {len(content):,} bytes, more than {MAX_IMAGE_BYTES:,}")
    return eight_bit_image(lambda: Image.open(io.BytesIO(content), formats=_FORMATS), where)


def eight_bit_image(opened: Callable[[], Image.Image], where: str) -> Image.Image:
    """An image upright and in the mode that priors read: ``L`` for greyscale, else ``RGB``.

    Args:
        opened: gives the image; its pixels are loaded here.
        where: as for :func:`decode_image`.

    Raises:
        DataError: it is undecodable, has too many pixels or is of more than 8 bits.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image: Image.Image = opened()
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
