"""Bounds on the mean of a variable with one limit: a mixture of bets on values that are at least 0."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from transferbound.bounds._checks import FloatArray, check_bits, check_delta, check_finite, check_values, nats
from transferbound.errors import ArgumentError

__all__ = ["mean_lower_bound", "mean_upper_bound"]

# The bets stand this far apart on the logit scale: at worst some 1 % of the gap is lost between two of them.
_SPACING = 0.3
# The smallest bet is this part of sqrt(budget / n): it suits values that spread over 30 times their mean.
_SMALLEST = 1.0 / 32.0
# Bets whose wealth is this many nats behind the best are left out, which can only lower the total wealth.
_BEHIND = 30.0
# Numbers held at a time in the table of bets by values.
_CELLS = 2**18
# A bound below the mean by more than this factor (in nats) is given as 0; no quotient overflows before.
_LOWEST = 600.0
_TINY = 2.0**-900
_EPS = 2.0**-52
_ROUNDS = 20
_MANY = 4096


def _bets(n: int, budget: float) -> FloatArray:
    """The fractions of the wealth that are bet: fixed by n and the level, never by the values.

    The best fraction is about sqrt(2 budget / n) times mean / standard deviation; the grid ends at 1 - 1 / (2 n),
    followed by the whole wealth, which is best when all values are equal.
    """
    least = min(0.5, _SMALLEST * math.sqrt(budget / n))
    low, high = math.log(least / (1.0 - least)), math.log(2.0 * n)
    count = max(2, math.ceil((high - low) / _SPACING) + 1)
    logits = np.linspace(low, high, count)
    return np.append(1.0 / (1.0 + np.exp(-logits)), 1.0)


def _log_wealth(values: FloatArray, counts: FloatArray, bets: FloatArray, g: float) -> FloatArray:
    """ln prod_i (1 - f + f x_i / g) for each bet f, less what rounding may have added. Shape of ``bets``.

    ``values`` ascend, each standing ``counts`` times. Each factor is right within 4 units in the last place, and the
    pairwise sum of the logarithms within some 40 of their sum without signs.
    """
    total = np.empty(len(bets))
    rows = max(1, _CELLS // len(values))
    units = counts.sum()
    for start in range(0, len(bets), rows):
        part = bets[start : start + rows, None]
        with np.errstate(divide="ignore"):
            logs = np.log((1.0 - part) + (part / g) * values)
        largest = np.maximum(np.abs(logs[:, 0]), np.abs(logs[:, -1]))
        sums = (logs * counts).sum(axis=1)
        total[start : start + rows] = sums - _EPS * units * (8.0 + 64.0 * largest)
    return total


class _Wealth:
    """The mixture's wealth against a mean g, in nats above the level at which g is rejected."""

    def __init__(self, values: FloatArray, budget: float) -> None:
        distinct, counts = np.unique(values, return_counts=True)
        self.values, self.counts = distinct, counts.astype(np.float64)
        self.bets = _bets(len(values), budget)
        self.goal = budget * (1.0 + 1e-14) + math.log(len(self.bets)) + 1e-12

    def surplus(self, g: float, bets: FloatArray) -> float:
        return float(logsumexp(_log_wealth(self.values, self.counts, bets, g))) - self.goal

    def near_best(self, g: float) -> FloatArray:
        """The bets that decide at g."""
        wealth = _log_wealth(self.values, self.counts, self.bets, g)
        return cast(FloatArray, self.bets[wealth >= wealth.max() - _BEHIND])

    def rejected(self, mean: float, bets: FloatArray, low: float) -> float:
        """Nearly the largest g that ``bets`` reject, at least ``low`` where that is rejected already; 0.0 if none."""

        def surplus(fall: float) -> float:
            return max(-1e300, self.surplus(mean * math.exp(-fall), bets))

        near, far = 0.0, max(1e-12, math.log(mean / low))
        while surplus(far) < 0.0:
            near, far = far, 2.0 * far + 1e-3
            if far > _LOWEST:
                return 0.0
        fall = float(brentq(surplus, near, far, xtol=1e-12, rtol=1e-12))
        push = 1e-13
        while fall + push < far:
            g = mean * math.exp(-(fall + push))
            if self.surplus(g, bets) >= 0.0:
                return g
            push *= 4.0
        return mean * math.exp(-far)

    def largest_rejected(
        self, mean: float, found: float, bets: FloatArray, near: float
    ) -> tuple[float, FloatArray]:
        """A g below which all is rejected, close to the largest (0.0 if none), and the bets that decide there.

        Starts at ``found`` with ``bets`` and asks all bets again wherever g moves by more than ``near`` of it.
        """
        best = 0.0
        for _ in range(_ROUNDS):
            g = self.rejected(mean, bets, found)
            best, moved = max(best, g), abs(g - found) > near * g
            if g > 0.0 and not moved:
                break
            # The bets that are best at the new g may be others.
            closer = self.near_best(g) if g > 0.0 else self.bets
            if np.array_equal(closer, bets):
                break
            bets, found = closer, g or found
        return best, bets


def _coarse(values: FloatArray) -> FloatArray:
    """Rounded down to 10 bits: few distinct values, whose wealth is lower, and by little."""
    parts, exponents = np.frexp(values)
    return np.ldexp(np.floor(parts * 1024.0) / 1024.0, exponents)


def _largest_rejected(values: FloatArray, mean: float, budget: float) -> float:
    """A g that is rejected, close to the largest; for many values by way of fewer, where most of the search is done."""
    found, near = mean * math.exp(-min(1.0, math.sqrt(budget / len(values)))), 1e-9
    low, exact = 0.0, _Wealth(values, budget)
    bets = None
    if len(exact.values) > _MANY:
        rough = _Wealth(_coarse(values), budget)
        low, bets = rough.largest_rejected(mean, found, rough.near_best(found), near=1e-6)
        found, near = low or found, 0.01
    g, _ = exact.largest_rejected(mean, found, exact.near_best(found) if bets is None else bets, near)
    return max(g, low)


def mean_lower_bound(values: Any, bits: float, delta: float) -> float:
    """Lower bound on the mean of values that are at least 0, with no upper limit; for every message at once.

    Theorem. Let X_1..X_n >= 0 be independent with mean mu (where their means differ: with average mean mu),
    let f_1..f_J in [0, 1] and weights w_j >= 0 with sum 1 be fixed without looking at them. The wealth

        W(g) = sum_j w_j prod_i (1 - f_j + f_j X_i / g)

    is never negative, and its expectation at g = mu is 1 (at most 1 where means differ: a product of numbers
    is at most the power of their average). By Markov's inequality Pr[W(mu) >= 1 / (delta 2^-bits)] <= delta
    2^-bits, and by Kraft's the delta 2^-bits of all messages sum to at most delta. W falls as g grows, so
    what is not rejected is all g from some point on: with probability at least 1 - delta, for every message
    at once, mu is at least that point.

    Conditions: independent units; the code, and so ``bits`` of each message, fixed before the values. The
    mean may be infinite. The bets depend on n, bits and delta alone; W is symmetric, so order does not count.
    Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", section
    4, with the one limit that a one-sided statement uses; Markov's and Kraft's inequalities.

    Args:
        values: shape (n,), finite, each at least 0, in any unit; one for each independent unit.
        bits: length of the message in bits, at least 0.
        delta: probability with which the statement may fail, in (0, 1).

    Returns the bound in the unit of ``values``, rounded down: never above the mean, 0.0 when nothing can be said.
    Raises ArgumentError.

        >>> round(mean_lower_bound([0.8, 1.0, 1.2] * 200, bits=50, delta=0.05), 4)
        0.9246
    """
    array = check_values("values", values)
    budget = nats(check_bits(bits), check_delta(delta))
    if array.min() < 0.0:
        where = int(array.argmin())
        raise ArgumentError(f"values must be at least 0; values[{where}] is {array[where]}")
    # By a power of 2: exact, but for what is too small to matter and counts as 0.
    exponent = math.frexp(float(array.max()))[1]
    scaled = np.ldexp(array, -exponent)
    scaled[scaled < _TINY] = 0.0
    mean = math.fsum(scaled) / len(scaled)
    if mean == 0.0:
        return 0.0
    g = _largest_rejected(scaled, mean, budget)
    return max(0.0, math.nextafter(math.ldexp(g, exponent), -math.inf))


def mean_upper_bound(values: Any, top: float, bits: float, delta: float) -> float:
    """Upper bound on the mean of values that are at most ``top``, however far below; for every message at once.

    What is left to the top, top - X, is at least 0, and :func:`mean_lower_bound` bounds its mean from below.
    For losses in [0, 1] and top = 1 this is the statement of :func:`occam_betting`: no lower limit is needed,
    and a top nearer to the values gives a smaller bound. Conditions and source as there; ``top`` is fixed
    before the values.

    Args:
        values: shape (n,), finite, each at most ``top``, in any unit; one for each independent unit.
        top: what no value can exceed, in the same unit. bits, delta: as in :func:`mean_lower_bound`.

    Returns the bound in the unit of ``values``, rounded up: never below the mean, ``top`` when nothing can be said.
    Raises ArgumentError.

        >>> round(mean_upper_bound([-0.5, -0.3, 0.1] * 200, top=0.25, bits=50, delta=0.05), 4)
        -0.1395
    """
    array, top = check_values("values", values), check_finite("top", top)
    if array.max() > top:
        where = int(array.argmax())
        raise ArgumentError(f"values must be at most top = {top}; values[{where}] is {array[where]}")
    left = np.maximum(0.0, np.nextafter(top - array, -np.inf))
    lower = mean_lower_bound(left, bits, delta)
    return min(top, math.nextafter(top - lower, math.inf))
