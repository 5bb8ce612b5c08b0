"""Slices of splits in the syntax of ``datasets``: ``train[:50%]``, ``train[1000:]``, ``train[:10%]+train[20%:]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import datasets

from transferbound.errors import DataError

__all__ = ["Cut", "RowRange", "base_splits", "cut_of", "row_ranges", "shared_ranges"]

_LONGEST_SPEC = 1000
_MOST_PIECES = 2
_ROWS_OF_A_PERCENT = 10
_REMEDY = "write a split or slices of it, such as train, train[:50%], train[1000:] or train[:10%]+train[20%:]"


@dataclass(frozen=True)
class RowRange:
    """The rows ``start`` to ``stop - 1`` of a split of ``size`` rows."""

    split: str
    start: int
    stop: int
    size: int = field(default=0, compare=False)

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
        return (RowRange(spec, 0, sizes[spec], sizes[spec]),)
    if len(spec) > _LONGEST_SPEC:
        raise DataError(f"the split {spec[:60] + '...'!r} has {len(spec):,} characters; {_REMEDY}")
    for split in base_splits(spec):
        if split not in sizes:
            raise DataError(f"the data set {name} has no split {split!r}; it has {', '.join(sorted(sizes))}")
    try:
        parts = datasets.ReadInstruction.from_spec(spec).to_absolute(dict(sizes))
    except (ValueError, AssertionError, AttributeError) as error:
        raise DataError(f"the split {spec!r} is not understood ({error}); {_REMEDY}") from error
    ranges = tuple(
        RowRange(part.splitname, part.from_, part.to, sizes[part.splitname])
        for part in parts
        if part.from_ < part.to
    )
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
                found.append(RowRange(one.split, start, stop, one.size))
    return found


@dataclass(frozen=True)
class Cut:
    """How rows were cut out of their splits.

    Attributes:
        kind: ``whole``: nothing was cut; ``plain``: one piece from the beginning or the end of a split, or at most two
            whose ends are whole percents (tenths, where a percent has fewer than 10 rows); ``free``: anything else,
            which can be cut around single rows.
        pieces: rows without a gap between them are one piece.
        rows_left_out: rows of the splits that are in no piece.
    """

    kind: str
    pieces: int
    rows_left_out: int


def cut_of(ranges: Sequence[RowRange]) -> Cut:
    """The kind of cut by the rows themselves, however it was written."""
    pieces = _merged(ranges)
    sizes = {piece.split: piece.size for piece in pieces}
    left_out = sum(sizes.values()) - sum(piece.stop - piece.start for piece in pieces)
    cut = [piece for piece in pieces if piece.stop - piece.start < piece.size]
    if not cut:
        return Cut("whole", len(pieces), 0)
    one_end = len(cut) == 1 and (cut[0].start == 0 or cut[0].stop == cut[0].size)
    coarse = len(cut) <= _MOST_PIECES and all(_is_coarse(piece) for piece in cut)
    return Cut("plain" if one_end or coarse else "free", len(pieces), left_out)


def _merged(ranges: Sequence[RowRange]) -> list[RowRange]:
    found: list[RowRange] = []
    for one in sorted(ranges, key=lambda rows: (rows.split, rows.start)):
        if found and (found[-1].split, found[-1].stop) == (one.split, one.start):
            found[-1] = RowRange(one.split, found[-1].start, one.stop, one.size)
        else:
            found.append(one)
    return found


def _is_coarse(piece: RowRange) -> bool:
    """Whether both ends are whole percents of the split as ``datasets`` rounds them, or tenths of a small one."""
    step = 1 if piece.size >= 100 * _ROWS_OF_A_PERCENT else 10
    places = {round(percent * piece.size / 100) for percent in range(0, 101, step)}
    return piece.start in places and piece.stop in places
