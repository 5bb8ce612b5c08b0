"""Declared variants: a choice that the header has no field for (which prior, which architecture) as one of a grid.

The grid has to be complete before the data is seen; a message names a point of it and pays log2 of its size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from transferbound.errors import ArgumentError
from transferbound.message.header import MAX_CANDIDATES

__all__ = ["Axes", "variant"]

Axes = Mapping[str, Sequence[object]]
"""A grid: the values of each axis by the axis's name. Names, values and their order are part of the declaration."""


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
