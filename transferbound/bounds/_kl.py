"""The divergence between two coins and its inverse, in nats, for one pair of numbers at a time.

A probability is carried with its complement, p and y = 1 - p, so that neither loses its digits.
"""

from __future__ import annotations

import math


def deviance(x: float, m: float, gap: float) -> float:
    """x ln(x / m) + m - x, at least 0; ``gap`` is m - x (Loader 2000, "Fast and accurate computation of
    binomial probabilities", function bd0)."""
    if x == 0.0:
        return m
    t = gap / x
    if abs(t) > 0.2:
        return x * math.log(x / m) + gap
    # ln(1+t) - t = r (2 r^2 (1/3 + r^2/5 + ...) - t) with r = t / (2 + t): no cancellation for small t.
    r = t / (2.0 + t)
    square = r * r
    series, power = 0.0, 1.0
    for odd in (3, 5, 7, 9, 11, 13, 15, 17, 19):
        series += power / odd
        power *= square
    return x * r * (t - 2.0 * square * series)


def shift(p: float, y: float, step: float) -> tuple[float, float]:
    """(p - step, y + step), each to full relative precision."""
    if p - step < 0.5:
        p = p - step
        return p, 1.0 - p
    y = y + step
    return 1.0 - y, y


def kl(q: float, p: float, y: float) -> float:
    """kl(q || p) in nats, with y = 1 - p."""
    gap = p - q if p < 0.5 else (1.0 - q) - y
    return deviance(q, p, gap) + deviance(1.0 - q, y, -gap)


def kl_inverse_pair(q: float, budget: float) -> tuple[float, float]:
    """The p in [q, 1] with kl(q || p) = budget (nats), not rounded, with 1 - p. 0 < q < 1.

    Newton's method from the right on a convex function: every iterate is above the solution.
    """
    entropy = -q * math.log(q) - (1.0 - q) * math.log1p(-q)
    exponent = (budget + entropy) / (1.0 - q)
    if exponent > 40.0:  # 1 - p < 1e-17: rounds to 1, whatever follows
        return 1.0, math.exp(-exponent)
    # Four upper bounds on p: two of Pinsker's kind for each end, and the one that is tight near 1.
    spread = min(
        math.sqrt(budget / 2.0),
        math.sqrt(2.0 * (1.0 - q) * budget),
        budget + math.sqrt(budget * (budget + 2.0 * q)),
    )
    p, y = shift(q, 1.0 - q, -spread)
    if y < math.exp(-exponent):
        y = math.exp(-exponent)
        p = 1.0 - y
    for _ in range(200):
        gap = p - q if p < 0.5 else (1.0 - q) - y
        if gap <= 0.0:
            return q, 1.0 - q
        step = (kl(q, p, y) - budget) * p * y / gap
        if step <= 1e-15 * min(p, y):
            break
        p, y = shift(p, y, step)
    return p, y


def kl_inverse(q: float, budget: float) -> float:
    """The largest p in [q, 1] with kl(q || p) <= budget (nats), rounded up, within 1e-11 relative."""
    if q >= 1.0:
        return 1.0
    if q == 0.0:
        return round_up(-math.expm1(-budget))
    p, y = kl_inverse_pair(q, budget)
    gap = p - q if p < 0.5 else (1.0 - q) - y
    if gap <= 0.0:
        return round_up(q)
    # What rounding may have done to the divergence, turned into p by its slope gap / (p y).
    return max(q, round_up(p + 1e-14 * budget * p * y / gap))


def round_up(p: float) -> float:
    """Four units in the last place above p, at most 1: covers the rounding of p and 1 - p themselves."""
    for _ in range(4):
        p = math.nextafter(p, 1.0)
    return p
