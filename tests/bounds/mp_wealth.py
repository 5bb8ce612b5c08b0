"""The wealth of a mixture of bets in arbitrary precision, for comparison."""

from __future__ import annotations

from collections.abc import Iterable

import mpmath as mp
from mp_binomial import DIGITS, log_level

from transferbound.bounds.one_sided import _bets


def log_wealth(values: Iterable[float], bets: Iterable[float], g: mp.mpf) -> mp.mpf:
    """ln of the mean over ``bets`` of prod_i (1 - f + f x_i / g), to fifty digits."""
    with mp.workdps(DIGITS):
        xs, total, count = [mp.mpf(float(x)) for x in values], mp.mpf(0), 0
        for bet in bets:
            f = mp.mpf(float(bet))
            total += mp.fprod((1 - f) + f * x / g for x in xs)
            count += 1
        return mp.log(total / count)


def check_lower(bound: float, values: list[float], bits: float, delta: float, rel: float = 1e-8) -> None:
    """Assert that ``bound`` is rejected, and that what is larger by ``rel`` is not: W falls as g grows."""
    level = -log_level(bits, delta)
    bets = _bets(len(values), float(level))
    with mp.workdps(DIGITS):
        if bound > 0.0:
            assert log_wealth(values, bets, mp.mpf(bound)) >= level, "above the true value"
            assert log_wealth(values, bets, mp.mpf(bound) * (1 + mp.mpf(rel))) < level, "too far below it"
        elif any(value > 0.0 for value in values):
            # 0 only where less than e^-300 of the mean could have been said.
            mean = mp.fsum(mp.mpf(float(x)) for x in values) / len(values)
            assert log_wealth(values, bets, mean * mp.exp(-300)) < level
