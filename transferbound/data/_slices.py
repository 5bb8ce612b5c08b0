"""Slices of splits in the syntax of ``datasets``: ``train[:50%]``, ``train[1000:]``, ``train[:10%]+train[20%:]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import datasets

from transferbound.errors import DataError

__all__ = ["RowRange", "base_splits", "row_ranges", "shared_ranges"]

_LONGEST_SPEC = 1000
_REMEDY = "write a split or slices of it, such as train, train[:50%], train[1000:] or train[:10%]+train[20%:]"


@dataclass(frozen=True)
class RowRange:
    """The rows ``start`` to ``stop - 1`` of a split."""

    split: str
    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.split}[{self.start}:{self.stop}]"


def base_splits(spec: str) -> list[str]:
    """Names of the splits that ``spec`` takes rows from."""
    return [part.split("[")[0].split("(")[0].strip() for part in spec[:_LONGEST_SPEC].split("+")]


def row_ranges(spec: str, sizes: Mapping[str, int], name: str) -> tuple[RowRange, ...]:
    """Which rows ``spec`` means, in its order. ``sizes``: rows of each split. ``name``: the data set's, for errors.

    A name in ``sizes`` means itself, whatever characters it has; anything else is read by
    ``datasets.ReadInstruction``, so that percentages are rounded as ``load_dataset`` rounds them.

    Raises:
        DataError: not in the syntax, an unknown split, or a row that is taken twice.
    """
    if spec in sizes:
        return (RowRange(spec, 0, sizes[spec]),)
    if len(spec) > _LONGEST_SPEC:
        raise DataError(f"the split {spec[:60] + '...'!r} has {len(spec):,} characters; {_REMEDY}")
    for split in base_splits(spec):
        if split not in sizes:
            raise DataError(f"the data set {name} has no split {split!r}; it has {', '.join(sorted(sizes))}")
    try:
        parts = datasets.ReadInstruction.from_spec(spec).to_absolute(dict(sizes))
    except (ValueError, AssertionError, AttributeError) as error:
        raise DataError(f"the split {spec!r} is not understood ({error}); {_REMEDY}") from error
    ranges = tuple(RowRange(part.splitname, part.from_, part.to) for part in parts if part.from_ < part.to)
    for place, one in enumerate(ranges):
        twice = shared_ranges([one], ranges[:place])
        if twice:
            raise DataError(
                f"the split {spec!r} takes the rows {twice[0]} twice; a bound counts each row once"
            )
    return ranges


def shared_ranges(first: Sequence[RowRange], second: Sequence[RowRange]) -> list[RowRange]:
    """The rows that both hold."""
    found = []
    for one in first:
        for other in second:
            start, stop = max(one.start, other.start), min(one.stop, other.stop)
            if one.split == other.split and start < stop:
                found.append(RowRange(one.split, start, stop))
    return found
