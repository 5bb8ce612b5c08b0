"""Rows in an order, or a draw of them, that depends on a declared seed and on their places alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Draw", "drawn_units", "shuffled_order"]


@dataclass(frozen=True)
class Draw:
    """Units that were drawn.

    Attributes:
        seed: of the draw.
        units: how many were asked for: groups where a group column is named, else rows.
        of: how many there were.
    """

    seed: int
    units: int
    of: int


def shuffled_order(rows: int, seed: int) -> npt.NDArray[np.int64]:
    """The places 0 to ``rows`` - 1 in an order that the seed gives.

    >>> shuffled_order(5, 0).tolist()
    [4, 0, 3, 2, 1]
    """
    return np.argsort(_numbers(rows, f"order/{seed}"), kind="stable")


def drawn_units(units: int, count: int, seed: int) -> npt.NDArray[np.bool_]:
    """Which ``count`` of ``units`` are drawn, bool [units]; all where there are no more."""
    chosen = np.zeros(units, dtype=bool)
    chosen[np.argsort(_numbers(units, f"draw/{seed}"), kind="stable")[:count]] = True
    return chosen


def _numbers(count: int, purpose: str) -> npt.NDArray[np.uint64]:
    """The same numbers everywhere: the first 8 bytes of sha256 of purpose and place."""
    digests = b"".join(hashlib.sha256(f"{purpose}/{place}".encode()).digest()[:8] for place in range(count))
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)
