"""A linear head on rows in memory: which rows are wrong, and which would be with a zero in place of each number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LinearRows", "answers", "wrong_rows"]

_TIE = 1e-6
_ENTRIES = 1 << 22  # rows times numbers at a time

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LinearRows:
    """Logits are ``start``, and ``inputs @ q[c - 1]`` more for each class c but the first.

    Attributes:
        inputs: float64 [n, K + 1], times what an integer adds; the last column is the bias's.
        start: float64 [n, C].
        labels: int64 [n].
    """

    inputs: Floats
    start: Floats
    labels: Ints

    @property
    def width(self) -> int:
        """Numbers of a class."""
        return int(self.inputs.shape[1])

    def logits(self, integers: Ints) -> Floats:
        """[n, C] for integers [(C - 1) (K + 1)], class by class."""
        logits = self.start.copy()
        logits[:, 1:] += self.inputs @ integers.reshape(-1, self.width).T
        return logits

    def wrong(self, integers: Ints) -> Bools:
        """Rows that are wrong: bool [n]."""
        return wrong_rows(self.logits(integers), self.labels)

    def each_without(self, integers: Ints, places: Ints) -> Iterator[Bools]:
        """For each of ``places``, in ascending order: which rows are wrong with a zero there, bool [n]."""
        logits, width = self.logits(integers), self.width
        right = np.take_along_axis(logits, self.labels[:, None], 1)[:, 0]
        for label in range(1, logits.shape[1]):
            own = places[places // width == label - 1]
            mine, others = self.labels == label, logits.copy()
            others[:, label] = -np.inf
            strongest = others.max(1)
            np.put_along_axis(others, self.labels[:, None], -np.inf, 1)
            rival = others.max(1)
            at_once = max(1, _ENTRIES // max(len(self.labels), 1))
            for first in range(0, len(own), at_once):
                some = own[first : first + at_once]
                moved = logits[:, [label]] - self.inputs[:, some % width] * integers[some]
                margin = np.where(
                    mine[:, None],
                    moved - strongest[:, None],
                    right[:, None] - np.maximum(moved, rival[:, None]),
                )
                yield from ~(margin > _TIE).T


def wrong_rows(logits: Floats, labels: Ints) -> Bools:
    """Whether the label has not strictly the largest logit: bool [n]."""
    own = np.take_along_axis(logits, labels[:, None], 1)[:, 0]
    others = logits.copy()
    np.put_along_axis(others, labels[:, None], -np.inf, 1)
    found: Bools = ~(own - others.max(1) > _TIE)
    return found


def answers(logits: Floats) -> Ints:
    """The class of each row, -1 for a tie: int64 [n]."""
    ranked = np.sort(logits, 1)
    return np.where(ranked[:, -1] - ranked[:, -2] > _TIE, logits.argmax(1), -1)
