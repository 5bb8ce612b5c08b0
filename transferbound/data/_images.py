"""Decoding images, those of a data set and single ones, with one clear error for each that cannot be."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from transferbound.errors import DataError
from transferbound.storage.files import LFS_POINTER, read_limited

__all__ = ["decode_image", "decode_images", "eight_bit_image", "read_image_file"]

#: Bytes of one image file.
MAX_IMAGE_BYTES = 64 * 2**20

_BATCH = 256
_MOST_NAMED, _MOST_LOOKED = 20, 20_000  # damaged images; rows after the first of them
_MOST_PATH = 200  # characters
_IN_MEMORY = re.compile(r"(image file )?<[^<>]* object at 0x[0-9a-fA-F]+>")
# Formats that Pillow reads by itself, from the bytes alone: others start programs (EPS) or read more files.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "F")


def decode_images(
    table: Any, column: str, name: str, places: Sequence[Path], bits: int = 8
) -> Iterator[Image.Image]:
    """PIL images in row order: mode ``L`` for greyscale, else ``RGB``.

    Args:
        table, column, name: rows, the column of images, and the data set's name for errors.
        places: folders in which image files may lie; relative paths start at the first.
        bits: of a grey value in images of more than 8 bits; 8: they are refused.

    Raises:
        DataError: a missing, undecodable or more than 8-bit image, or one in another place, with its row.
    """

    def decoded(cell: Any, row: int) -> Image.Image:
        where = f"the data set {name} has, in column {column} of row {row}"
        return decode_image(_content(cell, f"{where},", places), f"{where}{_file_of(cell)},", bits)

    cells = _cells(table, column)
    for row, cell in cells:
        try:
            yield decoded(cell, row)
        except DataError as error:
            raise _all_damaged(error, row, cell, cells, decoded) from error


def _cells(table: Any, column: str) -> Iterator[tuple[int, Any]]:
    """Rows with their numbers, not decoded."""
    table = table.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    for start in range(0, table.num_rows, _BATCH):
        yield from enumerate(table[start : start + _BATCH][column], start)


def _file_of(cell: Any) -> str:
    path = None if cell is None else cell.get("path")
    return f" (file {str(path)[-_MOST_PATH:]})" if path else ""


def _all_damaged(
    error: DataError,
    row: int,
    cell: Any,
    rest: Iterator[tuple[int, Any]],
    decoded: Callable[[Any, int], Image.Image],
) -> DataError:
    """What is wrong with the first image, and which of the others cannot be read either."""
    others, last = [], row
    for last, other in islice(rest, _MOST_LOOKED):
        try:
            decoded(other, last)
        except DataError:
            others.append(f"row {last}{_file_of(other)}")
    if not others:
        return error
    shown = ", ".join(others[:_MOST_NAMED]) + (" and more" if len(others) > _MOST_NAMED else "")
    upto = f" up to row {last}" if next(rest, None) is not None else ""
    return DataError(
        f"{error}; {len(others) + 1} images{upto} cannot be read: row {row}{_file_of(cell)}, {shown}"
    )


def read_image_file(path: Path, bits: int = 8) -> Image.Image:
    """The image in a regular file, which the user has named: mode ``L`` or ``RGB``.

    Raises:
        DataError: it is missing, too large, undecodable or of more than 8 bits.
    """
    return decode_image(read_limited(path, MAX_IMAGE_BYTES, DataError), f"the file {path} holds", bits)


def _content(cell: Any, where: str, places: Sequence[Path]) -> bytes:
    """The embedded bytes, or those of a regular file within ``places``."""
    content, path = (None, None) if cell is None else (cell.get("bytes"), cell.get("path"))
    if content is None and path:
        content = _read_file(str(path), where, places)
    if content is None:
        raise DataError(f"{where} no image; every row needs one")
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


def decode_image(content: bytes, where: str, bits: int = 8) -> Image.Image:
    """The image in the bytes of a file: mode ``L`` or ``RGB``.

    Args:
        content: untrusted.
        where: how an error begins: ``the file a.png holds``.
        bits: of a grey value in images of more than 8 bits; 8: they are refused.

    Raises:
        DataError: it is too large, undecodable or of more than 8 bits.
    """
    if content.startswith(LFS_POINTER):
        raise DataError(
            f"{where} a Git LFS pointer and no image; run `git lfs pull` there, or download it again"
        )
    if len(content) > MAX_IMAGE_BYTES:
        raise DataError(f"{where} an image of {len(content):,} bytes, more than {MAX_IMAGE_BYTES:,}")
    return eight_bit_image(lambda: Image.open(io.BytesIO(content), formats=_FORMATS), where, bits)


def eight_bit_image(opened: Callable[[], Image.Image], where: str, bits: int = 8) -> Image.Image:
    """An image upright and in the mode that priors read: ``L`` for greyscale, else ``RGB``.

    Args:
        opened: gives the image; its pixels are loaded here.
        where, bits: as for :func:`decode_image`.

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
        reason = _IN_MEMORY.sub("it", " ".join(str(error).split()))
        raise DataError(f"{where} an image that cannot be decoded ({reason}); get the file again") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{where} an image of too many pixels ({error})") from error
    if image.mode in _DEEP:
        return _first_bits(image, where, bits)
    if image.mode in ("L", "1", "LA"):
        return image if image.mode == "L" else image.convert("L")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")


def _first_bits(image: Image.Image, where: str, bits: int) -> Image.Image:
    """The first 8 of ``bits`` bits of each grey value: the same map for every image, whatever it holds."""
    if bits <= 8 or image.mode == "F":
        remedy = "convert it to 8 bits a channel"
        if image.mode != "F":
            remedy += (
                ", or say with --image-bits how many of its grey values' bits are used (16; 12 in many scans)"
            )
        raise DataError(f"{where} an image of mode {image.mode}; {remedy}")
    values = np.asarray(image)
    if values.size and not 0 <= int(values.min()) <= int(values.max()) < 2**bits:
        raise DataError(
            f"{where} an image with the grey value {int(values.max())}, more than {bits} bits hold; give a larger "
            "--image-bits, 16 at most"
        )
    return Image.fromarray((values.astype(np.uint32) >> (bits - 8)).astype(np.uint8))
