"""The binomial tail in arbitrary precision, for comparison."""

from __future__ import annotations

import mpmath as mp

DIGITS = 50


def log_cdf(k: int, n: int, p: mp.mpf) -> mp.mpf:
    """ln Pr[Bin(n, p) <= k], summed term by term from k downwards to forty digits."""
    with mp.workdps(DIGITS):
        log_choose = mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1)
        top = log_choose + k * mp.log(p) + (n - k) * mp.log1p(-p)
        odds = (1 - p) / p
        term = total = mp.mpf(1)
        for i in range(k):
            ratio = (k - i) * odds / (n - k + 1 + i)
            term *= ratio
            total += term
            if ratio < 1 and term < total * (1 - ratio) * mp.mpf(10) ** -40:
                break
        return top + mp.log(total)


def log_level(bits: float, delta: float) -> mp.mpf:
    with mp.workdps(DIGITS):
        return mp.log(mp.mpf(delta)) - mp.mpf(bits) * mp.log(2)


def check_inverse(bound: float, k: int, n: int, bits: float, delta: float, rel: float = 1e-9) -> None:
    """Assert true value <= bound <= (1 + rel) * true value; the cdf falls with p: two evaluations decide."""
    if k == n:
        assert bound == 1.0
        return
    level = log_level(bits, delta)
    with mp.workdps(DIGITS):
        if bound < 1.0:
            assert log_cdf(k, n, mp.mpf(bound)) <= level, "below the true value"
            below = mp.mpf(bound) / (1 + mp.mpf(rel))
        else:
            # 1.0 only where nothing but the last few floats below 1 could have been said.
            assert bound == 1.0
            below = 1 - mp.mpf(2) ** -50
        assert log_cdf(k, n, below) > level, "too far above the true value"
