"""Heads shaken out of local optima: never worse, better where there is a better one, and true about themselves."""

import math
import time

import numpy as np
import pytest
import torch
from heads_helpers import judge_of, make_problem, price_of

from transferbound.finetune.heads import HeadProblem, Search, shaken
from transferbound.finetune.heads.polish import Polished, polished
from transferbound.risks.risk import Risk

LEVELS, EXPONENT = 15, -6
STEP = 2.0 ** (EXPONENT / 4)


def run(
    problem: HeadProblem, risk: Risk, start: np.ndarray, *, patience: int = 100, deadline: float = math.inf
) -> Polished:
    judge = judge_of(risk, LEVELS)
    search = Search(
        problem,
        start,
        STEP,
        (LEVELS - 1) // 2,
        lambda mean, integers: judge(mean, integers.ravel(), EXPONENT),
        price_of(risk),
        deadline,
    )
    return shaken(search, patience)


def climbed(problem: HeadProblem, risk: Risk) -> Polished:
    judge = judge_of(risk, LEVELS)
    return polished(
        problem,
        np.zeros(problem.shape, dtype=np.int64),
        STEP,
        (LEVELS - 1) // 2,
        lambda mean, integers: judge(mean, integers.ravel(), EXPONENT),
        price_of(risk),
        pairs=False,
    )


@pytest.mark.parametrize("classes", [2, 4])
def test_a_local_optimum_is_left(classes: int) -> None:
    problem, risk = make_problem(300, 8, classes)
    before = climbed(problem, risk)
    after = run(problem, risk, before.integers)
    assert after.bound < before.bound
    logits = problem.logits(torch.from_numpy(after.integers).float() * STEP)
    assert after.mean == problem.mean_loss(logits)
    judge = judge_of(risk, LEVELS)
    assert (after.bits, after.bound) == judge(after.mean, after.integers.ravel(), EXPONENT)
    assert np.abs(after.integers).max() <= (LEVELS - 1) // 2


def test_never_worse_and_the_same_each_time() -> None:
    problem, risk = make_problem(120, 4, 3, based=True)
    start = np.zeros(problem.shape, dtype=np.int64)
    begun = run(problem, risk, start, patience=0)
    first, second = (run(problem, risk, start, patience=30) for _ in range(2))
    assert (begun.integers == start).all()
    assert first.bound <= begun.bound
    assert (first.integers == second.integers).all()


def test_the_deadline_is_kept() -> None:
    problem, risk = make_problem(5000, 40, 5)
    start = np.zeros(problem.shape, dtype=np.int64)
    late = run(problem, risk, start, deadline=time.monotonic())
    assert (late.integers == start).all()
    began = time.monotonic()
    run(problem, risk, start, patience=10**6, deadline=began + 0.5)
    assert time.monotonic() - began < 3.0
