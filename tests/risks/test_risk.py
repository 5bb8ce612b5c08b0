"""A risk is a thing of its own: units, forms, weights, and another risk than the error of a classifier."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import save_rows
from spine_fixtures import QUICK, bright_rows, grouped, world

from transferbound import LabelledData, certify, verify
from transferbound.bounds import (
    COUNTS,
    MEANS,
    held_out,
    held_out_size,
    occam_binomial,
    occam_bounded,
    occam_kl,
)
from transferbound.errors import ArgumentError
from transferbound.risks import RISKS, risk_named
from transferbound.risks.units import Groups, Rows
from transferbound.risks.zero_one import ZeroOne


def test_every_risk_is_known_by_its_name() -> None:
    assert {name: risk_named(name).name for name in RISKS} == {name: name for name in RISKS}
    with pytest.raises(ArgumentError, match="'accuracy'; known are zero_one"):
        risk_named("accuracy")


def test_weights_make_the_mean_over_rows_the_mean_over_groups() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2])
    units = Groups(groups)
    losses = np.array([1.0, 0.0, 0.0, 1.0, 0.5, 0.0])
    weighed = units.weigh(torch.from_numpy(losses), np.arange(6))
    assert units.n == 3
    assert units.losses(losses) == pytest.approx([1 / 3, 1.0, 0.25])
    assert float(weighed.mean()) == pytest.approx(units.losses(losses).mean())
    assert Rows(6).losses(losses) is losses


def test_rows_have_the_binomial_form_and_groups_the_bounded_one() -> None:
    labels = np.arange(60) % 2
    rows, by_group = ZeroOne(labels, "ab"), ZeroOne(labels, "ab", np.arange(60) // 3)
    wrong = (np.arange(60) % 5 == 0).astype(float)
    assert (rows.form, rows.units.n) == (COUNTS, 60)
    assert (by_group.form, by_group.units.n) == (MEANS, 20)
    assert rows.bound(wrong, 9.0, 0.05) == occam_binomial(12, 60, 9.0, 0.05)
    means = wrong.reshape(20, 3).mean(1)
    assert by_group.bound(wrong, 9.0, 0.05) == occam_bounded(means, 9.0, 0.05)
    # The one n of a risk is that of its units: a price for 60 independent rows would be a third of the true one.
    assert by_group.bit_price(0.2, 9.0, 0.05) > 1.5 * rows.bit_price(0.2, 9.0, 0.05)


@pytest.mark.parametrize(("n", "tenth"), [(1, 1), (9, 1), (50, 5), (59, 5), (67_349, 6_734), (30, 3)])
def test_one_held_out_tenth(n: int, tenth: int) -> None:
    """Statement and plan once had 6,734 and 6,735 of 67,349 rows."""
    from transferbound.plan import plan, sweep

    assert held_out_size(0.1, n) == tenth
    assert plan(n, 0.1, 10.0).holdouts[0].m == tenth
    labels = np.arange(n) % 2
    risk = ZeroOne(labels, "ab")
    wrong = (np.arange(n) % 10 == 0).astype(float)
    measured = type("M", (), {"rows": wrong, "units": wrong, "mean": float(wrong.mean())})()
    stated = risk.baselines(measured, 0.05)["holdout_tenth"]  # type: ignore[arg-type]
    planned = plan(n, float(wrong.mean()), 10.0).holdouts[0]
    assert (stated["n"], stated["errors"], stated["bound"]) == (planned.m, planned.errors, planned.bound)
    assert sweep([n], float(wrong.mean()), [10.0]).holdout_tenth[0] == planned.bound


def test_a_held_out_tenth_of_groups_is_of_the_form_that_holds_for_means() -> None:
    """50 groups at 10 %: once 19.88 % by the binomial form, which does not hold for fractional losses."""
    held = held_out(MEANS, 0.1, 500, 0.1, 0.05)
    assert (held.n, held.errors) == (50, None)
    assert held.bound == occam_kl(0.1, 50, 0.0, 0.05)
    assert round(100 * held.bound, 2) == 23.38
    assert held.bound > held_out(COUNTS, 0.1, 500, 0.1, 0.05).bound


def test_the_certificate_of_groups_states_that_tenth(tmp_path) -> None:
    folder = save_rows(tmp_path / "squares", grouped(bright_rows(90), 3))
    data = LabelledData.load(str(folder), group_column="patient")
    content = certify(str(world() / "prior"), data, tmp_path / "out", QUICK, progress=False).content
    held = content["comparison"]["holdout_tenth"]
    assert held == {"n": 3, "errors": None, "bound": occam_kl(content["train_error"], 3, 0.0, 0.05)}
    assert verify(tmp_path / "out").holds
