"""The polish of a sparse head against brute force."""

import time

import numpy as np
import pytest
import torch
from heads_helpers import judge_of, make_problem, price_of

from transferbound.finetune.heads.polish import Polished, polished
from transferbound.finetune.heads.problem import HeadProblem
from transferbound.finetune.heads.turns import Turns, Verdicts
from transferbound.risks.risk import Risk

STEP, LARGEST = 0.25, 3
GROUPS = np.random.default_rng(5).permutation(np.repeat(np.arange(50), [1, 3, 4, 4, 8] * 10))
CASES = {
    "two classes": {},
    "five classes": {"classes": 5},
    "base logits": {"classes": 5, "based": True, "seed": 2},
    "ties": {"classes": 3, "rounded": True, "seed": 1},
    "groups": {"groups": GROUPS, "classes": 3},
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[HeadProblem, Risk]:
    return make_problem(**CASES[request.param])


def errors(problem: HeadProblem, integers: np.ndarray) -> float:
    """Mean loss in float64, row by row: right only if the label's logit is strictly the largest."""
    inputs = np.hstack([problem.features.numpy(), np.ones((problem.n, 1))]).astype(np.float64)
    logits = np.zeros((problem.n, problem.num_classes))
    logits[:, 1:] = problem.scale * STEP * inputs @ integers.reshape(problem.shape).T
    if problem.base is not None:
        logits += problem.base.numpy()
    labels = problem.labels.numpy()
    own = logits[np.arange(problem.n), labels].copy()
    logits[np.arange(problem.n), labels] = -np.inf
    return float(problem.weights.numpy()[own <= logits.max(1)].sum())


def start(problem: HeadProblem, seed: int = 0) -> np.ndarray:
    q = np.random.default_rng(seed).integers(-2, 3, size=problem.shape)
    return q * (np.random.default_rng(seed + 1).random(problem.shape) < 0.5)


def run(problem: HeadProblem, risk: Risk, q: np.ndarray, **choices: object) -> Polished:
    judge = judge_of(risk, 2 * LARGEST + 1)
    return polished(
        problem, q, STEP, LARGEST, lambda mean, q: judge(mean, q.ravel(), -8), price_of(risk), **choices
    )


def test_every_change_is_counted(case: tuple[HeadProblem, Risk]) -> None:
    problem, _ = case
    q = start(problem)
    logits = problem.logits(torch.from_numpy(q).float() * STEP)
    for window in (2, 2 * LARGEST):
        for label in range(1, problem.num_classes):
            means = Turns(problem, STEP, LARGEST).means(Verdicts.of(problem, logits, label), window)
            for number in range(problem.shape[1]):
                for change in range(-window, window + 1):
                    trial = q.copy()
                    trial[label - 1, number] += change
                    assert means[number, change + window] == pytest.approx(errors(problem, trial), abs=1e-9)


def test_equal_logits_are_errors() -> None:
    problem, _ = make_problem(classes=4, rounded=True)
    zeros = np.zeros(problem.shape, dtype=np.int64)
    assert problem.mean_loss(problem.logits(torch.from_numpy(zeros).float())) == 1.0
    means = Turns(problem, STEP, LARGEST).means(Verdicts.of(problem, torch.zeros(problem.n, 4), 1), 1)
    assert (means[:, 1] == 1.0).all()
    # A bias that rises answers with its class; one that falls leaves the others equal.
    assert means[-1, 2] == pytest.approx(float((problem.labels != 1).double().mean()))
    assert means[-1, 0] == 1.0


def test_the_result_is_what_it_says_and_a_local_optimum(case: tuple[HeadProblem, Risk]) -> None:
    problem, risk = case
    judge = judge_of(risk, 2 * LARGEST + 1)
    before = start(problem)
    result = run(problem, risk, before, pairs=False)
    assert result.changes > 0
    assert result.mean == pytest.approx(errors(problem, result.integers), abs=1e-12)
    assert (result.bits, result.bound) == judge(result.mean, result.integers.ravel(), -8)
    for place in np.ndindex(*problem.shape):
        for value in range(-LARGEST, LARGEST + 1):
            trial = result.integers.copy()
            trial[place] = value
            assert judge(errors(problem, trial), trial.ravel(), -8)[1] >= result.bound


def test_pairs_find_more_and_still_count_truly(case: tuple[HeadProblem, Risk]) -> None:
    problem, risk = case
    one = run(problem, risk, start(problem), pairs=False)
    two = run(problem, risk, start(problem))
    assert two.bound <= one.bound
    assert two.mean == pytest.approx(errors(problem, two.integers), abs=1e-12)
    assert np.abs(two.integers).max() <= LARGEST


def test_the_bound_falls_with_each_change() -> None:
    problem, risk = make_problem(classes=3)
    judge = judge_of(risk, 2 * LARGEST + 1)
    asked: list[tuple[float, np.ndarray]] = []

    def score(mean: float, q: np.ndarray) -> tuple[float, float]:
        asked.append((mean, q.copy()))
        return judge(mean, q.ravel(), -8)

    polished(problem, start(problem), STEP, LARGEST, score, price_of(risk))
    assert len(asked) > 20
    for mean, q in asked:
        assert mean == pytest.approx(errors(problem, q), abs=1e-12)


def test_two_runs_agree_and_a_deadline_ends_one() -> None:
    problem, risk = make_problem(classes=5)
    first, second = (run(problem, risk, start(problem)) for _ in range(2))
    assert (first.integers == second.integers).all()
    nothing = run(problem, risk, start(problem), deadline=time.monotonic() - 1)
    assert nothing.changes == 0
    assert (nothing.integers == start(problem)).all()
