"""Bounds for losses in [0, 1] that use their variance: a mixture of bets, and the empirical Bernstein
bound."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from transferbound.bounds._checks import (
    FloatArray,
    broadcast,
    check_bits,
    check_delta,
    check_fraction,
    check_losses,
    check_n,
    nats,
)
from transferbound.bounds._kl import kl_inverse_pair, round_up
from transferbound.bounds.occam import occam_kl
from transferbound.errors import ArgumentError

# The bets stand this far apart on the logit scale: at worst some 1 % of the gap is lost between two of them.
_SPACING = 0.3
# Bets whose wealth is this many nats behind the best are left out, which can only lower the total wealth.
_BEHIND = 30.0
# Numbers held at a time in the table of bets by losses.
_CELLS = 2**18


def _bets(n: int, budget: float) -> FloatArray:
    """The fractions of the largest allowed stake to bet: fixed by n and the level, never by the losses.

    The best fraction is about sqrt(2 budget / (n variance)) times 1 - m; the grid starts well below it and
    ends at 1 - 1 / (2 n), followed by the whole stake, which is best when all losses are equal.
    """
    least = min(0.5, 0.25 * math.sqrt(budget / n))
    low, high = math.log(least / (1.0 - least)), math.log(2.0 * n)
    count = max(2, math.ceil((high - low) / _SPACING) + 1)
    logits = np.linspace(low, high, count)
    return np.append(1.0 / (1.0 + np.exp(-logits)), 1.0)


def _log_wealth(gains: FloatArray, counts: FloatArray, bets: FloatArray, y: float) -> FloatArray:
    """ln prod_i (1 - f + f (1 - x_i) / y) for each bet f; ``gains`` are 1 - x_i, y = 1 - m. Shape of
    ``bets``."""
    total = np.empty(len(bets))
    rows = max(1, _CELLS // len(gains))
    for start in range(0, len(bets), rows):
        part = bets[start : start + rows, None]
        with np.errstate(divide="ignore"):
            total[start : start + rows] = np.log((1.0 - part) + (part / y) * gains) @ counts
    return total


def occam_betting(losses: Any, bits: float, delta: float) -> float:
    """Mixture-of-bets bound on the mean of losses in [0, 1]; sharp when their variance is small.

    Theorem. Let X_1..X_n be independent with mean m, in [0, 1], let f_1..f_J in [0, 1] and weights w_j >= 0
    with sum 1 be fixed without looking at them. The wealth W(m) = sum_j w_j prod_i (1 + f_j (m - X_i) / (1
    - m)) is never negative and has expectation 1, so by Markov's inequality Pr[W(m) >= 1 / (delta 2^-bits)]
    <= delta 2^-bits. As 1 + f (m - x) / (1 - m) = 1 - f + f (1 - x) / (1 - m) grows with m, the values that
    are not rejected are an interval [0, bound], and the union over all messages gives: with probability at
    least 1 - delta, for every message at once, the mean loss is at most the bound.

    Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", section 4
    (the hedged capital process with bets fixed in advance, one-sided, stopped at n); the mixture as in
    Orabona and Jun 2024. The bets depend on n, bits and delta alone and W is a symmetric function of the
    losses, so neither the statement nor the value depends on their order.

    Against :func:`occam_kl` it pays at most ln J, some 4 to 5 nats (6 to 7 bits) of the budget, for a term
    in the variance where the kl form has risk * (1 - risk).

    Args:
        losses: shape (n,), each in [0, 1], one for each independent unit (a group: the mean over its rows).
        bits: length of the message in bits, at least 0.
        delta: probability with which the statement may fail, in (0, 1).

    Returns the bound as a fraction, rounded outward, never below the mean. Raises ArgumentError.

        >>> round(occam_betting([0.1] * 500, bits=50, delta=0.05), 4)
        0.1672
    """
    array = check_losses(losses)
    n = len(array)
    budget = nats(check_bits(bits), check_delta(delta))
    values, counts = np.unique(array, return_counts=True)
    gains, weights = 1.0 - values, counts.astype(np.float64)
    mean = min(1.0, math.fsum(values * weights) / n)
    if mean >= 1.0:
        return 1.0
    bets = _bets(n, budget)
    log_prior = -math.log(len(bets))
    start = kl_inverse_pair(mean, budget / n)[1] if mean > 0.0 else math.exp(-budget / n)
    first = _log_wealth(gains, weights, bets, max(start, 1e-300))
    bets = bets[first >= first.max() - _BEHIND]
    # Rounding of n logarithms, against ourselves.
    goal = budget + 1e-12 * budget + 1e-13 * n

    def excess(u: float) -> float:
        wealth = _log_wealth(gains, weights, bets, math.exp(-u))
        return float(logsumexp(wealth)) + log_prior - goal

    low = -math.log1p(-mean)  # at m = mean no bet has gained
    high = max(-math.log(max(start, 1e-18)), low + 1e-6)
    while excess(high) < 0.0:
        if high > 40.0:
            return 1.0
        high = low + 2.0 * (high - low)
    root = brentq(excess, low, high, xtol=1e-13, rtol=1e-13)
    push = 1e-12
    while excess(root + push) < 0.0:
        push *= 2.0
    return max(mean, round_up(-math.expm1(-(root + push))))


def occam_bounded(losses: Any, bits: float, delta: float) -> float:
    """The smaller of :func:`occam_kl` and :func:`occam_betting`, each at half of delta (one bit more).

    The form to use for real losses when nothing is known of their variance beforehand. Arguments,
    conditions and errors as :func:`occam_betting`.
    """
    array = check_losses(losses)
    bits = check_bits(bits) + 1.0
    risk = min(1.0, math.fsum(array) / len(array))
    return min(occam_kl(risk, len(array), bits, delta), occam_betting(array, bits, delta))


@broadcast
def occam_empirical_bernstein(risk: float, variance: float, n: int, bits: float, delta: float) -> float:
    """Empirical Bernstein bound with the message's union: for comparison, and for sweeps.

    With probability at least 1 - delta, for every message at once, with L = bits ln 2 + ln(2 / delta),

        R <= risk + sqrt(2 variance L / n) + 7 L / (3 (n - 1)).

    Conditions: losses in [0, 1], independent and identically distributed; n at least 2 (1.0 for n = 1).
    Source: Maurer and Pontil 2009, "Empirical Bernstein bounds and sample variance penalization", Theorem 4.

    Args:
        risk: mean loss, a fraction. variance: the sample variance (divided by n - 1), in [0, n / (4 (n -
            1))].
        n, bits, delta: as in :func:`occam_binomial`. All broadcast.

    Returns the bound as a fraction, at most 1. Raises ArgumentError.
    """
    n = check_n(n)
    risk = check_fraction("risk", risk)
    variance = float(variance)
    if n == 1:
        return 1.0
    largest = risk * (1.0 - risk) * n / (n - 1.0)
    if not 0.0 <= variance <= largest * (1.0 + 1e-9) + 1e-15:
        raise ArgumentError(
            f"variance must lie between 0 and risk (1 - risk) n / (n - 1) = {largest}, got {variance}"
        )
    budget = nats(check_bits(bits), check_delta(delta)) + math.log(2.0)
    spread = math.sqrt(2.0 * variance * budget / n) + 7.0 * budget / (3.0 * (n - 1.0))
    return min(1.0, (risk + spread) * (1.0 + 1e-15))
