"""The binomial inversion and the kl inversion against arbitrary precision."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mp_binomial import DIGITS, check_inverse, log_cdf

from transferbound.bounds import log_binomial_cdf, occam_binomial, occam_kl

NS = [1, 2, 3, 10, 97, 1000, 50_000, 10**6, 10**7]
BITS = [0.0, 1.0, 37.5, 1000.0, 8488.09, 1e5, 1e6]
DELTAS = [0.5, 0.05, 1e-12]


def counts(n: int) -> list[int]:
    return sorted({0, 1, 2, n // 1000, n // 7, n // 2, n - n // 10, n - 2, n - 1, n} & set(range(n + 1)))


@pytest.mark.parametrize("n", NS)
def test_inverse_on_a_grid(n):
    # Near the centre of a large n the reference needs ten thousand terms: those are left to the long test.
    for k in counts(n):
        for bits in BITS:
            if n >= 10**6 and bits < 8000.0 and 10 < k < n - 10:
                continue
            for delta in DELTAS:
                check_inverse(occam_binomial(k, n, bits, delta), k, n, bits, delta)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_inverse_anywhere(data):
    n = int(10 ** data.draw(st.floats(0.0, 7.0)))
    k = data.draw(st.one_of(st.integers(0, n), st.integers(0, min(n, 50)), st.integers(max(0, n - 50), n)))
    bits = data.draw(
        st.one_of(st.floats(0.0, 64.0), st.floats(0.0, 1e6), st.floats(0.0, 2.0).map(lambda x: x * n))
    )
    delta = 10.0 ** data.draw(st.floats(-12.0, -0.30103))
    if n > 10**5 and bits < 1000.0 and 100 < k < n - 100:
        bits += 1000.0
    check_inverse(occam_binomial(k, n, min(bits, 1e6), delta), k, n, min(bits, 1e6), delta)


@pytest.mark.long
def test_inverse_everywhere():
    rng = np.random.default_rng(20)
    for _ in range(4000):
        n = int(10 ** rng.uniform(0.0, 7.0))
        k = int(
            rng.choice([0, 1, n // 2, n - 1, rng.integers(0, n + 1), int(10 ** rng.uniform(0, np.log10(n)))])
        )
        bits = float(
            rng.choice([0.0, rng.uniform(0, 20), 10 ** rng.uniform(0, 6), min(1e6, n * rng.random())])
        )
        delta = float(rng.choice([0.5, 0.05, 1e-12, 10 ** rng.uniform(-12, -0.31)]))
        k = min(max(k, 0), n)
        check_inverse(occam_binomial(k, n, bits, delta), k, n, bits, delta)


def test_published_row_in_arbitrary_precision():
    check_inverse(occam_binomial(6812, 50_000, 8488.09, 0.05), 6812, 50_000, 8488.09, 0.05, rel=1e-12)


@pytest.mark.parametrize(
    ("k", "n", "p"), [(0, 10, 0.3), (5, 10, 0.9), (6812, 50_000, 0.35), (10**6, 10**7, 0.1001)]
)
def test_log_cdf_itself(k, n, p):
    assert log_binomial_cdf(k, n, p) == pytest.approx(float(log_cdf(k, n, mp.mpf(p))), rel=1e-12)


def test_large_delta_falls_back_to_the_empirical_error():
    # For delta above 1/2 the solution may lie below errors / n; a bound below it would be of no use.
    for k, n in [(1, 2), (5, 10), (500, 1000)]:
        assert k / n <= occam_binomial(k, n, 0.0, 0.99) <= k / n * (1 + 1e-14)


def test_kl_inverse_on_a_grid():
    for n in NS:
        for k in counts(n)[:-1]:
            risk = k / n
            for bits in BITS:
                for delta in DELTAS:
                    bound = occam_kl(risk, n, bits, delta)
                    with mp.workdps(DIGITS):
                        budget = (mp.mpf(bits) * mp.log(2) - mp.log(mp.mpf(delta))) / n
                        if bound < 1.0:
                            assert _kl(risk, mp.mpf(bound)) >= budget
                            assert (
                                _kl(risk, max(mp.mpf(risk), mp.mpf(bound) / (1 + mp.mpf(10) ** -11))) < budget
                            )
                        else:
                            assert _kl(risk, 1 - mp.mpf(2) ** -50) < budget


def _kl(q: float, p: mp.mpf) -> mp.mpf:
    q = mp.mpf(q)
    return (q * mp.log(q / p) if q else 0) + (1 - q) * mp.log((1 - q) / (1 - p))
