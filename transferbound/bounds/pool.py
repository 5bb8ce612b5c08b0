"""A fixed pool of units, some of them drawn at random: bounds on the mean of the pool, and of what was not drawn."""

from __future__ import annotations

import math
from typing import Any

from transferbound.bounds._checks import MAX_N, FloatArray, check_count, check_finite, check_values
from transferbound.bounds.one_sided import mean_lower_bound, mean_upper_bound
from transferbound.errors import ArgumentError

__all__ = ["pool_lower_bound", "pool_upper_bound", "rest_upper_bound"]

# What rounding may do to a sum and a quotient of such sums.
_SLACK = 2.0**-48


def pool_lower_bound(values: Any, pool_size: int, bits: float, delta: float) -> float:
    """Lower bound on the mean over a fixed pool, from values (at least 0) of units drawn without replacement.

    Theorem. Let x_1..x_N >= 0 be fixed numbers with mean mu, and S a set of n of their places, each such set
    equally likely. With c_i = 1 - f + f x_i / mu, at least 0 and on average 1, and the elementary symmetric
    polynomials e_k,

        E prod_(i in S) c_i = e_n(c) / binom(N, n) <= (e_1(c) / N)^n = 1

    by Maclaurin's inequality. So the wealth of :func:`mean_lower_bound` has expectation at most 1 at g = mu here
    too, and its bound holds as it stands, for every message at once. And what was not drawn is at least 0: mu
    is at least the sum of what was drawn, divided by N, whatever the draw.

    Conditions: the n units were drawn at random without replacement, independently of prior, code and limits,
    which may depend on the pool (the checkpoint may have been trained on it). Nothing is assumed of where the
    pool came from; nothing is said of units outside it.
    Source: Hardy, Littlewood and Polya 1934, "Inequalities", section 2.22 (Maclaurin); Hoeffding 1963, section 6
    (drawing without replacement is no worse than with it).

    Args:
        values: shape (n,), of the units drawn; pool_size: N, at least n.
        bits, delta: as in :func:`mean_lower_bound`.

    Returns the bound in the unit of ``values``, rounded down. Raises ArgumentError.
    """
    array, size = _checked(values, pool_size)
    found = mean_lower_bound(array, bits, delta)
    return max(found, math.fsum(array) / size * (1.0 - _SLACK))


def pool_upper_bound(values: Any, top: float, pool_size: int, bits: float, delta: float) -> float:
    """Upper bound on the mean over a fixed pool, from values (at most ``top``) of units drawn without replacement.

    :func:`pool_lower_bound` for top - x. :func:`occam_excess` and :func:`chained_excess`, too, bound the pool's
    means where their documents were drawn from one. Arguments as :func:`mean_upper_bound` and
    :func:`pool_lower_bound`.

    Returns the bound in the unit of ``values``, rounded up, at most ``top``. Raises ArgumentError.
    """
    array, size = _checked(values, pool_size)
    top = check_finite("top", top)
    found = mean_upper_bound(array, top, bits, delta)
    drawn = math.fsum(top - array) / size
    return min(found, math.nextafter(top - drawn * (1.0 - _SLACK), math.inf))


def rest_upper_bound(pool_bound: float, values: Any, pool_size: int) -> float:
    """From an upper bound on the mean of a pool to one on the mean of its units that were not drawn.

    (N bound - sum of the drawn) / (N - n): no chance of failing is added. Any bound on the pool's mean serves,
    such as ``risk`` or ``excess`` of :func:`occam_excess`, with the values that it is about.

    Args:
        pool_bound: upper bound on the mean over the pool, in the unit of ``values``.
        values: shape (n,), of the units drawn; pool_size: N, above n.

    Returns the bound in the unit of ``values``, rounded up. Raises ArgumentError.

        >>> rest_upper_bound(0.5, [0.25, 0.75, 0.25, 0.75], pool_size=10) >= 0.5
        True
    """
    array, size = _checked(values, pool_size)
    bound = check_finite("pool_bound", pool_bound)
    left = size - len(array)
    if left == 0:
        raise ArgumentError(f"pool_size is {size}, and all of it was drawn: nothing is left to bound")
    spread = _SLACK * (abs(size * bound) + math.fsum(abs(array)))
    return math.nextafter((math.fsum([size * bound, *(-array)]) + spread) / left, math.inf)


def _checked(values: Any, pool_size: int) -> tuple[FloatArray, int]:
    array = check_values("values", values)
    return array, check_count("pool_size", pool_size, len(array), MAX_N)
