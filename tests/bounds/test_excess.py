"""The excess over a prior, chains of messages, and the forms of the literature: what each pays, and the arguments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mp_wealth import check_lower

from transferbound.bounds import (
    Level,
    Mixture,
    Smoothing,
    chained_excess,
    hoeffding,
    mean_lower_bound,
    mean_upper_bound,
    occam_excess,
    occam_kl,
    token_smoothed,
)
from transferbound.errors import ArgumentError

TOP, PRIOR_TOP = 0.1875, 10.0


def documents(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Excess and prior's loss in bits a token, as a finetuned language model has them."""
    rng = np.random.default_rng(seed)
    return np.minimum(rng.normal(-1.0, 0.4, n), TOP), np.clip(rng.normal(6.0, 0.8, n), 0.0, PRIOR_TOP)


def test_delta_is_split_and_the_bits_are_paid_once():
    excess, prior = documents(400)
    for share in (0.5, 0.2):
        found = occam_excess(excess, prior, TOP, PRIOR_TOP, 60.0, 0.05, share)
        assert found.excess == pytest.approx(
            mean_upper_bound(excess, TOP, 60.0, (1.0 - share) * 0.05), rel=1e-14
        )
        assert found.prior_risk == mean_upper_bound(prior, PRIOR_TOP, 0.0, share * 0.05)
        assert found.risk == pytest.approx(found.prior_risk + found.excess, rel=1e-14)
        assert found.risk >= found.prior_risk + found.excess
        assert excess.mean() < found.excess < TOP
        assert prior.mean() < found.prior_risk < PRIOR_TOP


def test_both_parts_are_roots_in_arbitrary_precision():
    excess, prior = documents(50, 1)
    found = occam_excess(excess, prior, TOP, PRIOR_TOP, 20.0, 0.05)
    check_lower(TOP - found.excess, list(TOP - excess), 20.0, 0.025)
    check_lower(PRIOR_TOP - found.prior_risk, list(PRIOR_TOP - prior), 0.0, 0.025)


def test_a_chain_of_one_is_the_excess_and_levels_share_delta():
    excess, prior = documents(400, 2)
    one = occam_excess(excess, prior, TOP, PRIOR_TOP, 60.0, 0.05)
    assert chained_excess([Level(excess, TOP, 60.0)], prior, PRIOR_TOP, 0.05) == one
    first, second = Level(0.8 * excess, TOP, 20.0), Level(0.2 * excess, TOP / 4, 60.0)
    both = chained_excess([first, second], prior, PRIOR_TOP, 0.05)
    parts = [mean_upper_bound(level.excess, level.top, level.bits, 0.05 / 4) for level in (first, second)]
    assert both.excess == pytest.approx(sum(parts), rel=1e-14)
    # A chain that stops early still shares delta with the levels that it could have had.
    short = chained_excess([first], prior, PRIOR_TOP, 0.05, most_levels=2)
    assert short.excess == pytest.approx(parts[0], rel=1e-14)
    assert short.excess > chained_excess([first], prior, PRIOR_TOP, 0.05).excess


def test_a_chain_beats_one_message_where_little_is_left_to_say():
    rng = np.random.default_rng(3)
    first = np.minimum(rng.normal(-1.0, 0.5, 2000), TOP)
    second = np.minimum(rng.normal(-0.1, 0.03, 2000), TOP / 6)
    prior = np.clip(rng.normal(6.0, 0.8, 2000), 0.0, PRIOR_TOP)
    one = occam_excess(first + second, prior, TOP, PRIOR_TOP, 600.0, 0.05)
    levels = [Level(first, TOP, 100.0), Level(second, TOP / 6, 600.0)]
    assert chained_excess(levels, prior, PRIOR_TOP, 0.05).excess < one.excess - 0.1


def test_fewer_bits_are_not_those_of_all_messages_so_far():
    excess, prior = documents(20, 4)
    levels = [Level(excess, TOP, 20.0), Level(excess, TOP, 5.0)]
    with pytest.raises(ArgumentError, match=r"cannot fall: got \[20\.0, 5\.0\]"):
        chained_excess(levels, prior, PRIOR_TOP, 0.05)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"excess": [0.3] * 20}, r"top = 0\.1875; values\[0\] is 0\.3"),
        ({"prior_losses": [11.0] * 20}, r"top = 10\.0; values\[0\] is 11\.0"),
        ({"excess": [0.1] * 3}, "excess has 3 units and prior_losses 20"),
        ({"excess": [math.nan] * 20}, "excess must be finite"),
        ({"prior_top": math.inf}, "prior_top must be finite"),
        ({"share": 1.0}, r"share .* 1\.0"),
        ({"bits": -1.0}, r"bits .* -1"),
        ({"delta": 0.0}, r"delta .* 0\.0"),
    ],
)
def test_bad_arguments_are_named(change, named):
    excess, prior = documents(20)
    arguments = {
        "excess": excess,
        "prior_losses": prior,
        "top": TOP,
        "prior_top": PRIOR_TOP,
        "bits": 10.0,
        "delta": 0.05,
    }
    with pytest.raises(ArgumentError, match=named):
        occam_excess(**(arguments | change))


def test_bad_levels_are_named():
    excess, prior = documents(20)
    with pytest.raises(ArgumentError, match="at least one level"):
        chained_excess([], prior, PRIOR_TOP, 0.05)
    with pytest.raises(ArgumentError, match="most_levels must lie between 2"):
        chained_excess([Level(excess, TOP, 1.0)] * 2, prior, PRIOR_TOP, 0.05, most_levels=1)


def test_the_literatures_forms_are_their_formulas():
    rng = np.random.default_rng(5)
    tokens, lengths = -rng.exponential(4.0, (300, 16)), rng.integers(1, 17, 300)
    alphas, vocabulary, bits = [0.5, 0.1, 0.01], 512, 40.0
    found = token_smoothed(tokens, alphas, vocabulary, bits, 0.05, lengths)
    paid = bits + math.log2(3)
    by_hand: dict[str, list[float]] = {"sublora": [], "kl": [], "betting": []}
    for alpha in alphas:
        losses = -np.log2((1.0 - alpha) * 2.0**tokens + alpha / vocabulary)
        means = np.array([losses[i, :length].mean() for i, length in enumerate(lengths)])
        width = math.log2(1.0 + (1.0 - alpha) * vocabulary / alpha)
        cost = paid * math.log(2.0) - math.log(0.05)
        low = -math.log2(1.0 - alpha + alpha / vocabulary)
        by_hand["sublora"].append(means.mean() + width * math.sqrt(cost / 600))
        by_hand["kl"].append(low + width * float(occam_kl((means.mean() - low) / width, 300, paid, 0.05)))
        by_hand["betting"].append(mean_upper_bound(means, low + width + 1e-9, paid, 0.05))
    for name, values in by_hand.items():
        best = found[name]
        assert best.bound == pytest.approx(min(values), rel=1e-8)
        assert best.smoothing.alpha == alphas[int(np.argmin(values))]
        assert best.choice_bits == math.log2(3)
        assert best.risk < best.bound
    # Alone an alpha costs nothing.
    for name, best in found.items():
        alone = token_smoothed(tokens, [best.smoothing.alpha], vocabulary, paid, 0.05, lengths)[name]
        assert alone.bound == best.bound
    with pytest.raises(ArgumentError, match="alphas"):
        token_smoothed(tokens, [], vocabulary, bits, 0.05)


def test_padding_is_not_smoothed_into_a_loss():
    tokens = np.full((50, 8), -3.0)
    tokens[:, 4:] = np.nan
    padded = token_smoothed(tokens, [0.1], 64, 10.0, 0.05, np.full(50, 4))
    assert padded == token_smoothed(tokens[:, :4], [0.1], 64, 10.0, 0.05)
    assert padded["kl"].risk == pytest.approx(float(Smoothing(0.1, 64).losses(0.125)))


def test_the_order_of_the_forms_on_one_message():
    """A model that improves every document by nearly the same: what the literature's form says, and the excess."""
    rng = np.random.default_rng(6)
    n, length, vocabulary, bits = 3000, 16, 512, 400.0
    hard = rng.normal(6.0, 1.0, (n, 1))
    prior = -np.maximum(0.05, hard + rng.normal(0.0, 2.0, (n, length)))
    model = np.minimum(prior + 1.2 + rng.normal(0.0, 0.5, (n, length)), -0.05)
    mixture = Mixture(2.0**-6)
    excess = mixture.excess(model, prior)
    found = occam_excess(excess, -prior.mean(axis=1), mixture.top(length), 16.0, bits, 0.05)
    theirs = token_smoothed(model, [2.0**-k for k in range(1, 9)], vocabulary, bits, 0.05)
    assert found.risk < theirs["betting"].bound < theirs["kl"].bound < theirs["sublora"].bound
    assert found.excess < -0.5
    assert theirs["sublora"].bound > found.risk + 1.0
    assert hoeffding(0.5, n, bits, 0.05) > float(occam_kl(0.5, n, bits, 0.05))


def test_the_gain_form_is_the_statement_of_the_docstring():
    excess, prior = documents(300, 7)
    g = mean_lower_bound(TOP - excess, 30.0, 0.025)
    assert occam_excess(excess, prior, TOP, PRIOR_TOP, 30.0, 0.05).excess == pytest.approx(TOP - g, rel=1e-14)
