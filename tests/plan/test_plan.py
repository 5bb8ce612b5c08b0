"""Planning: the bounds read backwards, the plan, its sweep and figure."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from transferbound.bounds import (
    errors_at,
    holdout,
    max_bits,
    max_bits_kl,
    min_n,
    min_n_kl,
    occam_binomial,
    occam_bounded,
    occam_kl,
)
from transferbound.errors import ArgumentError, OutputError
from transferbound.plan import Plan, plan, sweep
from transferbound.report.plan_figure import plan_figure


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 10**6), st.floats(0.0, 1.0), st.floats(0.0, 0.999), st.sampled_from([0.5, 0.05, 1e-9]))
def test_max_bits_is_the_largest(n, share, target, delta):
    errors = int(share * n)
    bits = max_bits(target, errors, n, delta)
    if math.isnan(bits):
        assert occam_binomial(errors, n, 0.0, delta) > target
    else:
        assert occam_binomial(errors, n, bits, delta) <= target
        assert occam_binomial(errors, n, bits * (1.0 + 1e-6) + 1e-6, delta) > target


def test_max_bits_edges():
    assert max_bits(1.0, 5, 10, 0.05) == math.inf
    assert math.isnan(max_bits(0.5, 5, 10, 0.05))
    assert max_bits(np.array([0.9, 0.95]), 5, 10, 0.05).shape == (2,)


@pytest.mark.parametrize("target", [0.15, 0.3, 0.6])
@pytest.mark.parametrize("risk", [0.0, 0.03, 0.1])
@pytest.mark.parametrize("bits", [0.0, 20.0])
def test_min_n_is_the_smallest(target, risk, bits):
    found = min_n(target, risk, bits, 0.05)
    brute = next(n for n in range(1, 10**5) if occam_binomial(errors_at(risk, n), n, bits, 0.05) <= target)
    assert found == brute


def test_min_n_edges():
    assert min_n(0.1, 0.1, 0.0, 0.05) == math.inf
    assert min_n(1.0, 0.5, 1e5, 0.05) == 1.0
    found = int(min_n(0.35, 0.13624, 8488.09, 0.05))
    assert occam_binomial(errors_at(0.13624, found), found, 8488.09, 0.05) <= 0.35
    assert occam_binomial(errors_at(0.13624, found - 1), found - 1, 8488.09, 0.05) > 0.35


def test_errors_at_rounds_up_but_not_for_rounding_noise():
    assert errors_at(0.1, 30) == 3  # 0.1 * 30 is 3.0000000000000004
    assert errors_at(0.1001, 30) == 4
    assert errors_at(0.0, 30) == 0
    assert errors_at(1.0, 30) == 30


def test_plan_of_the_published_row():
    found = plan(50_000, 0.13624, 8488.09, target=0.3)
    assert found.errors == 6812
    assert found.risk_bound == found.bounds["occam_binomial"] == occam_binomial(6812, 50_000, 8488.09, 0.05)
    assert found.bits_allowed == max_bits(0.3, 6812, 50_000, 0.05)
    assert found.n_needed == min_n(0.3, 0.13624, 8488.09, 0.05)
    tenth, fifth = found.holdouts
    assert (tenth.share, tenth.m, tenth.errors) == (0.1, 5000, 682)
    assert tenth.bound == holdout(682, 5000, 0.05)
    assert fifth.m == 10_000
    # The break-even size is where the two bounds meet.
    at = occam_binomial(6812, 50_000, tenth.break_even_bits, 0.05)
    assert at == pytest.approx(tenth.bound, rel=1e-9)
    assert at <= tenth.bound


def test_plan_is_plain_json():
    for found in (plan(100, 0.2, 1e5, 0.99, target=0.1), plan(1, 0.0, 0.0), plan(30, 1.0, 5.0, target=0.5)):
        text = json.dumps(found.to_dict(), allow_nan=False)
        assert json.loads(text)["risk_bound"] == found.risk_bound
        assert set(json.loads(text)) == set(Plan.__dataclass_fields__)
    assert plan(100, 0.2, 1e5, target=0.1).bits_allowed is None
    assert plan(100, 0.2, 1e5, target=0.1).n_needed is None
    assert plan(100, 0.2, 10.0).bits_allowed is None


def test_plan_takes_another_holdout_error():
    assert plan(1000, 0.1, 50.0, holdout_error=0.2).holdouts[0].errors == 20
    assert plan(1000, 0.1, 50.0).holdouts[0].errors == 10


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"n": 0}, "n .* 0"),
        ({"n": 10.5}, "n .* 10.5"),
        ({"train_error": 1.2}, "train_error .* 1.2"),
        ({"train_error": math.nan}, "train_error .* nan"),
        ({"bits": -1.0}, "bits .* -1"),
        ({"confidence": 1.5}, "confidence .* 1.5"),
        ({"confidence": 0.0}, "confidence .* 0.0"),
        ({"target": 0.0}, "target .* 0.0"),
        ({"holdout_error": -0.1}, "holdout_error .* -0.1"),
    ],
)
def test_bad_plans_are_named(changes, named):
    with pytest.raises(ArgumentError, match=named):
        plan(**({"n": 100, "train_error": 0.1, "bits": 10.0} | changes))


def test_confidence_means_its_decimal():
    assert plan(1000, 0.1, 50.0, 0.95).risk_bound == occam_binomial(100, 1000, 50.0, 0.05)


def test_sweep_equals_single_bounds():
    found = sweep([100, 1000], 0.1, [0.0, 10.0, 50.0])
    assert found.bounds.shape == (2, 3)
    assert found.bounds[1, 2] == occam_binomial(100, 1000, 50.0, 0.05)
    assert found.holdout_tenth.tolist() == [holdout(1, 10, 0.05), holdout(10, 100, 0.05)]
    assert json.loads(json.dumps(found.to_dict()))["n"] == [100, 1000]
    with pytest.raises(ArgumentError, match="whole numbers"):
        sweep([0.5], 0.1, [1.0])
    with pytest.raises(ArgumentError, match="lists"):
        sweep([], 0.1, [1.0])


def test_plan_for_groups_uses_the_kl_form():
    found = plan(300, 0.1, 50.0, target=0.4, grouped=True)
    assert found.errors is None
    assert found.bounds == {
        "occam_bounded": occam_kl(0.1, 300, 51.0, 0.05),
        "occam_kl": occam_kl(0.1, 300, 50.0, 0.05),
    }
    assert found.risk_bound == found.bounds["occam_bounded"] > plan(300, 0.1, 50.0).risk_bound
    # Whatever the losses of the groups are, the certificate's bound is not above the plan's.
    losses = np.random.default_rng(0).beta(2.0, 18.0, 300)
    assert occam_bounded(losses, 50.0, 0.05) <= plan(300, losses.mean(), 50.0, grouped=True).risk_bound
    assert occam_kl(0.1, 300, found.bits_allowed + 1.0, 0.05) <= 0.4
    assert occam_kl(0.1, found.n_needed, 51.0, 0.05) <= 0.4 < occam_kl(0.1, found.n_needed - 1, 51.0, 0.05)
    assert sweep([300], 0.1, [50.0], grouped=True).bounds[0, 0] == found.risk_bound
    json.dumps(found.to_dict(), allow_nan=False)


def test_kl_forms_read_backwards():
    assert occam_kl(0.1, 1000, max_bits_kl(0.3, 0.1, 1000, 0.05), 0.05) == pytest.approx(0.3, rel=1e-9)
    assert math.isnan(max_bits_kl(0.1, 0.1, 1000, 0.05))
    assert max_bits_kl(1.0, 0.1, 1000, 0.05) == math.inf
    assert min_n_kl(0.1, 0.1, 0.0, 0.05) == math.inf
    assert min_n_kl(1.0, 0.1, 0.0, 0.05) == 1.0


def test_targets_out_of_reach_are_infinite():
    assert min_n(0.1 + 1e-9, 0.1, 1e6, 0.05) == math.inf
    assert min_n(1e-12, 0.0, 1e6, 0.05) == math.inf
    assert min_n_kl(0.1 + 1e-9, 0.1, 1e6, 0.05) == math.inf


def test_figure_is_written_whole(tmp_path):
    found = plan(2000, 0.1, 300.0, target=0.2)
    path = plan_figure(found, tmp_path / "plan.png")
    with Image.open(path) as image:
        assert image.size[0] > 1000
    assert [item.name for item in tmp_path.iterdir()] == ["plan.png"]
    with pytest.raises(OutputError, match="nowhere"):
        plan_figure(found, tmp_path / "nowhere" / "plan.png")
    with pytest.raises(OutputError, match="gif"):
        plan_figure(found, tmp_path / "plan.gif")
