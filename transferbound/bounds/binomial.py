"""The binomial tail and its inversion, in log space."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from transferbound.bounds._checks import check_bits, check_count, check_delta, check_n, count_bound, nats
from transferbound.bounds._kl import deviance, kl_inverse, kl_inverse_pair, round_up, shift

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def _stirling_error(n: int) -> float:
    """ln n! - ln(sqrt(2 pi n) (n / e)^n), for n >= 1."""
    if n <= 15:
        return math.lgamma(n + 1.0) - (n + 0.5) * math.log(n) + n - _HALF_LOG_2PI
    square = 1.0 / (float(n) * n)
    series = 1 / 1260 - square * (1 / 1680 - square * (1 / 1188 - square * (691 / 360360)))
    return (1 / 12 - square * (1 / 360 - square * series)) / n


def _log_pmf(k: int, n: int, p: float, y: float) -> float:
    """ln Pr[Bin(n, p) = k] for 0 < k < n and y = 1 - p, to some 1e-15 of itself (Loader 2000)."""
    gap = n * p - k if p < 0.5 else (n - k) - n * y
    divergence = deviance(k, n * p, gap) + deviance(n - k, n * y, -gap)
    correction = _stirling_error(n) - _stirling_error(k) - _stirling_error(n - k)
    return correction - divergence - _HALF_LOG_2PI + 0.5 * (math.log(n / (n - k)) - math.log(k))


def _tail_ratio(k: int, n: int, p: float, y: float) -> tuple[float, int]:
    """Pr[Bin <= k] / Pr[Bin = k] and the number of terms summed, for p >= k / n.

    The sum runs downwards from k in blocks; its ratios fall, so a geometric series bounds what is left out.
    """
    odds = y / p
    total = term = 1.0
    done, block = 0, 128
    while done < k:
        below = np.arange(done, min(done + block, k), dtype=np.float64)
        ratios = (k - below) * odds / ((n - k + 1.0) + below)
        terms = term * np.cumprod(ratios)
        total += float(terms.sum())
        term, ratio = float(terms[-1]), float(ratios[-1])
        done += len(below)
        block = min(2 * block, 2**18)
        if ratio < 1.0 and term * ratio <= 1e-17 * total * (1.0 - ratio):
            break
    return total, done


def log_binomial_cdf(k: int, n: int, p: float, y: float | None = None) -> float:
    """ln Pr[Bin(n, p) <= k] in nats, for k / n <= p <= 1; ``y`` is 1 - p where that is known better."""
    y = 1.0 - p if y is None else y
    if k >= n:
        return 0.0
    if y <= 0.0:
        return -math.inf
    if k == 0:
        return n * (math.log1p(-p) if p < 0.5 else math.log(y))
    return _log_pmf(k, n, p, y) + math.log(_tail_ratio(k, n, p, y)[0])


def binomial_inverse(k: int, n: int, budget: float) -> float:
    """The largest p with ln Pr[Bin(n, p) <= k] >= -budget (nats), rounded outward; never below k / n.

    ln Pr is concave in p (it is the log of a beta distribution's survival function), so Newton's method
    started on the right, at the Chernoff bound, stays on the right of the solution.
    """
    if k >= n:
        return 1.0
    relaxed = kl_inverse(k / n, budget / n)
    if k == 0:
        return relaxed
    p, y = kl_inverse_pair(k / n, budget / n)
    slope = math.inf
    terms = 0
    for _ in range(200):
        if y < 1e-18:
            return 1.0
        ratio, terms = _tail_ratio(k, n, p, y)
        slope = (n - k) / (y * ratio)
        step = (-budget - _log_pmf(k, n, p, y) - math.log(ratio)) / slope
        if step <= 1e-14 * min(p, y):
            break
        if k / n >= p - step:  # delta so large that the solution lies below the empirical error
            return round_up(k / n)
        p, y = shift(p, y, step)
    # What rounding may have done to ln Pr, turned into p by the slope, then four units in the last place.
    slack = 1e-14 * (budget + 16.0) + 1e-15 * terms
    return min(relaxed, max(k / n, round_up(p + slack / slope)))


@count_bound
def occam_binomial(errors: int, n: int, bits: float, delta: float) -> float:
    """Binomial tail inversion: the tightest bound on the error of a deterministic, coded predictor.

    With probability at least 1 - delta over n independent examples, for every message h at once,

        R(h) <= max { p : Pr[Bin(n, p) <= errors] >= delta * 2^-bits }.

    Conditions: 0-1 loss; examples independent and identically distributed; the code (hence ``bits``,
    the -log2 of the message's mass) fixed before the examples were seen.
    Source: Langford 2005, "Tutorial on practical prediction theory for classification", section 4 (the
    Occam's razor bound with the exact binomial tail).

    Args:
        errors: number of wrong predictions among the n examples, 0 to n.
        n: number of independent examples, at least 1.
        bits: length of the message in bits, at least 0; need not be whole.
        delta: probability with which the statement may fail, in (0, 1).

    All four broadcast. Returns the bound as a fraction: within 1e-9 relative of the true value and never
    below it, never below errors / n, and exactly 1.0 when nothing can be said.

    Raises:
        ArgumentError: an argument is out of its range; the message names it.

    The row for CIFAR-10 that the 2022 paper published, by this form:

        >>> round(occam_binomial(errors=6812, n=50_000, bits=8488.09, delta=0.05), 6)
        0.350627
    """
    n = check_n(n)
    errors = check_count("errors", errors, 0, n)
    return binomial_inverse(errors, n, nats(check_bits(bits), check_delta(delta)))


def holdout(errors: Any, n: Any, delta: Any) -> Any:
    """Upper Clopper-Pearson limit: what n held-out examples with this many errors certify.

    Conditions: 0-1 loss; the predictor fixed before the held-out examples were seen. The same as
    :func:`occam_binomial` with no bits. Source: Clopper and Pearson 1934.
    Arguments broadcast; ArgumentError as there.

        >>> round(holdout(errors=10, n=100, delta=0.05), 4)
        0.1637
    """
    return occam_binomial(errors, n, 0.0, delta)
