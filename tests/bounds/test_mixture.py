"""Mixtures of a model and its prior on sequences: against arbitrary precision, as distributions, and their limits."""

from __future__ import annotations

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mp_binomial import DIGITS

from transferbound.bounds import FLOOR, Mixture, chain, document_means, floored, floored_top
from transferbound.errors import ArgumentError

MIXTURES = [Mixture(0.5), Mixture(2.0**-12), Mixture(0.25, 0.125), Mixture(0.9, 2.0**-10), Mixture(0.01, 0.6)]


def scores(seed: int, shape: tuple[int, int], spread: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """log2 probabilities of tokens under a model and a prior."""
    rng = np.random.default_rng(seed)
    return -rng.exponential(spread, shape), -rng.exponential(spread, shape)


def by_paths(mixture: Mixture, model: np.ndarray, prior: np.ndarray) -> mp.mpf:
    """q of one document as the sum over every path through model (0) and prior (1), to fifty digits."""
    with mp.workdps(DIGITS):
        a, s = mp.mpf(mixture.prior_weight), mp.mpf(mixture.switch_rate)
        total = mp.mpf(0)
        for path in itertools.product((0, 1), repeat=len(model)):
            weight = a if path[0] else 1 - a
            for before, after in itertools.pairwise(path):
                weight *= s if before != after else 1 - s
            score = mp.fsum(mp.mpf(float((prior if side else model)[t])) for t, side in enumerate(path))
            total += weight * mp.mpf(2) ** score
        return total


@pytest.mark.parametrize("mixture", MIXTURES)
def test_it_is_the_sum_over_paths_in_arbitrary_precision(mixture):
    model, prior = scores(1, (6, 8))
    found = mixture.log2_tokens(model, prior).sum(axis=1)
    for row in range(len(model)):
        exact = float(mp.log(by_paths(mixture, model[row], prior[row]), 2))
        assert found[row] == pytest.approx(exact, rel=1e-13)
        gain = -exact + float(mp.fsum(prior[row]))
        assert mixture.excess(model, prior)[row] == pytest.approx(gain / 8, abs=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-9, 1.0, exclude_max=True), st.integers(1, 300), st.floats(0.0, 200.0), st.integers(0, 99))
def test_tokens_multiply_to_the_sequence(weight, length, spread, seed):
    model, prior = scores(seed, (3, length), spread)
    mixture = Mixture(weight)
    tokens = mixture.log2_tokens(model, prior)
    whole = mixture.log2_documents(model.sum(axis=1), prior.sum(axis=1))
    assert tokens.sum(axis=1) == pytest.approx(whole, rel=1e-12, abs=1e-12)
    assert (tokens <= 0.0).all()
    for row in range(3):
        with mp.workdps(DIGITS):
            one, other = (mp.fsum(mp.mpf(float(x)) for x in side[row]) for side in (model, prior))
            exact = mp.log((1 - mp.mpf(weight)) * mp.mpf(2) ** one + mp.mpf(weight) * mp.mpf(2) ** other, 2)
        assert whole[row] == pytest.approx(float(exact), rel=1e-13, abs=1e-13)


def _worlds(seed: int, length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every sequence [size^length, length] and its log2 probabilities under two chains that look two tokens back."""
    rng = np.random.default_rng(seed)
    tables = np.log2(rng.dirichlet(np.full(size, 0.3), (2, size + 1, size + 1)))
    all_texts = np.array(list(itertools.product(range(size), repeat=length)))
    padded = np.concatenate([np.full((len(all_texts), 2), size), all_texts], axis=1)
    back2, back1, here = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
    return all_texts, tables[0][back2, back1, here], tables[1][back2, back1, here]


@pytest.mark.parametrize("mixture", MIXTURES)
def test_it_is_a_distribution_at_every_token(mixture):
    """Conditional probabilities sum to 1 over the next token, whatever came before; so it can be sampled from."""
    texts, model, prior = _worlds(2, 4, 3)
    tokens = mixture.log2_tokens(model, prior)
    assert np.exp2(tokens.sum(axis=1)).sum() == pytest.approx(1.0, rel=1e-12)
    for t in range(4):
        for start in np.unique(texts[:, :t], axis=0):
            rows = (texts[:, :t] == start).all(axis=1)
            nexts = {int(texts[row, t]): 2.0 ** tokens[row, t] for row in np.flatnonzero(rows)}
            assert sum(nexts.values()) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_weights_know_the_past_alone(mixture):
    model, prior = scores(3, (5, 12))
    before = mixture.log2_weights(model, prior)
    model[:, 7:], prior[:, 7:] = scores(4, (5, 5))
    for old, new in zip(before, mixture.log2_weights(model, prior), strict=True):
        assert (old[:, :8] == new[:, :8]).all()
        assert not (old[:, 8:] == new[:, 8:]).all()
    one, other = mixture.log2_weights(model, prior)
    assert np.exp2(one) + np.exp2(other) == pytest.approx(np.ones((5, 12)), rel=1e-12)
    mixed = np.logaddexp2(one + model, other + prior)
    assert mixture.log2_tokens(model, prior) == pytest.approx(mixed, rel=1e-12)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_the_excess_stays_under_the_top_however_bad_the_model(mixture):
    lengths = np.array([1, 2, 5, 40, 64])
    model, prior = scores(5, (5, 64))
    for bad in (np.full_like(model, -np.inf), np.full_like(model, -1e4), model):
        excess = mixture.excess(bad, prior, lengths)
        for found, length in zip(excess, lengths, strict=True):
            assert found <= mixture.top(length, length) <= mixture.top(1, 64)
    # A model that gives no probability at all leaves the path that stays with the prior.
    lost = mixture.excess(np.full_like(model, -np.inf), prior, lengths)
    assert lost == pytest.approx([mixture.top(length, length) for length in lengths], rel=1e-12)


def test_tops():
    assert Mixture(2.0**-6).top(32) == pytest.approx(6 / 32, rel=1e-15)
    assert Mixture(2.0**-6).top(32) >= 6 / 32
    assert Mixture(0.25, 0.5).top(4) == pytest.approx((2 + 3) / 4)
    # A rate of switching that costs more than the start: long documents have the larger top.
    assert Mixture(0.5, 0.75).top(1) == pytest.approx(2.0)
    assert Mixture(0.5, 0.75).top(1, 3) == pytest.approx(5 / 3)
    with pytest.raises(ArgumentError, match=r"shortest .* 0"):
        Mixture(0.5).top(0)
    with pytest.raises(ArgumentError, match=r"longest .* 3"):
        Mixture(0.5).top(4, 3)


def test_padding_counts_nowhere():
    lengths = np.array([3, 1, 6])
    model, prior = scores(6, (3, 6))
    padded = model.copy()
    for row, length in enumerate(lengths):
        padded[row, length:] = np.nan
    for mixture in MIXTURES:
        excess = mixture.excess(padded, prior, lengths)
        tokens = mixture.log2_tokens(padded, prior, lengths)
        for row, length in enumerate(lengths):
            alone = model[row : row + 1, :length], prior[row : row + 1, :length]
            assert excess[row] == pytest.approx(mixture.excess(*alone)[0], rel=1e-13)
            assert tokens[row, :length] == pytest.approx(mixture.log2_tokens(*alone)[0], rel=1e-13)
            assert (tokens[row, length:] == 0.0).all()
    means = document_means(padded, lengths)
    assert means == pytest.approx([-model[row, :length].mean() for row, length in enumerate(lengths)])
    assert document_means(model) == pytest.approx(-model.mean(axis=1))


def test_a_floored_prior_has_a_largest_loss_and_costs_little():
    vocabulary, lengths = 50, np.array([4, 9, 20])
    prior = -np.random.default_rng(7).exponential(4.0, (3, 20))
    never = np.full((3, 20), -np.inf)
    found = document_means(floored(never, vocabulary, lengths), lengths)
    assert found == pytest.approx(math.log2(vocabulary) + 7 / lengths, rel=1e-12)
    assert (found <= floored_top(vocabulary, 4)).all()
    plain = document_means(prior, lengths)
    least = -math.log2(1.0 - FLOOR) / lengths
    assert (document_means(floored(prior, vocabulary, lengths), lengths) <= plain + least + 1e-12).all()


def test_a_chain_is_mixtures_of_mixtures():
    rng = np.random.default_rng(8)
    lengths, prior = np.array([5, 7, 2, 7]), -rng.exponential(3.0, (4, 7))
    models = [-rng.exponential(2.0, (4, 7)) for _ in range(3)]
    mixtures = [Mixture(0.25), Mixture(0.125), Mixture(0.5)]
    levels, tokens = chain(mixtures, models, [10.0, 30.0, 35.0], prior, lengths, shortest=2)
    inside = np.arange(7) < lengths[:, None]
    q = np.where(inside, prior, 0.0).sum(axis=1)
    for mixture, model, level in zip(mixtures, models, levels, strict=True):
        after = mixture.log2_documents(np.where(inside, model, 0.0).sum(axis=1), q)
        assert level.excess == pytest.approx((q - after) / lengths, abs=1e-12)
        assert level.top == mixture.top(2)
        q = after
    assert tokens.sum(axis=1) == pytest.approx(q, rel=1e-12)
    # The differences of all levels sum to the difference between the last and the prior.
    total = sum(level.excess for level in levels)
    assert total == pytest.approx(document_means(tokens, lengths) - document_means(prior, lengths), abs=1e-12)
    with pytest.raises(ArgumentError, match="3, 3 and 2"):
        chain(mixtures, models, [1.0, 2.0], prior, lengths, shortest=2)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Mixture(0.0), r"prior_weight .* 0\.0"),
        (lambda: Mixture(1.0), r"prior_weight .* 1\.0"),
        (lambda: Mixture(math.nan), "prior_weight .* nan"),
        (lambda: Mixture(0.5, 1.0), r"switch_rate .* 1\.0"),
        (lambda: Mixture(0.5, 0.1).log2_documents(-1.0, -1.0), "need the tokens"),
        (lambda: Mixture(0.5).log2_tokens([[-1.0]], [[-1.0, -2.0]]), r"\(1, 1\) and prior \(1, 2\)"),
        (lambda: Mixture(0.5).log2_tokens([-1.0], [-1.0]), "shape"),
        (lambda: Mixture(0.5).log2_tokens([[0.5]], [[-1.0]]), "model must be log-probabilities"),
        (lambda: Mixture(0.5).log2_tokens([[-1.0]], [[math.nan]]), "prior must be log-probabilities"),
        (lambda: Mixture(0.5).excess([[-1.0]], [[-math.inf]]), "no probability"),
        (lambda: Mixture(0.5).excess([[-1.0]], [[-1.0]], [2]), "lengths must lie between 1 and 1"),
        (lambda: Mixture(0.5).excess([[-1.0]], [[-1.0]], [0]), "without tokens"),
        (lambda: Mixture(0.5).excess([[-1.0]], [[-1.0]], [1.0]), "whole numbers"),
        (lambda: document_means([[-1.0]], [1, 1]), "whole numbers"),
        (lambda: floored([[-1.0]], 1), "vocabulary .* 1"),
    ],
)
def test_bad_arguments_are_named(make, named):
    with pytest.raises(ArgumentError, match=named):
        make()
