"""Bounds on a mean with one limit: against arbitrary precision, by simulation, their edges and arguments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mp_wealth import check_lower
from scipy import stats

from transferbound.bounds import mean_lower_bound, mean_upper_bound, occam_betting, one_sided
from transferbound.errors import ArgumentError

DELTA = 0.1


def draw(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> tuple[np.ndarray, float]:
    """Values that are at least 0, and their mean: two-valued, narrow, without an upper limit, heavy-tailed."""
    if kind == "coins":
        return (rng.random(shape) < 0.5).astype(float), 0.5
    if kind == "rare":
        return (rng.random(shape) < 0.05) * 7.0, 0.35
    if kind == "narrow":
        return 3.0 + rng.random(shape), 3.5
    if kind == "exponential":
        return rng.exponential(1e-6, shape), 1e-6
    return rng.pareto(1.5, shape), 2.0  # its variance is infinite


KINDS = ["coins", "rare", "narrow", "exponential", "pareto"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "bits"), [(1, 0.0), (7, 3.0), (60, 0.0), (60, 40.0), (60, 1000.0)])
def test_it_is_the_root_in_arbitrary_precision(kind, n, bits):
    values, _ = draw(np.random.default_rng([1, n]), kind, (n,))
    check_lower(mean_lower_bound(values, bits, 0.05), list(values), bits, 0.05)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [0.0, 40.0, 1000.0])
def test_it_is_the_root_where_the_search_is_done_on_fewer_values(kind, bits, monkeypatch):
    values, _ = draw(np.random.default_rng(7), kind, (120,))
    plain = mean_lower_bound(values, bits, 0.05)
    monkeypatch.setattr(one_sided, "_MANY", 1)
    found = mean_lower_bound(values, bits, 0.05)
    check_lower(found, list(values), bits, 0.05)
    assert found == pytest.approx(plain, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.just(0.0), st.floats(1e-150, 1e300)), min_size=1, max_size=25),
    st.floats(0.0, 3000.0),
    st.floats(1e-12, 0.99),
)
def test_it_is_the_root_anywhere(values, bits, delta):
    check_lower(mean_lower_bound(values, bits, delta), values, bits, delta, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_coverage(kind):
    rng = np.random.default_rng(2)
    trials = 400
    values, mean = draw(rng, kind, (trials, 40))
    missed = sum(mean_lower_bound(row, 0.0, DELTA) > mean for row in values)
    assert stats.beta.isf(1e-3, missed + 1, trials - missed) < DELTA


def test_means_that_differ_are_bounded_by_their_average():
    rng = np.random.default_rng(3)
    means = np.linspace(0.0, 2.0, 40)
    missed = sum(mean_lower_bound(rng.exponential(means), 0.0, DELTA) > 1.0 for _ in range(400))
    assert stats.beta.isf(1e-3, missed + 1, 400 - missed) < DELTA


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0.0, 5.0), min_size=1, max_size=40),
    st.floats(0.0, 200.0),
    st.floats(0.0, 50.0),
    st.randoms(),
)
def test_order_bits_and_scale(values, bits, more, random):
    here = mean_lower_bound(values, bits, 0.05)
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert mean_lower_bound(shuffled, bits, 0.05) == here
    assert 0.0 <= here <= math.fsum(values) / len(values)
    assert mean_lower_bound(values, bits + more, 0.05) <= here * (1.0 + 1e-8)
    assert mean_lower_bound([64.0 * value for value in values], bits, 0.05) == pytest.approx(
        64.0 * here, rel=1e-14
    )
    assert mean_lower_bound([value + 0.1 for value in values], bits, 0.05) >= here * (1.0 - 1e-8)


def test_upper_bound_is_the_lower_one_mirrored_and_sharper_than_betting_where_it_cut_bets():
    rng = np.random.default_rng(4)
    losses = rng.beta(2.0, 12.0, 500)
    found = mean_upper_bound(losses, 1.0, 30.0, 0.05)
    assert found == pytest.approx(1.0 - mean_lower_bound(1.0 - losses, 30.0, 0.05), abs=1e-12)
    # The same wealth up to the grid of bets; the grid is longer here, some nats of the budget.
    assert found == pytest.approx(occam_betting(losses, 30.0, 0.05), abs=2e-3)
    # Shifting values and top shifts the bound: no lower limit enters.
    assert mean_upper_bound(losses - 100.0, -99.0, 30.0, 0.05) == pytest.approx(found - 100.0, abs=1e-9)
    # A nearer top says more.
    assert mean_upper_bound(losses, float(losses.max()), 30.0, 0.05) < found


def test_edges():
    assert mean_lower_bound([0.0] * 50, 0.0, 0.05) == 0.0
    assert mean_lower_bound([1.0], 1e6, 0.05) == 0.0
    assert mean_upper_bound([0.25] * 50, 0.25, 0.0, 0.05) == 0.25
    # One unit alone: Markov's inequality, less the price of the mixture.
    assert 0.0 < mean_lower_bound([1.0], 0.0, 0.05) < 0.05
    # Without a spread the whole wealth is bet: x exp(-budget / n), less the price of the mixture.
    found, n = mean_lower_bound([3.0] * 1000, 100.0, 0.05), 1000
    exact = 3.0 * math.exp(-(100.0 * math.log(2.0) - math.log(0.05)) / n)
    assert 0.995 * exact < found < exact
    # What is below a double's reach of the largest value counts as 0.
    assert mean_lower_bound([1e300, 1e-300], 0.0, 0.05) == mean_lower_bound([1e300, 0.0], 0.0, 0.05) > 0.0
    assert mean_lower_bound([5e-324] * 9, 0.0, 0.05) == 0.0


def test_a_million_values_and_a_hundred_thousand_bits():
    values = np.random.default_rng(5).integers(1, 50, 10**6).astype(float)
    assert 15.0 < mean_lower_bound(values, 1e5, 0.05) < mean_lower_bound(values, 1e3, 0.05) < 25.0


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ([0.5, -1e-9], r"values\[1\] is -1e-09"),
        ([math.nan], "finite"),
        ([math.inf], "finite"),
        ([], "at least one"),
        ([[0.1]], "shape"),
        ("x", "numbers"),
    ],
)
def test_bad_values_are_named(values, named):
    with pytest.raises(ArgumentError, match=named):
        mean_lower_bound(values, 0.0, 0.05)


def test_a_value_over_the_top_is_named():
    with pytest.raises(ArgumentError, match=r"top = 0\.25; values\[1\] is 0\.3"):
        mean_upper_bound([0.1, 0.3], 0.25, 0.0, 0.05)
    with pytest.raises(ArgumentError, match=r"top must be finite"):
        mean_upper_bound([0.1], math.inf, 0.0, 0.05)
