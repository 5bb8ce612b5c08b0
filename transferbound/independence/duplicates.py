"""Exact and near duplicates of training rows in other data."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

from transferbound.data.examples import Examples
from transferbound.independence.word_runs import gram_hashes, word_hashes

__all__ = ["find_duplicates"]

_GRAM = 5
_SHARE = 0.6
_FEWEST_WORDS = 8
_THUMBNAIL = 32
_CORRELATION = 0.99
_BANDS = 4  # of 16 bits each: two hashes that differ in at most 3 bits agree in one band
_LARGEST_BUCKET = 2000
_HASH_BITS_APART = 3
_WORD = re.compile(r"\w+")


def find_duplicates(corpus: Examples, data: Examples) -> tuple[np.ndarray, np.ndarray, int]:
    """bool [n] exact, bool [n] near, and how many rows of ``data`` were long enough to be compared.

    Texts of fewer than 8 words are left out: they recur by chance.
    """
    known = np.unique(corpus.row_hashes.view("V32").ravel())
    exact = np.isin(data.row_hashes.view("V32").ravel(), known)
    if data.modality == "text":
        near, long_enough = _near_texts(corpus, data)
        return exact & long_enough, near, int(long_enough.sum())
    return exact, _near_images(corpus, data), data.n


def _near_texts(corpus: Examples, data: Examples) -> tuple[np.ndarray, np.ndarray]:
    rows = [_normalized(" ".join(parts)) for parts in data.text_rows()]
    other = [_normalized(" ".join(parts)) for parts in corpus.text_rows()]
    codes, offsets = word_hashes(rows)
    grams, starts = gram_hashes(codes, offsets, _GRAM)
    seen, _ = gram_hashes(*word_hashes(other), _GRAM)
    hit = np.isin(grams, np.unique(seen))
    row_of = np.searchsorted(offsets, starts, side="right") - 1
    total = np.bincount(row_of, minlength=len(rows))
    shared = np.bincount(row_of, weights=hit, minlength=len(rows))
    long_enough = np.diff(offsets) >= _FEWEST_WORDS
    return long_enough & (shared >= _SHARE * np.maximum(total, 1)), long_enough


def _normalized(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


def _near_images(corpus: Examples, data: Examples) -> np.ndarray:
    mine, my_hashes = _thumbnails(data)
    theirs, their_hashes = _thumbnails(corpus)
    near = np.zeros(data.n, dtype=bool)
    for band in range(_BANDS):
        my_keys = (my_hashes >> np.uint64(16 * band)) & np.uint64(0xFFFF)
        their_keys = (their_hashes >> np.uint64(16 * band)) & np.uint64(0xFFFF)
        order = np.argsort(their_keys, kind="stable")
        low = np.searchsorted(their_keys[order], my_keys, side="left")
        high = np.searchsorted(their_keys[order], my_keys, side="right")
        for row in np.flatnonzero((high > low) & ~near):
            bucket = order[low[row] : high[row]]
            apart = np.bitwise_count(their_hashes[bucket] ^ my_hashes[row])
            bucket = bucket[apart <= _HASH_BITS_APART][:_LARGEST_BUCKET]
            near[row] = len(bucket) > 0 and bool((theirs[bucket] @ mine[row] > _CORRELATION).any())
    return near


def _thumbnails(examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Float32 [n, 1024] grey thumbnails of mean 0 and norm 1, and uint64 [n] difference hashes."""
    vectors = np.zeros((examples.n, _THUMBNAIL**2), dtype=np.float32)
    hashes = np.zeros(examples.n, dtype=np.uint64)
    weights = np.uint64(1) << np.arange(64, dtype=np.uint64)
    for row, image in enumerate(examples.images()):
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
