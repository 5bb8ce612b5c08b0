"""Rounding to the grid: the others make up for what one loses."""

import numpy as np
import pytest
import torch
from heads_helpers import make_problem

from transferbound.finetune.heads import rounding
from transferbound.finetune.heads.fit import Fit
from transferbound.finetune.heads.rounding import rounded

LARGEST = 7


def fitted(classes: int) -> tuple[Fit, torch.Tensor]:
    problem, _ = make_problem(800, 10, classes)
    problem.features.add_(problem.features.mean(1, keepdim=True), alpha=4.0)  # one can stand in for another
    fit = Fit(problem)
    w = fit.minimize(torch.zeros(problem.shape), fit.penalties(0.02 * fit.largest_penalty()), 300)
    return fit, fit.minimize(w, fit.penalties(1e-3), 300, free=w != 0)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("classes", [2, 5])
def test_better_than_to_the_nearest(classes: int, together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not together:
        monkeypatch.setattr(rounding, "_TOGETHER", 0)
    fit, w = fitted(classes)
    steps = [float(w.abs().max()) / levels for levels in (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)]
    grids = rounded(fit, w, steps, LARGEST, [0.0])
    assert grids.shape == (len(steps), *w.shape)
    assert np.abs(grids).max() <= LARGEST
    assert not grids[:, (w == 0).numpy()].any()
    if not (together or classes == 2):
        return  # what classes make up for one another is not looked at
    losses, nearest = [], []
    for step, grid in zip(steps, grids, strict=True):
        losses.append(fit.loss(torch.from_numpy(grid).float() * step))
        nearest.append(fit.loss((w / step).round().clamp(-LARGEST, LARGEST) * step))
    assert np.mean(losses) < np.mean(nearest)


def test_dear_bits_leave_fewer_numbers() -> None:
    problem, _ = make_problem(800, 30, 3)
    fit = Fit(problem)
    w = fit.minimize(torch.zeros(problem.shape), fit.penalties(0.01 * fit.largest_penalty()), 300)
    step = float(w.abs().max()) / LARGEST
    counts = [np.count_nonzero(grid) for grid in rounded(fit, w, [step], LARGEST, [0.0, 0.002, 0.01, 10.0])]
    assert counts == sorted(set(counts), reverse=True)
    assert counts[-1] == 0
