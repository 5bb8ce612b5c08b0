"""``Reference``: inputs that are not the training data, whose principal components serve as a basis."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from PIL import Image

__all__ = ["Reference", "row_content"]


_MOST_KEPT = 2**28
"""Bytes of pictures that are kept from one use to the next."""


@dataclass(frozen=True)
class Reference:
    """Rows of text or pictures without labels. They cost no bits where they are fixed before the data is seen.

    Attributes:
        name: what a certificate calls it: ``default-...``, a Hub id or a folder.
        modality: ``image`` or ``text``.
        licence: under which the rows come; empty where it is not known.
        description: a sentence for a card: what the rows are and who made them.
        make: gives the rows, the same ones each time.

    >>> Reference("two", "text", "", "", lambda: ["a", "b"]).fingerprint[:8]
    '6feb74f0'
    """

    name: str
    modality: str
    licence: str
    description: str
    make: Callable[[], Iterable[Any]] = field(repr=False, compare=False)

    @property
    def rows(self) -> tuple[Any, ...]:
        """The inputs, all at once: PIL images, or texts; for pairs, tuples of two texts."""
        return tuple(self.each())

    @property
    def n(self) -> int:
        """How many inputs there are."""
        return self._n_and_kept[0]

    def each(self) -> Iterable[Any]:
        """The inputs, one after another: those that were kept, or, where all would fill the memory, made anew."""
        kept = self._n_and_kept[1]
        return self.make() if kept is None else kept

    @cached_property
    def _n_and_kept(self) -> tuple[int, tuple[Any, ...] | None]:
        """On first use: how many there are, and they themselves where they are small."""
        n, size = 0, 0
        kept: list[Any] = []
        for row in self.make():
            n += 1
            if isinstance(row, Image.Image):
                size += row.width * row.height * len(row.getbands())
            if size <= _MOST_KEPT:
                kept.append(row)
            else:
                kept.clear()
        return n, tuple(kept) if size <= _MOST_KEPT else None

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the rows: the length and the UTF-8 of each text; mode, size and bytes of each picture."""
        digest = hashlib.sha256(self.modality.encode())
        for row in self.each():
            content = row_content(row)
            digest.update(f"{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()


def row_content(row: Any) -> bytes:
    """What is hashed of a row: the same as of a row of :class:`transferbound.data.Examples`."""
    if isinstance(row, Image.Image):
        return f"{row.mode}\0{row.size[0]}x{row.size[1]}\0".encode() + row.tobytes()
    parts = (row,) if isinstance(row, str) else row
    return "\x1e".join(parts).encode("utf-8", errors="surrogatepass")
