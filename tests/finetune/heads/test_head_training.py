"""Sparse heads from nothing: what they reach, and where they end."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from heads_helpers import DELTA, judge_of, make_problem

from transferbound.finetune.heads import PILOT, HeadProblem, TrainedHead, train_head
from transferbound.risks.risk import Risk

LEVELS = 15
EXPONENTS = range(-18, 14)


def run(problem: HeadProblem, risk: Risk, **choices: object) -> TrainedHead:
    return train_head(
        problem,
        judge_of(risk, LEVELS),
        risk=risk,
        delta=DELTA,
        levels=LEVELS,
        exponents=EXPONENTS,
        **choices,
    )


@pytest.mark.parametrize("classes", [2, 5])
def test_a_rule_is_found(classes: int) -> None:
    problem, risk = make_problem(600, 10, classes)
    head = run(problem, risk)
    constant = 1.0 - np.bincount(problem.labels).max() / problem.n
    assert head.bound < constant
    assert head.integers.shape == ((classes - 1) * 11,)
    assert head.exponent in EXPONENTS
    logits = problem.logits(
        torch.from_numpy(head.integers).view(problem.shape).float() * 2.0 ** (head.exponent / 4)
    )
    assert head.mean_loss == problem.mean_loss(logits)
    assert (head.bits, head.bound) == judge_of(risk, LEVELS)(head.mean_loss, head.integers, head.exponent)


def test_features_that_say_nothing_cost_little() -> None:
    """A run ends where one more bit does not pay, however many numbers it began with."""
    few, risk = make_problem(1000, 3)
    rng = np.random.default_rng(9)
    noise = torch.from_numpy(rng.normal(size=(1000, 200)).astype(np.float32))
    many = replace(few, features=torch.cat([few.features, noise], 1))
    alone, beside = run(few, risk), run(many, risk)
    used = np.flatnonzero(beside.integers)
    assert np.isin(used, [0, 1, 2, 203]).all()
    # Naming four of 204 takes about 27 bits more than naming four of four.
    assert beside.bits < alone.bits + 35


def test_no_rule_no_bits() -> None:
    """Labels that have nothing to do with the features: the base's constant answer is not improved upon."""
    problem, risk = make_problem(500, 20)
    labels = torch.from_numpy((np.random.default_rng(3).random(500) < 0.1).astype(np.int64))
    base = torch.tensor([[1.0, 0.0]]).expand(500, 2)
    head = run(replace(problem, labels=labels, base=base), risk)
    assert not head.integers.any()
    assert head.mean_loss == float(labels.double().mean())


def test_the_base_is_kept_where_it_is_good() -> None:
    problem, risk = make_problem(400, 8, 3)
    base = 5.0 * torch.nn.functional.one_hot(problem.labels, 3).float()
    head = run(replace(problem, base=base), risk)
    assert not head.integers.any()
    assert head.mean_loss == 0.0


def test_groups_weigh_alike() -> None:
    """The large group's rows say the contrary of the others'; by weight they are one unit of many."""
    n, groups = 600, np.concatenate([np.zeros(400, dtype=np.int64), np.arange(1, 201)])
    problem, risk = make_problem(n, 5, groups=groups)
    labels = problem.labels.clone()
    labels[:400] = 1 - labels[:400]
    head = run(replace(problem, labels=labels), risk)
    assert head.mean_loss < 0.4


def test_no_features_leave_biases() -> None:
    problem, risk = make_problem(300, 3)
    head = run(replace(problem, features=torch.zeros(300, 0)), risk)
    assert head.integers.shape == (1,)
    share = float(problem.labels.double().mean())
    assert head.mean_loss == pytest.approx(min(share, 1 - share))


def test_two_runs_agree() -> None:
    problem, risk = make_problem(500, 12, 3)
    assert (run(problem, risk).integers == run(problem, risk).integers).all()


def test_a_deadline_is_kept() -> None:
    problem, risk = make_problem(20_000, 60, 8)
    began = time.monotonic()
    head = run(problem, risk, deadline=began + 1.0)
    assert time.monotonic() - began < 3.0
    late = run(problem, risk, deadline=began)
    assert not late.integers.any()
    assert head.bound <= late.bound


def test_a_pilot_is_near_the_whole() -> None:
    problem, risk = make_problem(600, 10)
    pilot = run(problem, risk, effort=PILOT)
    assert pilot.bound < 1.1 * run(problem, risk).bound
    assert run(problem, risk, effort=PILOT.around(pilot)).bound < 1.1 * pilot.bound
