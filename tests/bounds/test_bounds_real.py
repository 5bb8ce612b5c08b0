"""Bounds for losses in [0, 1]: betting, empirical Bernstein, smoothing, subsamples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from transferbound.bounds import (
    Smoothing,
    holdout,
    occam_betting,
    occam_binomial,
    occam_bounded,
    occam_empirical_bernstein,
    occam_kl,
    population_errors,
    smoothed_likelihood,
    subsample_binomial,
    subsample_kl,
)
from transferbound.errors import ArgumentError

DELTA = 0.1


def draw(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> tuple[np.ndarray, float]:
    """Losses of a known mean: rare large ones, low variance, two-valued, almost always one."""
    if kind == "bernoulli":
        return (rng.random(shape) < 0.2).astype(float), 0.2
    if kind == "rare":  # the mean hides in values seldom seen
        return (rng.random(shape) < 0.02).astype(float), 0.02
    if kind == "beta":
        return rng.beta(2.0, 18.0, shape), 0.1
    if kind == "high":
        return 1.0 - 0.5 * (rng.random(shape) < 0.1), 0.95
    return rng.integers(0, 5, shape) / 4.0, 0.5


@pytest.mark.parametrize("kind", ["bernoulli", "rare", "beta", "high", "levels"])
def test_coverage_of_betting(kind):
    rng = np.random.default_rng(3)
    trials, n = 400, 40
    losses, mean = draw(rng, kind, (trials, n))
    missed = sum(occam_betting(row, 0.0, DELTA) < mean for row in losses)
    assert stats.beta.isf(1e-3, missed + 1, trials - missed) < DELTA


@pytest.mark.parametrize("kind", ["bernoulli", "beta", "levels"])
def test_coverage_of_empirical_bernstein_and_kl(kind):
    rng = np.random.default_rng(4)
    trials, n = 2000, 40
    losses, mean = draw(rng, kind, (trials, n))
    risk = losses.mean(axis=1)
    for bound in (
        occam_empirical_bernstein(risk, losses.var(axis=1, ddof=1), n, 0.0, DELTA),
        occam_kl(risk, n, 0.0, DELTA),
    ):
        missed = int((bound < mean).sum())
        assert stats.beta.isf(1e-3, missed + 1, trials - missed) < DELTA


def test_betting_pays_for_choosing_the_bet():
    """The best bet picked after the fact, its price of ln J not paid, rejects the truth far more often."""
    rng = np.random.default_rng(5)
    trials, n = 400, 30
    losses = (rng.random((trials, n)) < 0.5).astype(float)
    bets = np.append(np.linspace(0.02, 0.98, 60), 1.0)
    ones = losses.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # wealth at the true mean: it rejects the truth where it reaches 1 / delta
        gains, stakes = (
            (n - ones)[:, None] * np.log1p(bets),
            np.where(ones[:, None] > 0, np.log1p(-bets), 0.0),
        )
        wealth = gains + np.where(ones[:, None] > 0, ones[:, None] * stakes, 0.0)
    best = int((wealth.max(axis=1) >= -math.log(DELTA)).sum())
    honest = sum(occam_betting(row, 0.0, DELTA) < 0.5 for row in losses)
    assert best > 1.5 * max(honest, 1)
    assert stats.beta.isf(1e-3, honest + 1, trials - honest) < DELTA


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40), st.floats(0.0, 300.0), st.randoms())
def test_betting_ignores_order_and_is_monotone(losses, bits, random):
    here = occam_betting(losses, bits, 0.05)
    shuffled = losses.copy()
    random.shuffle(shuffled)
    assert occam_betting(shuffled, bits, 0.05) == here == occam_betting(losses, bits, 0.05)
    assert math.fsum(losses) / len(losses) <= here + 1e-15
    assert here <= 1.0
    worse = [min(1.0, loss + 0.1) for loss in losses]
    assert occam_betting(worse, bits, 0.05) >= here - 1e-9
    assert occam_bounded(losses, bits, 0.05) <= occam_kl(
        math.fsum(losses) / len(losses), len(losses), bits + 1, 0.05
    )


def test_betting_wins_at_low_variance_and_loses_little_elsewhere():
    rng = np.random.default_rng(6)
    low = rng.beta(20.0, 80.0, 10_000)
    assert occam_betting(low, 500.0, 0.05) < occam_kl(low.mean(), 10_000, 500.0, 0.05) - 0.07
    assert occam_betting(low, 500.0, 0.05) < occam_empirical_bernstein(
        low.mean(), low.var(ddof=1), 10_000, 500.0, 0.05
    )
    coin = (rng.random(10_000) < 0.2).astype(float)
    assert occam_betting(coin, 500.0, 0.05) < occam_kl(coin.mean(), 10_000, 500.0, 0.05) + 0.003


def test_choice_between_the_two_forms_costs_a_bit():
    rng = np.random.default_rng(10)
    coin, low = (rng.random(400) < 0.2).astype(float), rng.beta(20.0, 80.0, 400)
    assert occam_bounded(coin, 20.0, 0.05) == occam_kl(coin.mean(), 400, 21.0, 0.05)
    assert occam_bounded(low, 20.0, 0.05) == occam_betting(low, 21.0, 0.05)


def test_empirical_bernstein_is_its_formula():
    cost = 20.0 * math.log(2.0) + math.log(2.0 / 0.05)
    exact = 0.1 + math.sqrt(2.0 * 0.04 * cost / 1000) + 7.0 * cost / (3.0 * 999)
    assert occam_empirical_bernstein(0.1, 0.04, 1000, 20.0, 0.05) == pytest.approx(exact, rel=1e-14)


def test_betting_edges():
    assert occam_betting([1.0, 1.0], 0.0, 0.05) == 1.0
    assert occam_betting([0.0], 1e6, 0.05) == 1.0
    # With no losses at all the price of the mixture is still paid: never below the exact limit.
    assert occam_betting(np.zeros(100), 10.0, 0.05) > occam_binomial(0, 100, 10.0, 0.05)
    assert occam_empirical_bernstein(0.1, 0.0, 1, 0.0, 0.05) == 1.0


@pytest.mark.parametrize(
    ("losses", "named"),
    [
        ([0.5, 1.5], r"losses\[1\] is 1.5"),
        ([math.nan], "nan"),
        ([], "at least one"),
        ([[0.1]], "shape"),
        ("x", "numbers"),
    ],
)
def test_bad_losses_are_named(losses, named):
    with pytest.raises(ArgumentError, match=named):
        occam_betting(losses, 0.0, 0.05)


def test_bad_variance_is_named():
    with pytest.raises(ArgumentError, match=r"variance .* 0\.9"):
        occam_empirical_bernstein(0.1, 0.9, 100, 0.0, 0.05)


def test_smoothing_stays_in_its_range_and_comes_back():
    smoothing = Smoothing(0.1, 50)
    losses = smoothing.losses([0.0, 0.3, 1.0])
    assert losses[0] == pytest.approx(smoothing.high)
    assert losses[2] == pytest.approx(smoothing.low)
    assert losses[1] == pytest.approx(-math.log2(0.9 * 0.3 + 0.1 / 50))
    unit = smoothing.to_unit(losses)
    assert unit.min() >= 0.0
    assert unit.max() <= 1.0
    assert [smoothing.from_unit(u) for u in unit] == pytest.approx(losses)
    with pytest.raises(ArgumentError, match=r"smooth the predictions"):
        smoothing.to_unit(smoothing.high + 1.0)


def test_choice_of_alpha_is_paid():
    rng = np.random.default_rng(7)
    probabilities = list(rng.beta(5.0, 2.0, 1500))
    alphas = [2.0**-i for i in range(1, 9)]
    best = smoothed_likelihood(probabilities, alphas, 10, 100.0, 0.05)
    assert best.choice_bits == 3.0
    alone = smoothed_likelihood(probabilities, [best.smoothing.alpha], 10, 100.0, 0.05)
    paid = smoothed_likelihood(probabilities, [best.smoothing.alpha], 10, 103.0, 0.05)
    assert alone.bound < best.bound == paid.bound
    assert best.risk < best.bound < math.log2(10)


def test_documents_average_their_tokens():
    rng = np.random.default_rng(8)
    documents = [rng.random(size) for size in rng.integers(1, 30, 200)]
    found = smoothed_likelihood(documents, [0.2], 4, 0.0, 0.05)
    means = [Smoothing(0.2, 4).losses(document).mean() for document in documents]
    assert found.risk == pytest.approx(np.mean(means))


def test_bad_smoothing_is_named():
    for alpha in (0.0, 1.0, math.nan):
        with pytest.raises(ArgumentError, match=r"alpha"):
            Smoothing(alpha, 10)
    with pytest.raises(ArgumentError, match=r"classes .* 1"):
        Smoothing(0.5, 1)
    with pytest.raises(ArgumentError, match=r"probabilities"):
        Smoothing(0.5, 2).losses([1.2])
    with pytest.raises(ArgumentError, match=r"alphas"):
        smoothed_likelihood([0.5], [], 2, 0.0, 0.05)
    with pytest.raises(ArgumentError, match=r"probabilities"):
        smoothed_likelihood([], [0.5], 2, 0.0, 0.05)


@pytest.mark.parametrize(
    ("k", "m", "n"), [(0, 10, 50), (3, 10, 50), (10, 10, 50), (7, 50, 50), (40, 100, 1000)]
)
@pytest.mark.parametrize("delta", [0.5, 0.05, 1e-6])
def test_population_errors_against_scipy(k, m, n, delta):
    largest = max(K for K in range(k, n - (m - k) + 1) if stats.hypergeom.cdf(k, n, K, m) >= delta)
    assert population_errors(k, m, n, delta) == largest


def test_population_errors_at_ten_million():
    total = population_errors(10_000, 100_000, 10**7, 0.005)
    assert stats.hypergeom.cdf(10_000, 10**7, total, 100_000) == pytest.approx(0.005, rel=1e-2)


def test_subsample_coverage():
    """Both steps at once: the data and the subsample drawn anew each time, 0 bits."""
    rng = np.random.default_rng(9)
    trials, n, m, risk = 4000, 300, 60, 0.3
    wrong = rng.binomial(n, risk, trials)
    seen = rng.hypergeometric(wrong, n - wrong, m)
    for bound in (
        subsample_binomial(np.arange(m + 1), m, n, 0.0, DELTA, 0.5)[seen],
        subsample_kl(np.arange(m + 1) / m, m, n, 0.0, DELTA, 0.5)[seen],
    ):
        missed = int((bound < risk).sum())
        assert stats.beta.isf(1e-3, missed + 1, trials - missed) < DELTA


def test_subsample_spends_delta_once():
    for share in (0.1, 0.5, 0.9):
        total = population_errors(100, 1000, 50_000, share * 0.05)
        second = occam_binomial(total, 50_000, 500.0, (1.0 - share) * 0.05)
        assert subsample_binomial(100, 1000, 50_000, 500.0, 0.05, share) == second
        total = occam_kl(0.1, 1000, 0.0, share * 0.05)
        second = occam_kl(total, 50_000, 500.0, (1.0 - share) * 0.05)
        assert subsample_kl(0.1, 1000, 50_000, 500.0, 0.05, share) == second
    # The more of delta the draw of the rows gets, the fewer errors it must allow for.
    limits = [population_errors(100, 1000, 50_000, share * 0.05) for share in (0.1, 0.5, 0.9)]
    assert limits == sorted(limits, reverse=True)
    assert len(set(limits)) == 3


def test_subsample_lies_between_all_rows_and_the_subsample_alone():
    whole, part = occam_binomial(5000, 50_000, 500.0, 0.05), occam_binomial(100, 1000, 500.0, 0.05)
    two_steps = subsample_binomial(100, 1000, 50_000, 500.0, 0.05)
    assert whole < two_steps < part
    assert two_steps <= subsample_kl(0.1, 1000, 50_000, 500.0, 0.05)
    assert subsample_kl(0.1, 1000, 50_000, 500.0, 0.05, reused=True) > subsample_kl(
        0.1, 1000, 50_000, 500.0, 0.05
    )
    assert subsample_kl(0.1, 50_000, 50_000, 500.0, 0.05) == occam_kl(0.1, 50_000, 500.0, 0.05)
    with pytest.raises(ArgumentError, match=r"m .* 20"):
        subsample_binomial(1, 20, 10, 0.0, 0.05)
    with pytest.raises(ArgumentError, match=r"share .* 1\.0"):
        subsample_binomial(1, 5, 10, 0.0, 0.05, 1.0)


def test_holdout_is_the_bound_with_no_bits():
    assert holdout(5, 100, 0.05) == occam_binomial(5, 100, 0.0, 0.05)
