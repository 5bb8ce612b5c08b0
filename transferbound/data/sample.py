"""``Sample``: rows that are drawn, each on its own or in groups; what a bound counts as n."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from transferbound.data._slices import Cut, RowRange, cut_of, shared_ranges
from transferbound.data.examples import Examples

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample(Examples):
    """Rows of one split, and what is independent among them.

    Attributes:
        groups: int64 [n], the unit that each row belongs to, or None where each row is its own.
    """

    groups: np.ndarray | None

    @property
    def cut(self) -> Cut:
        """How the rows were cut out of their splits."""
        return cut_of(self.ranges)

    def shared_rows(self, other: Sample) -> list[RowRange]:
        """The rows, by their place in the splits, that stand in both; ``other`` is of the same data set."""
        return shared_ranges(self.ranges, other.ranges)

    @property
    def n_units(self) -> int:
        """Number of independent units: groups where a group column is named, else rows."""
        return self.n if self.groups is None else int(self.groups.max()) + 1

    @cached_property
    def group_values(self) -> frozenset[Any]:
        """The distinct values of the group column; empty without one."""
        if self.groups is None:
            return frozenset()
        return frozenset(self._table.with_format("arrow")[self.columns["group"]].unique().to_pylist())

    def digest_of(self, rows: Iterable[bytes], head: str) -> str:
        """sha256 over the sorted hashes of the units, from those of their ``rows``: order does not matter.

        Args:
            rows: the hash of each row, in order.
            head: what else the fingerprint depends on.
        """
        hashes = list(rows)
        if self.groups is not None:
            # A group is known by what it holds: the numbers of the groups follow the order of the rows.
            units: list[list[bytes]] = [[] for _ in range(self.n_units)]
            for row, group in zip(hashes, self.groups, strict=True):
                units[group].append(row)
            hashes = [hashlib.sha256(b"".join(sorted(unit))).digest() for unit in units]
        digest = hashlib.sha256(head.encode())
        digest.update(b"".join(sorted(hashes)))
        return digest.hexdigest()
