"""Exact and near duplicates of training rows in other data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from transferbound.data.examples import Examples
from transferbound.independence.pictures import alike
from transferbound.independence.record import Finding
from transferbound.independence.wordings import near_texts, plain_words

__all__ = ["Duplicates", "Rows", "few_compared", "find_duplicates", "repeated_images", "repeated_texts"]

_THUMBNAIL = 32
_CORRELATION = 0.99
_BANDS = 4  # of 16 bits each: two hashes that differ in at most 3 bits agree in one band
_LARGEST_BUCKET = 2000
_HASH_BITS_APART = 3
_WORD = re.compile(r"\w+")


class Rows(Protocol):
    """What can be searched for rows of a data set: :class:`Examples`, or others that hold as much."""

    @property
    def name(self) -> str: ...

    @property
    def split(self) -> str: ...

    @property
    def modality(self) -> str: ...

    @property
    def n(self) -> int: ...

    @property
    def row_hashes(self) -> np.ndarray: ...

    def text_rows(self) -> Iterator[tuple[str, ...]]: ...

    def images(self, rows: np.ndarray | None = None) -> Iterator[Image.Image]: ...


@dataclass(frozen=True)
class Duplicates:
    """Rows of a data set that stand in other data.

    Attributes:
        exact: bool [n], with the same pixels or the same words: case, punctuation and the form of letters aside.
        near: bool [n], in disguise, as :mod:`.pictures` and :mod:`.wordings` find it. Among texts only those of 8 words
            or more are compared: shorter ones recur by chance.
        short: bool [n], texts that were compared exactly alone.
    """

    exact: np.ndarray
    near: np.ndarray
    short: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """bool [n], exact or near."""
        found: np.ndarray = self.exact | self.near
        return found

    def are_many(self, share: float, short_share: float) -> bool:
        """Whether more than ``share`` of the rows were found, or ``short_share`` where short ones, too, count."""
        n = len(self.exact)
        return bool((self.found & ~self.short).sum() > share * n or self.found.sum() > short_share * n)


def find_duplicates(corpus: Rows, data: Examples) -> Duplicates:
    """The rows of ``data`` that stand in ``corpus``. Raises DataError: a row of either cannot be read."""
    known = np.unique(corpus.row_hashes.view("V32").ravel())
    exact = np.isin(data.row_hashes.view("V32").ravel(), known)
    if data.modality == "image":
        return Duplicates(exact, alike(data.images(), corpus.images()), np.zeros(data.n, dtype=bool))
    mine, theirs = ([plain_words(" ".join(parts)) for parts in rows.text_rows()] for rows in (data, corpus))
    words = set(theirs) - {""}
    exact |= np.fromiter((text in words for text in mine), dtype=bool, count=data.n)
    near, long_enough = near_texts(mine, theirs)
    return Duplicates(exact, near, ~long_enough)


def few_compared(duplicates: Duplicates, where: str) -> list[Finding]:
    """A search that could not look at most rows is a doubt, and no "nothing found"."""
    short, n = int(duplicates.short.sum()), len(duplicates.short)
    if n - short >= n / 2:
        return []
    message = (
        f"{short:,} of {n:,} training rows have fewer than 8 words: they were looked for in {where} as they are, and "
        "not for near duplicates"
    )
    return [{"kind": "content", "severity": "warn", "message": message}]


def repeated_texts(data: Examples) -> int:
    """How many rows have the words of an earlier row: case, punctuation and the form of letters aside."""
    texts = [text for parts in data.text_rows() if (text := _normalized(" ".join(parts)))]
    return len(texts) - len(set(texts))


def repeated_images(data: Examples, most: int) -> tuple[int, int]:
    """Of ``most`` rows at random: how many were compared, and how many nearly equal another one before them."""
    rows = np.sort(np.random.default_rng(0).permutation(data.n)[:most])
    vectors, hashes = _thumbnails(data, rows)
    near = np.zeros(len(rows), dtype=bool)
    for band in range(_BANDS):
        keys = (hashes >> np.uint64(16 * band)) & np.uint64(0xFFFF)
        order = np.argsort(keys, kind="stable")
        first = np.searchsorted(keys[order], keys, side="left")
        place = np.empty(len(rows), dtype=np.int64)
        place[order] = np.arange(len(rows))
        for row in np.flatnonzero((place > first) & ~near):
            near[row] = _resembles(vectors, hashes, order[first[row] : place[row]], vectors[row], hashes[row])
    return len(rows), int(near.sum())


def _resembles(
    vectors: np.ndarray, hashes: np.ndarray, bucket: np.ndarray, vector: np.ndarray, its_hash: np.uint64
) -> bool:
    """Whether an image of ``bucket`` is nearly that of ``vector`` and ``its_hash``."""
    apart = np.bitwise_count(hashes[bucket] ^ its_hash)
    bucket = bucket[apart <= _HASH_BITS_APART][:_LARGEST_BUCKET]
    return len(bucket) > 0 and bool((vectors[bucket] @ vector > _CORRELATION).any())


def _normalized(text: str) -> str:
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def _thumbnails(examples: Rows, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Float32 [n, 1024] grey thumbnails of mean 0 and norm 1, and uint64 [n] difference hashes."""
    n = len(rows)
    vectors = np.zeros((n, _THUMBNAIL**2), dtype=np.float32)
    hashes = np.zeros(n, dtype=np.uint64)
    weights = np.uint64(1) << np.arange(64, dtype=np.uint64)
    for row, image in enumerate(examples.images(rows)):
        grey = image.convert("L")
        small = np.asarray(grey.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX), dtype=np.float32)
        centred = (small - small.mean()).ravel()
        norm = float(np.linalg.norm(centred))
        if norm > 0:
            vectors[row] = centred / norm
        tiny = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
        bits = (tiny[:, 1:] > tiny[:, :-1]).ravel()
        hashes[row] = weights[bits].sum(dtype=np.uint64)
    return vectors, hashes
