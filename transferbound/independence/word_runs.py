"""Rows of text that stand inside other rows, found by hashing word n-grams."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["contained_rows", "gram_hashes", "word_hashes"]

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so it has an inverse modulo 2^64
#: Longer rows are looked for by their first words, then compared in full.
_ANCHOR = 64


def word_hashes(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """uint64 hash of every word of every text, end to end, and int64 offsets [len(texts) + 1]."""
    import hashlib

    known: dict[str, int] = {}
    codes: list[int] = []
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    for row, text in enumerate(texts):
        words = text.split()
        for word in words:
            code = known.get(word)
            if code is None:
                digest = hashlib.blake2b(word.encode("utf-8", errors="surrogatepass"), digest_size=8)
                code = known[word] = int.from_bytes(digest.digest(), "little")
            codes.append(code)
        offsets[row + 1] = offsets[row] + len(words)
    return np.array(codes, dtype=np.uint64), offsets


def contained_rows(texts: Sequence[str]) -> np.ndarray:
    """bool [n]: whether the words of a text stand, in order and without a gap, inside a longer text.

    Exact duplicates do not contain one another. A polynomial hash modulo 2^64 over random word codes
    stands for the words; a false hit has probability about (number of words)^2 / 2^64.
    """
    codes, offsets = word_hashes(texts)
    lengths = np.diff(offsets)
    contained = np.zeros(len(texts), dtype=bool)
    if len(codes) == 0:
        return contained
    prefix, inverses = _prefix_hashes(codes)
    row_of = np.repeat(np.arange(len(texts)), lengths)
    remaining = offsets[1:][row_of] - np.arange(len(codes))  # words from here to the end of the row
    for length in np.unique(lengths[lengths > 0]):
        rows = np.flatnonzero(lengths == length)
        span = min(int(length), _ANCHOR)
        starts = np.flatnonzero((remaining >= length) & (lengths[row_of] > length))
        if len(starts) == 0:
            continue
        targets = _gram(prefix, inverses, offsets[:-1][rows], span)
        hits = starts[np.isin(_gram(prefix, inverses, starts, span), targets)]
        if span < length:
            targets = _gram(prefix, inverses, offsets[:-1][rows], int(length))
        found = _gram(prefix, inverses, hits, int(length))
        contained[rows] = np.isin(targets, found)
    return contained


def _prefix_hashes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """prefix[i] = sum of codes[j] base^j for j < i, and base^-i; both modulo 2^64."""
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.concatenate(([np.uint64(1)], np.full(len(codes), _BASE, dtype=np.uint64))))
        prefix = np.concatenate(([np.uint64(0)], np.cumsum(codes * powers[:-1], dtype=np.uint64)))
        inverse = np.uint64(pow(int(_BASE), -1, 1 << 64))
        inverses = np.cumprod(np.concatenate(([np.uint64(1)], np.full(len(codes), inverse, dtype=np.uint64))))
    return prefix, inverses


def _gram(prefix: np.ndarray, inverses: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Hash of the ``length`` words from each start; the same words give the same hash anywhere."""
    with np.errstate(over="ignore"):
        hashes: np.ndarray = (prefix[starts + length] - prefix[starts]) * inverses[starts]
    return hashes


def gram_hashes(codes: np.ndarray, offsets: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Hash of every run of ``length`` words within a row, and the place where it starts."""
    if len(codes) == 0:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    prefix, inverses = _prefix_hashes(codes)
    ends = np.repeat(offsets[1:], np.diff(offsets))
    starts = np.flatnonzero(np.arange(len(codes)) + length <= ends)
    return _gram(prefix, inverses, starts, length), starts
