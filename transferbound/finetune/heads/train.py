"""A sparse head from nothing: a path of penalties, the grid at several steps, and the polish of the best."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from transferbound.finetune.heads.fit import Fit
from transferbound.finetune.heads.polish import polished
from transferbound.finetune.heads.problem import HeadProblem
from transferbound.finetune.heads.rounding import rounded
from transferbound.message import step_size
from transferbound.risks.risk import Risk

__all__ = ["FULL", "PILOT", "Effort", "Judge", "TrainedHead", "train_head"]

Ints = npt.NDArray[np.int64]
Judge = Callable[[float, Ints, int], tuple[float, float]]
"""From mean loss, integers [(C - 1)(K + 1)] and the step's exponent to the bits of the message and the bound."""


@dataclass(frozen=True)
class Effort:
    """How much is tried.

    Attributes:
        path: penalties, as parts of the smallest at which all is zero, the largest first.
        steps, reweighted_steps: of the fit at each.
        coarser: lattice steps, in quarter powers of two above the one at which the largest number is the last level.
        polished: heads that are polished at the end, by single changes.
        paired: of those the best, which are also polished by pairs of changes.
    """

    path: tuple[float, ...]
    steps: int
    reweighted_steps: int
    coarser: tuple[int, ...]
    polished: int
    paired: int

    def around(self, head: TrainedHead) -> Effort:
        """The same steps near what was best on fewer rows: with more rows smaller penalties pay."""
        path = tuple(min(1.0, head.share * part) for part in (1.4, 0.7, 0.35, 0.18))
        return replace(
            self, path=path, coarser=(head.coarser - 2, head.coarser, head.coarser + 2), polished=4, paired=1
        )


PILOT = Effort((1.0, 0.15, 0.06, 0.025, 0.01), 50, 30, (3, 7), 1, 0)
FULL = Effort((1.0, 0.3, 0.15, 0.08, 0.04, 0.02, 0.01, 0.005), 80, 50, (2, 4, 6, 8, 10), 10, 3)
_WORSE = 1.05  # the path ends where a penalty's best bound is so many times the best so far


@dataclass(frozen=True)
class TrainedHead:
    """Integers int64 [(C - 1)(K + 1)], class by class, the step's exponent, and what they come to.

    ``share`` and ``coarser`` are the part of the largest penalty and the quarter powers of two at which it was found.
    """

    integers: Ints
    exponent: int
    mean_loss: float
    bits: float
    bound: float
    share: float = 0.1
    coarser: int = 5


def train_head(
    problem: HeadProblem,
    judge: Judge,
    *,
    risk: Risk,
    delta: float,
    levels: int,
    exponents: Sequence[int],
    deadline: float = math.inf,
    effort: Effort = FULL,
) -> TrainedHead:
    """The head of the smallest bound that is found.

    Args:
        problem: the rows.
        judge: bits and bound of a head, both true.
        risk: for the price of a bit.
        delta: the bound's failure probability.
        levels: of the grid.
        exponents: those that a message can name.
        deadline: ``time.monotonic()`` by which to end; the head of zeros is there at once.
        effort: how much is tried.
    """
    trial = _Trial(problem, judge, (levels - 1) // 2, tuple(exponents))
    trial.take(np.zeros(problem.shape, dtype=np.int64), max(exponents))
    fit = Fit(problem)
    largest = fit.largest_penalty()
    if largest > 0:
        _follow_path(fit, trial, largest, effort, deadline)
    found = sorted(trial.found, key=_rank)

    def price(mean: float, bits: float) -> float:
        return risk.bit_price(max(mean, 1 / risk.units.n), bits, delta)

    def polish(head: TrainedHead, pairs: bool) -> TrainedHead:
        result = polished(
            problem,
            head.integers.reshape(problem.shape),
            step_size(head.exponent),
            trial.largest,
            lambda mean, integers: judge(mean, integers.ravel(), head.exponent),
            price,
            pairs=pairs,
            deadline=deadline,
        )
        integers = result.integers.ravel()
        return replace(head, integers=integers, mean_loss=result.mean, bits=result.bits, bound=result.bound)

    for pairs, count in ((False, effort.polished), (True, effort.paired)):
        some = [polish(head, pairs) if time.monotonic() < deadline else head for head in found[:count]]
        found = sorted(some + found[count:], key=_rank)
    return found[0]


def _rank(head: TrainedHead) -> tuple[float, float]:
    return head.bound, head.bits


class _Trial:
    """Heads on the grid that were judged."""

    def __init__(self, problem: HeadProblem, judge: Judge, largest: int, exponents: tuple[int, ...]) -> None:
        self.problem, self.judge, self.largest, self.exponents = problem, judge, largest, exponents
        self.found: list[TrainedHead] = []

    def take(self, integers: Ints, exponent: int, share: float = 0.1, coarser: int = 5) -> float:
        logits = self.problem.logits(torch.from_numpy(integers).float() * step_size(exponent))
        mean = self.problem.mean_loss(logits)
        bits, bound = self.judge(mean, integers.ravel(), exponent)
        self.found.append(TrainedHead(integers.ravel(), exponent, mean, bits, bound, share, coarser))
        return bound


def _follow_path(fit: Fit, trial: _Trial, largest: float, effort: Effort, deadline: float) -> None:
    w = torch.zeros(fit.problem.shape)
    best = math.inf
    for share in effort.path:
        if time.monotonic() > deadline:
            return
        penalties = fit.penalties(share * largest)
        w = fit.minimize(w, penalties, effort.steps, deadline=deadline)
        reweighted = fit.reweighted(w, penalties)
        sparse = fit.minimize(w, reweighted, effort.reweighted_steps, deadline=deadline)
        top = float(sparse.abs().max())
        if top == 0:
            continue
        here = math.inf
        first = round(4 * math.log2(top / trial.largest))
        steps = {_within(first + coarser, trial.exponents): coarser for coarser in reversed(effort.coarser)}
        for exponent, coarser in sorted(steps.items()):
            if time.monotonic() > deadline:
                return
            integers = rounded(fit, sparse, reweighted, step_size(exponent), trial.largest, deadline=deadline)
            here = min(here, trial.take(integers.numpy(), exponent, share, coarser))
        if here > _WORSE * best:
            return
        best = min(best, here)


def _within(exponent: int, exponents: tuple[int, ...]) -> int:
    return min(max(exponent, min(exponents)), max(exponents))
