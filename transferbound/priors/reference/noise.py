"""Random numbers and smooth random fields for generated pictures, in exact arithmetic: the same on every machine.

Everything is integers. Where a product is taken in float64, all of its terms are integers and their sum stays below
2^53, so that neither the order of the sum nor the machine matters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from transferbound.streams import below, gaussian_integers

__all__ = ["SPLINE_STEPS", "Integers", "clouds", "draw", "smooth_noise", "spline_weights"]

Integers = npt.NDArray[np.int64]

_SEED = 0
SPLINE_STEPS = 32
"""A cell of a spline is cut into so many steps."""
_WHOLE = 6 * SPLINE_STEPS**3


def draw(name: str, count: int, low: int, high: int, axes: int = 2) -> Integers:
    """``count`` integers from ``low`` to ``high``, as [count, 1, 1], or with as many further axes as ``axes`` says."""
    return low + below(_SEED, name, 0, count, high - low + 1).reshape(count, *[1] * axes)


def spline_weights(step: int) -> tuple[int, int, int, int]:
    """Weights of four neighbours in a cubic B-spline, ``step`` of 32 steps into a cell; their sum is 6 * 32^3."""
    t, u = step, SPLINE_STEPS - step
    return (
        u**3,
        3 * t**3 - 6 * SPLINE_STEPS * t**2 + 4 * SPLINE_STEPS**3,
        3 * u**3 - 6 * SPLINE_STEPS * u**2 + 4 * SPLINE_STEPS**3,
        t**3,
    )


def smooth_noise(name: str, count: int, side: int, cells: int) -> Integers:
    """[count, side, side]: a spline through ``cells`` cells along each side, of standard deviation about 100."""
    weights = np.zeros((side, cells + 3))
    for pixel in range(side):
        cell, step = divmod(pixel * cells * SPLINE_STEPS // side, SPLINE_STEPS)
        weights[pixel, cell : cell + 4] = spline_weights(step)
    knots = gaussian_integers(_SEED, f"{name}/{cells}", 0, count * (cells + 3) ** 2)
    field = (
        weights @ knots.reshape(count, cells + 3, cells + 3).astype(np.float64) @ weights.T
    )  # below 1020 * _WHOLE^2
    return np.floor(field / _WHOLE**2).astype(np.int64)


def clouds(
    name: str, count: int, side: int, cells: Sequence[int], fall: tuple[int, int] = (3, 12)
) -> Integers:
    """[count, side, side]: noise of several scales.

    Args:
        name, count, side: as for :func:`smooth_noise`.
        cells: of each scale, the coarsest first.
        fall: least and most twelfths that are left of the amplitude from one scale to the next; drawn for each picture.
    """
    share = draw(f"{name}/fall", count, *fall)
    amplitude = np.full((count, 1, 1), 256, dtype=np.int64)
    field = np.zeros((count, side, side), dtype=np.int64)
    for scale in cells:
        field += amplitude * smooth_noise(name, count, side, scale)
        amplitude = amplitude * share // 12
    return field // 256
