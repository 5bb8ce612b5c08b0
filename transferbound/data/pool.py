"""A pool: the documents of a split, of which some are drawn at random, by a seed that anyone can draw by again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transferbound.errors import ArgumentError

__all__ = ["Pool", "drawn_rows"]

_MOST_SEED = 2**64 - 1


@dataclass(frozen=True)
class Pool:
    """Where documents were drawn from.

    Attributes:
        rows: of the split, all of which could be drawn.
        seed: of the draw.
    """

    rows: int
    seed: int


def drawn_rows(rows: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    """``count`` of the row numbers 0 to ``rows`` - 1, ascending: those whose sha256 with ``seed`` is smallest.

    Raises:
        ArgumentError: a number of rows that cannot be drawn, or a seed out of range.

    >>> drawn_rows(10, 3, seed=7)
    array([3, 4, 7])
    """
    if not 2 <= count <= rows:
        raise ArgumentError(f"pool is {count}; of {rows:,} documents 2 to {rows:,} can be drawn")
    if not 0 <= seed <= _MOST_SEED:
        raise ArgumentError(f"pool-seed is {seed}; it must be an integer in 0..{_MOST_SEED}")
    digests = b"".join(hashlib.sha256(f"{seed}:{row}".encode()).digest()[:8] for row in range(rows))
    chosen = np.argsort(np.frombuffer(digests, dtype=">u8"), kind="stable")[:count]
    return np.sort(chosen).astype(np.int64)
