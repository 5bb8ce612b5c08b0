"""A random subset of a fixed pool: exact expectations over all subsets, simulation, what is left, arguments."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from transferbound.bounds import (
    mean_lower_bound,
    mean_upper_bound,
    pool_lower_bound,
    pool_upper_bound,
    rest_upper_bound,
)
from transferbound.errors import ArgumentError

DELTA = 0.1


def pools(size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "half ones": (np.arange(size) % 2).astype(float),
        "one large": np.append(np.zeros(size - 1), 5.0),
        "heavy": rng.pareto(1.2, size),
        "sorted": np.linspace(0.0, 1.0, size),
    }


@pytest.mark.parametrize("kind", pools(8))
def test_the_wealth_over_all_subsets_is_one_at_most(kind):
    """Maclaurin's inequality itself, on every subset of every size."""
    pool = pools(8)[kind]
    for n in range(1, 9):
        subsets = np.array(list(itertools.combinations(range(8), n)))
        for bet in (0.05, 0.5, 0.95, 1.0):
            wealth = np.prod(1.0 - bet + bet * pool[subsets] / pool.mean(), axis=1)
            assert wealth.mean() <= 1.0 + 1e-12


@pytest.mark.parametrize("kind", pools(8))
def test_failures_over_all_subsets(kind):
    """No more than a share of delta of all subsets gives a bound above the pool's mean: counted, not drawn."""
    pool = pools(10)[kind]
    for n in (1, 5, 9, 10):
        subsets = [pool[list(places)] for places in itertools.combinations(range(10), n)]
        missed = sum(pool_lower_bound(subset, 10, 0.0, 0.5) > pool.mean() for subset in subsets)
        assert missed <= 0.5 * len(subsets)


@pytest.mark.parametrize("kind", pools(60))
def test_coverage_of_pool_and_rest(kind):
    rng = np.random.default_rng(2)
    pool, trials, n = pools(60)[kind], 300, 20
    top, missed, missed_rest = float(pool.max()), 0, 0
    for _ in range(trials):
        order = rng.permutation(60)
        drawn, rest = pool[order[:n]], pool[order[n:]]
        upper = pool_upper_bound(drawn, top, 60, 0.0, DELTA)
        missed += upper < pool.mean() - 1e-12
        missed_rest += rest_upper_bound(upper, drawn, 60) < rest.mean() - 1e-12
    for count in (missed, missed_rest):
        assert stats.beta.isf(1e-3, count + 1, trials - count) < DELTA


def test_a_pool_that_was_cut_and_not_drawn_from_breaks_it():
    """The leak: the first rows of a pool in order. The bound is then below the mean of the pool, always."""
    pool = pools(200)["sorted"]
    assert pool_upper_bound(pool[:60], 1.0, 200, 0.0, DELTA) < pool.mean()


def test_the_bound_is_that_of_independent_units_or_what_is_certain():
    rng = np.random.default_rng(3)
    drawn = rng.random(50)
    assert pool_lower_bound(drawn, 10**6, 5.0, 0.05) == mean_lower_bound(drawn, 5.0, 0.05)
    assert pool_upper_bound(drawn, 1.0, 10**6, 5.0, 0.05) == mean_upper_bound(drawn, 1.0, 5.0, 0.05)
    # Most of the pool seen, and many bits: what was seen speaks for itself.
    assert pool_lower_bound(drawn, 52, 1000.0, 0.05) == pytest.approx(drawn.sum() / 52, rel=1e-12)
    assert pool_upper_bound(drawn, 1.0, 52, 1000.0, 0.05) == pytest.approx((drawn.sum() + 2) / 52, rel=1e-12)
    # All of it seen: the mean itself.
    assert pool_upper_bound(drawn, 1.0, 50, 1000.0, 0.05) == pytest.approx(drawn.mean(), rel=1e-12)
    assert (
        pool_lower_bound(drawn, 50, 1000.0, 0.05)
        <= drawn.mean()
        <= pool_upper_bound(drawn, 1.0, 50, 1e3, 0.05)
    )


def test_the_rest_is_what_the_pool_leaves():
    drawn = np.full(40, 0.25)
    # 100 units with mean 0.4 at most: 40 - 10 is left for 60 of them.
    assert rest_upper_bound(0.4, drawn, 100) == pytest.approx(0.5, rel=1e-12)
    assert rest_upper_bound(0.4, drawn, 100) >= 0.5
    assert rest_upper_bound(-0.2, drawn, 100) == pytest.approx(-0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: pool_lower_bound([0.1] * 5, 4, 0.0, 0.05), "pool_size must lie between 5"),
        (lambda: pool_lower_bound([-0.1], 4, 0.0, 0.05), "at least 0"),
        (lambda: pool_upper_bound([2.0], 1.0, 4, 0.0, 0.05), r"top = 1\.0"),
        (lambda: rest_upper_bound(0.5, [0.1] * 5, 5), "all of it was drawn"),
        (lambda: rest_upper_bound(math.nan, [0.1], 5), "pool_bound"),
    ],
)
def test_bad_arguments_are_named(call, named):
    with pytest.raises(ArgumentError, match=named):
        call()
