"""Lists of variants: a choice that the header has no field for (which prior, which architecture) as a place on a list.

A grid is written before any result on the data is seen; a message names a point of it and pays log2 of its size. Where
that cannot be promised a list is open: it may grow at its end, and a message pays for the length of its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from transferbound.errors import ArgumentError
from transferbound.message.header import MAX_CANDIDATES, OPEN_LIST

__all__ = ["LIST_WRITTEN", "Axes", "check_list_written", "place", "variant"]

Axes = Mapping[str, Sequence[object]]
"""A grid: the values of each axis by the axis's name. Names, values and their order are part of the declaration."""

LIST_WRITTEN = ("before", "after")
"""When a list of variants was written, by its writer's word: before any result on the data was seen, or after some."""


def variant(axes: Axes, **choice: object) -> dict[str, int]:
    """The point of a grid that has one chosen value of each axis, counted with the last axis fastest.

        >>> variant({"layers": range(7), "pooling": ("mean", "maximum")}, layers=2, pooling="maximum")
        {'candidate': 5, 'candidates': 14}

    Args:
        axes: the declared grid.
        choice: a value of each axis, by name.

    Returns:
        ``candidate`` and ``candidates``, fields of :class:`Header` and arguments of ``CertifySettings``.

    Raises:
        ArgumentError: not a declared value of each axis, or a grid of more than ``MAX_CANDIDATES`` points.
    """
    if choice.keys() != axes.keys():
        raise ArgumentError(
            f"the choice names {', '.join(choice)}; choose one value of each of {', '.join(axes)}"
        )
    candidates = math.prod(map(len, axes.values()))
    if candidates > MAX_CANDIDATES:
        raise ArgumentError(f"the grid has {candidates} points; at most {MAX_CANDIDATES} can be declared")
    candidate = 0
    for name, values in axes.items():
        if choice[name] not in values:
            raise ArgumentError(
                f"{name} is {choice[name]!r}, which is not declared; use one of {list(values)}"
            )
        candidate = candidate * len(values) + list(values).index(choice[name])
    return {"candidate": candidate, "candidates": candidates}


def place(entries: Sequence[object], chosen: object) -> dict[str, int]:
    """The place of ``chosen`` on a list that may grow at its end.

        >>> place(["MiniLM, as it is", "MiniLM, four layers"], "MiniLM, four layers")
        {'candidate': 1, 'candidates': 0}

    Args:
        entries: what was tried, in the order in which it was thought of. An entry never changes its place.
        chosen: one of them.

    Returns:
        As :func:`variant`; the list's length is no part of it.

    Raises:
        ArgumentError: not on the list, or beyond its first ``MAX_CANDIDATES`` places.
    """
    if chosen not in entries:
        raise ArgumentError(f"{chosen!r} is not on the list; put it at the end")
    candidate = list(entries).index(chosen)
    if candidate >= MAX_CANDIDATES:
        raise ArgumentError(
            f"{chosen!r} is number {candidate + 1} of the list; at most {MAX_CANDIDATES} can be named"
        )
    return {"candidate": candidate, "candidates": OPEN_LIST}


def check_list_written(when: str) -> None:
    """Raises ArgumentError unless it is one of ``LIST_WRITTEN``."""
    if when not in LIST_WRITTEN:
        raise ArgumentError(f"list_written is {when!r}; it must be {' or '.join(LIST_WRITTEN)}")
