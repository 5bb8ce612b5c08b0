"""Rows that are given by hand, for a predictor to answer: texts, pairs of texts, images, without labels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

from transferbound.data._images import decode_image, eight_bit_image, read_image_file
from transferbound.data.examples import together
from transferbound.errors import DataError

__all__ = ["Inputs", "each_input"]

_CHANNELS = (1, 2, 3, 4)  # grey, grey and alpha, colours, colours and alpha
_TABLES = (datasets.Dataset, datasets.IterableDataset)
_ONE_IMAGE = (str, os.PathLike, bytes, Image.Image)


def each_input(inputs: Any, modality: str, columns: Sequence[str]) -> Iterator[Any]:
    """The rows that are meant, one after another, as they were given.

    Args:
        inputs: one row, an iterable of rows, or a ``datasets.Dataset`` that has ``columns``.
        modality: ``image`` or ``text``.
        columns: by which rows of a table are read, several for rows of several texts.

    Raises:
        DataError: splits or columns in place of rows, or a table without the columns.
    """
    if isinstance(inputs, _TABLES):
        yield from _rows_of_table(inputs, modality, columns)
    elif _is_one(inputs, modality, len(columns)):
        yield inputs
    elif isinstance(inputs, Mapping) or hasattr(inputs, "columns"):
        keys = ", ".join(str(key) for key in getattr(inputs, "columns", inputs))
        raise DataError(
            f"the inputs are of type {type(inputs).__name__} with {keys[:200] or 'nothing in it'}; give rows: a list, "
            "one split of a data set, or a table's to_dict('records')"
        )
    elif isinstance(inputs, Iterable):
        yield from inputs
    else:
        raise DataError(f"the inputs are of type {type(inputs).__name__}; give one row or a list of rows")


def _is_one(inputs: Any, modality: str, parts: int) -> bool:
    if modality == "text":
        one_row = (
            isinstance(inputs, tuple) and len(inputs) == parts and all(isinstance(x, str) for x in inputs)
        )
        return isinstance(inputs, str) or (parts > 1 and one_row)
    if isinstance(inputs, np.ndarray):
        return inputs.ndim == 2 or (inputs.ndim == 3 and inputs.shape[2] in _CHANNELS)
    return isinstance(inputs, _ONE_IMAGE)


def _rows_of_table(table: Any, modality: str, columns: Sequence[str]) -> Iterator[Any]:
    known = table.column_names
    missing = [column for column in columns if known is not None and column not in known]
    if missing:
        raise DataError(
            f"the data set given has no column {missing[0]!r}, by which the certificate's rows were read; it has "
            f"{', '.join(known)}: rename_column makes one of another"
        )
    if known is not None:
        table = table.select_columns(list(columns))
    if isinstance(table, datasets.Dataset):
        table = table.with_format(None)
    if modality == "image" and isinstance((table.features or {}).get(columns[0]), datasets.Image):
        table = table.cast_column(
            columns[0], datasets.Image(decode=False)
        )  # they are decoded here, with limits
    yield from table


@dataclass(frozen=True)
class Inputs:
    """Some rows, to be encoded as those of a data set are.

    Attributes:
        modality: ``image`` or ``text``.
        columns: names by which a row that is a mapping is read, several for rows of several texts.
        rows: as :func:`each_input` gives them.
        first: the number of the first of them, for errors.
        image_bits: as for :class:`transferbound.data.examples.Examples`.
    """

    modality: str
    columns: tuple[str, ...]
    rows: Sequence[Any]
    first: int = 0
    name: str = "given"
    image_bits: int = 8
    is_greyscale: bool = False  # grey images in three equal channels are the same to a prior

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def labels(self) -> np.ndarray:
        """int64 [n]: zeros, which nobody looks at."""
        return np.zeros(self.n, dtype=np.int64)

    def texts(self) -> Iterator[tuple[list[str], list[str] | None]]:
        """One batch of all rows: the texts and, for pairs, the second texts.

        Raises:
            DataError: a row that is no text, or no pair where pairs are wanted.
        """
        parts = [self._texts_of(row, self.first + place) for place, row in enumerate(self.rows)]
        second = [row[1] for row in parts] if len(self.columns) == 2 else None
        yield [together(row) if len(row) > 2 else row[0] for row in parts], second

    def images(self) -> Iterator[Image.Image]:
        """The images in order, mode ``L`` or ``RGB``.

        Raises:
            DataError: a row that is no image, or one that cannot be read.
        """
        for place, row in enumerate(self.rows):
            yield self._image_of(row, self.first + place)

    def _texts_of(self, row: Any, number: int) -> tuple[str, ...]:
        if isinstance(row, Mapping):
            row = tuple(self._cell(row, column, number) for column in self.columns)
        parts = (row,) if isinstance(row, str) else row
        if not isinstance(parts, tuple | list) or len(parts) != len(self.columns):
            raise self._refusal(row, number)
        if not all(isinstance(part, str) for part in parts):
            raise self._refusal(row, number)
        if not all(map(_is_unicode, parts)):
            raise DataError(f"row {number} of the inputs is no text: it holds half a surrogate pair")
        return tuple(parts)

    def _image_of(self, row: Any, number: int) -> Image.Image:
        if isinstance(row, Mapping) and not set(row) <= {"bytes", "path"}:
            row = self._cell(row, self.columns[0], number)
        if isinstance(row, Mapping):  # as ``datasets`` holds an image
            content, path = row.get("bytes"), row.get("path")
            row = path if content is None else content
        where = f"row {number} of the inputs holds"
        if isinstance(row, str | os.PathLike):
            return _from_file(os.fspath(row), self.image_bits)
        if isinstance(row, bytes):
            return decode_image(row, where, self.image_bits)
        if isinstance(row, np.ndarray):
            row = _from_array(row, where)
        if isinstance(row, Image.Image):
            image = row
            return eight_bit_image(lambda: image, where, self.image_bits)
        raise self._refusal(row, number)

    def _cell(self, row: Mapping[str, Any], column: str, number: int) -> Any:
        if column not in row:
            names = ", ".join(map(str, row))[:200]
            raise DataError(
                f"row {number} of the inputs has no {column!r}, by which the certificate's rows were read; it has "
                f"{names or 'nothing'}"
            )
        return row[column]

    def _refusal(self, row: Any, number: int) -> DataError:
        if self.modality == "image":
            wanted = "an image: a path, bytes, a PIL image or an array"
        else:
            several = "pair of texts" if len(self.columns) == 2 else f"tuple of {len(self.columns)} texts"
            wanted = "a text" if len(self.columns) == 1 else f"a {several} ({', '.join(self.columns)})"
        is_tuple = isinstance(row, tuple | list)
        what = f"a {type(row).__name__} of {len(row)}" if is_tuple else f"of type {type(row).__name__}"
        return DataError(
            f"row {number} of the inputs is {what}; give {wanted}, as the certificate's rows are"
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _from_file(path: str | bytes, bits: int) -> Image.Image:
    name = os.fsdecode(path)
    if "://" in name:
        raise DataError(f"the image {name[:200]} is an address; give a file")
    return read_image_file(Path(name).expanduser(), bits)


def _from_array(array: np.ndarray, where: str) -> Image.Image:
    """A PIL image of the same pixels, uint8 [height, width] or [height, width, channels]."""
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _CHANNELS)
    if array.dtype != np.uint8 or not shaped or not array.size:
        raise DataError(
            f"{where} an array {array.dtype} of shape {list(array.shape)}; give uint8 [height, width] or "
            "[height, width, channels]"
        )
    pixels = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    return Image.fromarray(np.ascontiguousarray(pixels))
