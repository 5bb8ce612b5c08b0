"""``Examples``: rows of images or texts, labelled or not, as ``datasets`` reads them from the Hub or from a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from transferbound.data._columns import choose_inputs
from transferbound.data._folder import FilesLeftOut
from transferbound.data._given import Given
from transferbound.data._slices import RowRange
from transferbound.data._source import open_split
from transferbound.errors import DataError

if TYPE_CHECKING:
    from PIL import Image


__all__ = ["Examples", "together"]

_BATCH = 1000


def together(parts: Sequence[str]) -> str:
    """The texts of a row of more than two columns, as a prior reads them.

    >>> together(["a title", "a text", "a note"])
    'a title\\na text\\na note'
    """
    return "\n".join(parts)


@dataclass(frozen=True)
class Examples:
    """Rows of images or texts, labelled or not. Make one with :meth:`open`.

    Attributes:
        name, config, revision, split: where it came from; ``revision`` is a commit where one is known, ``split``
            may be slices, as in ``train[:50%]``.
        ranges: the rows of each split that are meant, in order.
        modality: ``image`` or ``text``.
        columns: the columns read: ``{"image" or "text": [...], "label": ..., "group": ...}``.
        files_left_out: files of data in the local folder that are in no split; None where there are none.
        image_bits: of a grey value in images of more than 8 bits; 8: such images are refused.
    """

    name: str
    config: str | None
    revision: str | None
    split: str
    modality: str
    columns: dict[str, Any]
    ranges: tuple[RowRange, ...]
    files_left_out: FilesLeftOut | None
    _table: Any = field(repr=False)
    _places: tuple[Path, ...] = field(repr=False)
    image_bits: int = field(default=8, kw_only=True)
    _given: Given | None = field(default=None, kw_only=True, repr=False)

    @classmethod
    def open(
        cls,
        data: Any,
        *,
        split: str = "train",
        config: str | None = None,
        revision: str | None = None,
        image_column: str | None = None,
        text_columns: str | Sequence[str] | None = None,
    ) -> Examples:
        """Open one split without asking for labels: pretraining data to compare with, say.

        Args:
            data: what :meth:`transferbound.LabelledData.load` takes.
            split, config, revision, image_column, text_columns: as there.

        Raises:
            DataError: unknown data set, configuration, split or column; no rows.
            ArgumentError: ``data`` is none of what is read.
        """
        source = open_split(data, config=config, split=split, revision=revision)
        name = source.name
        modality, inputs = choose_inputs(source.table, name, image_column, text_columns, set())
        columns = {modality: list(inputs)}
        return Examples(
            name=name,
            config=source.config,
            revision=source.revision,
            split=source.split,
            modality=modality,
            columns=columns,
            ranges=source.ranges,
            files_left_out=source.left_out,
            _table=source.table,
            _places=source.places,
            _given=source.given,
        )

    def under_name(self, name: str, *, config: str | None = None, revision: str | None = None) -> Self:
        """The same rows under another name."""
        return replace(self, name=name, config=config, revision=revision)

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self._table.num_rows)

    @property
    def is_pairs(self) -> bool:
        """Whether each row holds two texts."""
        return self.modality == "text" and len(self.columns["text"]) == 2

    def texts(self) -> Iterator[tuple[list[str], list[str] | None]]:
        """Batches of rows in order: the texts and, for pairs, the second texts. More than two columns are put together.

        Raises:
            DataError: a row without text.
        """
        for columns in self._text_columns():
            if len(columns) > 2:
                yield [together(parts) for parts in zip(*columns, strict=True)], None
            else:
                yield columns[0], (columns[1] if len(columns) == 2 else None)

    def _text_columns(self) -> Iterator[list[list[str]]]:
        """Batches of rows in order: the texts of each column."""
        names = self.columns["text"]
        table = self._table.select_columns(names)
        for start in range(0, self.n, _BATCH):
            batch = table[start : start + _BATCH]
            for name in names:
                for offset, value in enumerate(batch[name]):
                    if not isinstance(value, str):
                        raise self._no_text(name, start + offset)
            yield [batch[name] for name in names]

    def _no_text(self, column: str, row: int) -> DataError:
        count = self._table.data.column(column).null_count
        return DataError(
            f"the data set {self.name} has no text in column {column} of row {row}, nor in {count:,} rows of its "
            "files; every row needs one: write a text there, or name another column with --text-column"
        )

    def images(self, rows: np.ndarray | None = None) -> Iterator[Image.Image]:
        """Decoded images in order, or those of the row numbers ``rows``.

        Raises:
            DataError: a missing or undecodable image.
        """
        from transferbound.data._images import decode_images

        table = self._table if rows is None else self._table.select(rows)
        return decode_images(table, self.columns["image"][0], self.name, self._places, self.image_bits)

    @property
    def row_hashes(self) -> np.ndarray:
        """uint8 [n, 32]: sha256 of each row's pixels or text, without its label."""
        return self._summary[0]

    @property
    def is_greyscale(self) -> bool:
        """Whether every image is of one channel."""
        return self._summary[1]

    def text_rows(self) -> Iterator[tuple[str, ...]]:
        """The texts of each row, one a column, in order."""
        for columns in self._text_columns():
            yield from zip(*columns, strict=True)

    @cached_property
    def _summary(self) -> tuple[np.ndarray, bool]:
        """Row hashes and whether all is grey, in one pass: decoding images is what costs."""
        hashes = np.empty((self.n, 32), dtype=np.uint8)
        grey = self.modality == "image"
        for row, (content, mode) in enumerate(self._contents()):
            hashes[row] = np.frombuffer(hashlib.sha256(content).digest(), dtype=np.uint8)
            grey = grey and mode == "L"
        return hashes, grey

    def _contents(self) -> Iterator[tuple[bytes, str]]:
        if self.modality == "text":
            for parts in self.text_rows():
                yield "\x1e".join(parts).encode("utf-8", errors="surrogatepass"), "text"
        else:
            for image in self.images():
                head = f"{image.mode}\0{image.size[0]}x{image.size[1]}\0".encode()
                yield head + image.tobytes(), image.mode
