"""A sparse head from nothing: a path of penalties, the grid at several steps, and the polish of the best."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from transferbound.finetune.heads.fit import Fit
from transferbound.finetune.heads.polish import Price, polished
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
        bit_weights: what a bit is worth as numbers are rounded, in parts of its price.
        polished: heads that are polished at the end, by single changes.
        paired: of those the best, which are also polished by pairs of changes.
    """

    path: tuple[float, ...]
    steps: int
    reweighted_steps: int
    coarser: tuple[int, ...]
    bit_weights: tuple[float, ...]
    polished: int
    paired: int

    def around(self, head: TrainedHead) -> Effort:
        """The same steps near what was best on fewer rows: with more rows smaller penalties pay."""
        path = tuple(min(1.0, head.share * part) for part in (1.4, 0.7, 0.35, 0.18))
        return replace(
            self, path=path, coarser=(head.coarser - 2, head.coarser, head.coarser + 2), polished=4, paired=1
        )


PILOT = Effort((1.0, 0.15, 0.06, 0.025, 0.01), 50, 30, (2, 5, 9), (0.0, 0.6), 3, 0)
FULL = Effort(
    (1.0, 0.3, 0.15, 0.08, 0.04, 0.02, 0.01, 0.005), 80, 50, (2, 4, 6, 8, 10, 12), (0.0, 0.5, 1.0), 16, 3
)
_PATH_TIME, _SINGLE_TIME = (
    0.4,
    0.65,
)  # of the time: when the path ends, and when the polish by single changes does
_OF_ONE_SHARE = 3  # heads from one penalty that are polished
_REFIT, _REFIT_STEPS = 0.3, 25  # of the penalty: what is to be zero is so already
_WORSE, _PATIENCE = (
    1.05,
    2,
)  # the path ends after so many penalties whose bounds are so many times the best so far


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
    progress: bool = False,
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
        progress: show a progress bar of the polish.
    """

    def price(mean: float, bits: float) -> float:
        return risk.bit_price(max(mean, 1 / risk.units.n), bits, delta)

    trial = _Trial(problem, judge, price, (levels - 1) // 2, tuple(exponents))
    trial.take(np.zeros(problem.shape, dtype=np.int64), max(exponents))
    begun = time.monotonic()
    fit = Fit(problem)
    largest = fit.largest_penalty()
    if largest > 0:
        path_end = begun + _PATH_TIME * (deadline - begun)
        _follow_path(fit, trial, largest, _in_time(effort, fit, path_end), path_end)
    found = sorted(trial.found, key=_rank)

    some = _diverse(found, effort.polished)
    for pairs, count, share in ((False, effort.polished, _SINGLE_TIME), (True, effort.paired, 1.0)):
        until = begun + share * (deadline - begun)
        for head in tqdm(some[:count], "polishing", unit="head", disable=not progress, leave=False):
            if time.monotonic() < until:
                found.append(trial.polished(head, pairs, until))
        found.sort(key=_rank)
        some = _diverse(found, effort.paired)
    return found[0]


def _rank(head: TrainedHead) -> tuple[float, float]:
    return head.bound, head.bits


def _diverse(ranked: list[TrainedHead], count: int) -> list[TrainedHead]:
    """The first so many that differ, and not too many from one penalty."""
    chosen: dict[tuple[float, float], TrainedHead] = {}
    of_share: Counter[float] = Counter()
    for head in ranked:
        key = (head.mean_loss, head.bits)  # with two classes several steps say the same
        if key not in chosen and of_share[head.share] < _OF_ONE_SHARE and len(chosen) < count:
            chosen[key] = head
            of_share[head.share] += 1
    return list(chosen.values())


class _Trial:
    """Heads on the grid that were judged."""

    def __init__(
        self, problem: HeadProblem, judge: Judge, price: Price, largest: int, exponents: tuple[int, ...]
    ) -> None:
        self.problem, self.judge, self.price = problem, judge, price
        self.largest, self.exponents = largest, exponents
        self.found: list[TrainedHead] = []
        self.seen: set[tuple[int, bytes]] = set()

    def take(self, integers: Ints, exponent: int, share: float = 0.1, coarser: int = 5) -> float:
        """Keeps a head [C - 1, K + 1] and gives its bound; infinity where it is known."""
        if (exponent, integers.tobytes()) in self.seen:
            return math.inf
        self.seen.add((exponent, integers.tobytes()))
        mean = self.problem.mean_loss(
            self.problem.logits(torch.from_numpy(integers).float() * step_size(exponent))
        )
        bits, bound = self.judge(mean, integers.ravel(), exponent)
        self.found.append(TrainedHead(integers.ravel(), exponent, mean, bits, bound, share, coarser))
        return bound

    def polished(self, head: TrainedHead, pairs: bool, until: float) -> TrainedHead:
        """A head after its polish, by single changes or by pairs too."""
        result = polished(
            self.problem,
            head.integers.reshape(self.problem.shape),
            step_size(head.exponent),
            self.largest,
            lambda mean, integers: self.judge(mean, integers.ravel(), head.exponent),
            self.price,
            pairs=pairs,
            deadline=until,
        )
        integers = result.integers.ravel()
        return replace(head, integers=integers, mean_loss=result.mean, bits=result.bits, bound=result.bound)

    def bit_weight(self, fit: Fit, w: torch.Tensor, exponent: int) -> float:
        """About what a bit is worth in units of the fit's loss, near ``w``."""
        mean = max(fit.problem.mean_loss(fit.problem.logits(w)), 1.0 / self.problem.n)
        integers = (w / step_size(exponent)).round().clamp(-self.largest, self.largest).long().numpy()
        bits, _ = self.judge(mean, integers.ravel(), exponent)
        return self.price(mean, bits) * fit.loss(w) / mean


def _in_time(effort: Effort, fit: Fit, deadline: float) -> Effort:
    """With every second penalty of the path, or fewer, the smallest among them, where there is no time for all."""
    before = time.monotonic()
    fit.gradient(torch.zeros(fit.problem.shape))
    now = time.monotonic()
    each = (now - before) * (effort.steps + effort.reweighted_steps + _REFIT_STEPS)
    every = 1
    while every < len(effort.path) and each * len(effort.path[::-every]) > deadline - now:
        every += 1
    return replace(effort, path=effort.path[::-every][::-1])


def _follow_path(fit: Fit, trial: _Trial, largest: float, effort: Effort, deadline: float) -> None:
    w = torch.zeros(fit.problem.shape)
    best, worse = math.inf, 0
    for share in effort.path:
        penalties = fit.penalties(share * largest)
        w = fit.minimize(w, penalties, effort.steps, deadline=deadline)
        reweighted = fit.reweighted(w, penalties)
        sparse = fit.minimize(w, reweighted, effort.reweighted_steps, deadline=deadline)
        used = sparse != 0
        if not bool(used.any()):
            if time.monotonic() > deadline:
                return
            continue
        sparse = fit.minimize(sparse, _REFIT * reweighted, _REFIT_STEPS, free=used, deadline=deadline)
        here = _take_rounded(fit, trial, sparse, share, effort)
        worse = worse + 1 if _WORSE * best < here < math.inf else 0
        if worse == _PATIENCE or time.monotonic() > deadline:
            return
        best = min(best, here)


def _take_rounded(fit: Fit, trial: _Trial, w: torch.Tensor, share: float, effort: Effort) -> float:
    """The smallest bound among the grids."""
    first = round(4 * math.log2(float(w.abs().max()) / trial.largest))
    steps = {_within(first + coarser, trial.exponents): coarser for coarser in reversed(effort.coarser)}
    exponents = sorted(steps)
    bit = trial.bit_weight(fit, w, exponents[len(exponents) // 2])
    weights = [part * bit for part in effort.bit_weights]
    heads = rounded(fit, w, [step_size(exponent) for exponent in exponents], trial.largest, weights)
    each = exponents * len(weights)
    return min(
        trial.take(head, exponent, share, steps[exponent]) for head, exponent in zip(heads, each, strict=True)
    )


def _within(exponent: int, exponents: tuple[int, ...]) -> int:
    return min(max(exponent, min(exponents)), max(exponents))
