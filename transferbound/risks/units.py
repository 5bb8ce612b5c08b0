"""Units: what is drawn independently, and so what n counts. Rows each on their own, or groups of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Groups", "Rows", "Units"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Units(ABC):
    """The independent units of a data set.

    Attributes:
        n: number of units.
        noun: what they are called: ``examples`` or ``groups``.
    """

    n: int
    noun: str

    @abstractmethod
    def losses(self, rows: Floats) -> Floats:
        """Losses of the units [n] from those of the rows [number of rows]."""

    @abstractmethod
    def weigh(self, values: Tensor, rows: Ints) -> Tensor:
        """``values`` [B] of the rows ``rows``, weighted so that their mean over all rows is the mean over units."""


class Rows(Units):
    """Each row is a unit."""

    noun = "examples"

    def __init__(self, n: int) -> None:
        self.n = n

    def losses(self, rows: Floats) -> Floats:
        return rows

    def weigh(self, values: Tensor, rows: Ints) -> Tensor:
        return values


class Groups(Units):
    """A unit is a group of rows (a patient, a document, a track); its loss is the mean over its rows.

    Args:
        groups: the group of each row, int64 [rows], each of 0 to n - 1 at least once.
    """

    noun = "groups"

    def __init__(self, groups: Ints) -> None:
        self.groups = groups
        self.sizes = np.bincount(groups)
        self.n = len(self.sizes)
        self._weights = (len(groups) / (self.n * self.sizes[groups])).astype(np.float32)

    def losses(self, rows: Floats) -> Floats:
        return np.asarray(np.bincount(self.groups, rows) / self.sizes, dtype=np.float64)

    def weigh(self, values: Tensor, rows: Ints) -> Tensor:
        return values * values.new_tensor(self._weights[rows])
