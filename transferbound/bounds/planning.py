"""The bounds read backwards: how many bits, or how many examples, a target allows."""

from __future__ import annotations

import math
from collections.abc import Callable

from transferbound.bounds._checks import (
    broadcast,
    check_bits,
    check_count,
    check_delta,
    check_fraction,
    check_n,
)
from transferbound.bounds._kl import kl
from transferbound.bounds.binomial import log_binomial_cdf, occam_binomial
from transferbound.bounds.occam import occam_kl

_MOST = 2**40


def _first(holds: Callable[[int], bool], low: int) -> int:
    """The smallest value from ``low`` on for which ``holds``, if it stays true from there; at most _MOST."""
    if holds(low):
        return low
    step = 1
    while not holds(low + step):
        low, step = low + step, 2 * step
        if low + step > _MOST:
            return _MOST
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


def errors_at(risk: float, n: int) -> int:
    """The whole number of errors that ``risk`` means among n examples, rounded up."""
    return min(n, math.ceil(risk * n * (1.0 - 1e-12)))


@broadcast
def max_bits(target: float, errors: int, n: int, delta: float) -> float:
    """The largest message, in bits, with which :func:`occam_binomial` is at most ``target``.

    Arguments as there; ``target`` a fraction in [0, 1]; all broadcast. ``inf`` for a target of 1, ``nan``
    where even 0 bits would not do. Raises ArgumentError.

        >>> round(max_bits(target=0.3, errors=6812, n=50_000, delta=0.05))
        5343
    """
    target = check_fraction("target", target)
    n = check_n(n)
    errors = check_count("errors", errors, 0, n)
    delta = check_delta(delta)
    if target >= 1.0:
        return math.inf
    if target <= errors / n:
        return math.nan
    bits = (math.log(delta) - log_binomial_cdf(errors, n, target)) / math.log(2.0)
    return _fitting(bits, lambda bits: occam_binomial(errors, n, bits, delta) <= target)


def _fitting(bits: float, fits: Callable[[float], bool]) -> float:
    """``bits``, less the last few that do not fit as bounds are rounded outward; nan if none do."""
    slack = 1e-13
    while bits > 0.0 and not fits(bits):
        bits -= slack * (bits + 1.0)
        slack *= 4.0
    if bits > 0.0:
        return bits
    return 0.0 if fits(0.0) else math.nan


@broadcast
def min_n(target: float, risk: float, bits: float, delta: float) -> float:
    """The smallest n for which :func:`occam_binomial` with ceil(risk n) errors is at most ``target``.

    ``target`` and ``risk`` are fractions; all arguments broadcast. ``inf`` where no n would do (target <=
    risk). A whole number, as a float. Raises ArgumentError.

        >>> min_n(target=0.25, risk=0.1, bits=600, delta=0.05)
        5737.0
    """
    target, risk = check_fraction("target", target), check_fraction("risk", risk)
    bits, delta = check_bits(bits), check_delta(delta)
    if target >= 1.0:
        return 1.0
    if target <= risk:
        return math.inf
    if risk == 0.0:
        found = _first(lambda n: occam_binomial(0, n, bits, delta) <= target, 1)
        return math.inf if found >= _MOST else float(found)

    def last_n(errors: int) -> int:
        """The largest n that still means this many errors: the best place on this tooth of the saw."""
        n = max(1, min(_MOST, int(errors / risk)))
        while n < _MOST and errors_at(risk, n + 1) <= errors:
            n += 1
        while n > 1 and errors_at(risk, n) > errors:
            n -= 1
        return n

    errors = _first(lambda k: occam_binomial(k, last_n(k), bits, delta) <= target, 1)
    if last_n(errors) >= _MOST:
        return math.inf
    before = last_n(errors - 1) + 1 if errors > 1 else 1
    return float(_first(lambda n: occam_binomial(errors, n, bits, delta) <= target, max(before, errors)))


@broadcast
def max_bits_kl(target: float, risk: float, n: int, delta: float) -> float:
    """As :func:`max_bits` for :func:`occam_kl`: a mean loss in [0, 1] in place of a count (groups)."""
    target, risk = check_fraction("target", target), check_fraction("risk", risk)
    n, delta = check_n(n), check_delta(delta)
    if target >= 1.0:
        return math.inf
    if target <= risk:
        return math.nan
    bits = (n * kl(risk, target, 1.0 - target) + math.log(delta)) / math.log(2.0)
    return _fitting(bits, lambda bits: occam_kl(risk, n, bits, delta) <= target)


@broadcast
def min_n_kl(target: float, risk: float, bits: float, delta: float) -> float:
    """As :func:`min_n` for :func:`occam_kl`: a mean loss in [0, 1] in place of a count (groups)."""
    target, risk = check_fraction("target", target), check_fraction("risk", risk)
    bits, delta = check_bits(bits), check_delta(delta)
    if target >= 1.0:
        return 1.0
    if target <= risk:
        return math.inf
    found = _first(lambda n: occam_kl(risk, n, bits, delta) <= target, 1)
    return math.inf if found >= _MOST else float(found)


def holdout_break_even(errors: int, n: int, m: int, holdout_errors: int, delta: float) -> float:
    """The message size, in bits, below which a bound from n training examples beats m held-out ones.

    Both at the same delta: the largest K with occam_binomial(errors, n, K) <= holdout(holdout_errors, m).
    ``nan`` where even 0 bits would not do. Raises ArgumentError.
    """
    return float(max_bits(occam_binomial(holdout_errors, m, 0.0, delta), errors, n, delta))


def bit_price(mean: float, n: int, bits: float, delta: float) -> float:
    """The rise of the mean loss that lifts the bound as much as one more bit does, a fraction.

    For the kl form, kl(r || B) = (K ln 2 + ln(1/delta)) / n, the bound's derivatives give
    (dB/dK) / (dB/dr) = (ln 2 / n) / (logit B - logit r). Means at the ends are taken half a unit inside.
    """
    mean = _inside(mean, n)
    bound = _inside(occam_kl(mean, n, bits, delta), n)
    return math.log(2) / n / max(_logit(bound) - _logit(mean), 1e-3)


def _inside(p: float, n: int) -> float:
    edge = 0.5 / max(n, 1)
    return min(max(p, edge), 1.0 - edge)


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)
