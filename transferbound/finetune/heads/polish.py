"""Exact polish: every change of one number of a class is judged at once, and pairs of changes where none helps alone.

What is accepted lowers the true bound; what is tried is ranked by the true loss and about the bits that it takes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from transferbound.finetune.heads.problem import HeadProblem
from transferbound.finetune.heads.turns import Turns, Verdicts

__all__ = ["Polished", "Price", "Score", "Search", "polished"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Score = Callable[[float, Ints], tuple[float, float]]
Price = Callable[[float, float], float]

_WINDOW = 3  # changes up to this are counted first; all others where those are spent
_FAILURES = 6  # changes in a row that do not help, before a class is looked at anew or left
_BITS_OFF = 2.0  # by so much the estimate of a change's bits may be wrong


@dataclass(frozen=True)
class Polished:
    """Integers [C - 1, K + 1], their bits, mean loss and bound, and how many changes were made."""

    integers: Ints
    mean: float
    bits: float
    bound: float
    changes: int


def polished(
    problem: HeadProblem,
    integers: Ints,
    step: float,
    largest: int,
    score: Score,
    price: Price,
    *,
    pairs: bool = True,
    deadline: float = math.inf,
) -> Polished:
    """Changes numbers, one or two at a time, to a local optimum of the bound.

    Args:
        problem: the rows.
        integers: [C - 1, K + 1], where to begin.
        step: the lattice step.
        largest: integers lie in -largest..largest.
        score: from mean loss and integers to bits and bound, both true.
        price: from mean loss and bits to the rise of the mean that a bit is worth.
        pairs: whether two changes of a class are tried together where none helps alone.
        deadline: ``time.monotonic()`` after which no further class is looked at.
    """
    search = Search(problem, integers, step, largest, score, price, deadline)
    search.climb()
    if pairs:
        search.leap()
    return search.result()


class Search:
    """Integers that are changed as long as the true bound falls; arguments as for :func:`polished`."""

    def __init__(
        self,
        problem: HeadProblem,
        integers: Ints,
        step: float,
        largest: int,
        score: Score,
        price: Price,
        deadline: float,
    ) -> None:
        self.problem, self.step, self.largest = problem, step, largest
        self.score, self.price, self.deadline = score, price, deadline
        self.turns = Turns(problem, step, largest)
        self.changes = 0
        self.labels = range(1, problem.num_classes)
        self.go_to(integers)

    def go_to(self, integers: Ints) -> None:
        """Goes on from other integers [C - 1, K + 1]."""
        self.q = integers.copy()
        self.logits = self.problem.logits(torch.from_numpy(self.q).float() * self.step)
        self.mean = self.problem.mean_loss(self.logits)
        self.bits, self.bound = self.score(self.mean, self.q)

    def result(self) -> Polished:
        """Where it stands."""
        return Polished(self.q, self.mean, self.bits, self.bound, self.changes)

    def late(self) -> bool:
        return time.monotonic() > self.deadline

    def climb(self, among: Collection[int] | None = None, *, near: bool = False) -> None:
        """Single changes, near ones first (and alone), until none of any class (of ``among``) helps."""
        labels = self.labels if among is None else sorted(among)
        wide = set(labels)  # classes of which no change at all is known to help no more
        first = min(_WINDOW, 2 * self.largest)
        for window in (first,) if near else (first, 2 * self.largest):
            left = list(wide) if window > _WINDOW else list(labels)
            while left and not self.late():
                label = left[0]
                if self._improve(label, window):
                    # What the others could gain has changed; this one is looked at again first.
                    left = [label, *(other for other in labels if other != label)]
                else:
                    left.remove(label)

    def leap(self) -> None:
        """Pairs of changes of a class, and single ones after each that helped, until no pair of any class helps."""
        left = list(self.labels)
        while left and not self.late():
            label, before = left[0], self.bound
            self._pairs(label)
            left = left[1:]
            if self.bound < before:
                self.climb()
                left += [other for other in self.labels if other not in left]

    def _pairs(self, label: int) -> None:
        """Tries each first step of a class with the best second one."""
        verdicts = Verdicts.of(self.problem, self.logits, label)
        for number, change in self._first_steps(label, self._gains(label, verdicts, 2 * self.largest)):
            if self.late():
                return
            inside = abs(self.q[label - 1, number] + change) <= self.largest
            if inside and self._follow(label, verdicts, number, change):
                self._refresh(label)
                verdicts = Verdicts.of(self.problem, self.logits, label)

    def _improve(self, label: int, window: int) -> bool:
        """Tries the changes of a class that promise most, one upon the other."""
        verdicts = Verdicts.of(self.problem, self.logits, label)
        gains = self._gains(label, verdicts, window)
        every = window > _WINDOW
        found = failures = 0
        moved: set[int] = set()
        for number, place in self._ranked(gains, every):
            if gains[number, place] <= 0 or (failures == _FAILURES and not every) or self.late():
                break
            if number in moved:
                continue
            if self._accept(label, verdicts, [(number, place - window)]):
                verdicts = verdicts.moved(self._move(number, place - window))
                moved.add(number)
                found += 1
                failures = 0
            else:
                failures += 1
        if found:
            self._refresh(label)
        return found > 0

    def _ranked(self, gains: Floats, every: bool) -> list[tuple[int, int]]:
        """Numbers and places of their changes, the largest gain first; the best of each number, or all."""
        if every:
            order = np.argsort(-gains, axis=None, kind="stable")[: np.count_nonzero(gains > 0)]
            return [divmod(int(place), gains.shape[1]) for place in order]
        best = gains.argmax(1)
        return [(int(number), int(best[number])) for number in np.argsort(-gains.max(1), kind="stable")]

    def _move(self, number: int, change: int) -> torch.Tensor:
        return self.problem.inputs[:, number] * (change * self.step)

    def _accept(self, label: int, verdicts: Verdicts, moves: list[tuple[int, int]]) -> bool:
        """Makes the changes (number, by how much) if the true bound falls."""
        trial = self.q.copy()
        move = torch.zeros(self.problem.n)
        for number, change in moves:
            trial[label - 1, number] += change
            move += self._move(number, change)
        mean = self.problem.share(verdicts.wrong(move))
        bits, bound = self.score(mean, trial)
        if bound >= self.bound:
            return False
        self.q, self.mean, self.bits, self.bound = trial, mean, bits, bound
        self.logits[:, label] += move
        self.changes += 1
        return True

    def _refresh(self, label: int) -> None:
        """The logits of a class from its integers, without the errors of many small sums."""
        own = torch.from_numpy(self.q[label - 1]).float() * self.step
        now = self.problem.inputs @ own
        self.logits[:, label] = now if self.problem.base is None else self.problem.base[:, label] + now
        self.mean = self.problem.mean_loss(self.logits)
        self.bits, self.bound = self.score(self.mean, self.q)

    def _gains(self, label: int, verdicts: Verdicts, window: int) -> Floats:
        """About how much each change gains, in units of the mean loss, [K + 1, 2 window + 1]."""
        means = self.turns.means(verdicts, window)
        saved = self._saved(self.q[label - 1], window)
        gains: Floats = (self.mean - means) + self.price(self.mean, self.bits) * (saved + _BITS_OFF)
        return gains

    def _saved(self, own: Ints, window: int) -> Floats:
        """About how many bits a change saves, [K + 1, 2 window + 1]; minus infinity past the grid."""
        costs = np.full(2 * (self.largest + window) + 1, np.inf)
        costs[window : window + 2 * self.largest + 1] = _costs(self.q, self.largest)
        after = own[:, None] + np.arange(2 * window + 1)[None, :] + self.largest
        saved: Floats = costs[own + self.largest + window][:, None] - costs[after]
        saved[:, window] = -np.inf
        return saved

    def _first_steps(self, label: int, gains: Floats) -> Iterator[tuple[int, int]]:
        """Changes that cost little alone: a number to zero, or by one; the cheapest first."""
        own, window = self.q[label - 1], self.largest * 2
        numbers = np.flatnonzero(own)
        last = len(own) - 1
        steps = {(int(j), int(-own[j])) for j in numbers}
        steps |= {(int(j), by) for j in {*numbers.tolist(), last} for by in (-1, 1)}
        steps |= {(last, by) for by in (-2, 2)}
        ranked = [(float(gains[j, by + window]), j, by) for j, by in steps]
        for gain, j, by in sorted(ranked, key=lambda step: (-step[0], step[1:])):
            if gain > -np.inf:
                yield j, by

    def _follow(self, label: int, verdicts: Verdicts, number: int, change: int) -> bool:
        """Whether some second change helps after a first."""
        window = min(_WINDOW, 2 * self.largest)
        after = verdicts.moved(self._move(number, change))
        means = self.turns.means(after, window)
        before, self.q = self.q, self.q.copy()
        self.q[label - 1, number] += change
        saved = self._saved(self.q[label - 1], window)
        costs = _costs(before, self.largest)
        first = (
            costs[before[label - 1, number] + self.largest] - costs[self.q[label - 1, number] + self.largest]
        )
        self.q = before
        gains = (self.mean - means) + self.price(self.mean, self.bits) * (saved + first + _BITS_OFF)
        gains[number] = -np.inf
        for place in np.argsort(-gains, axis=None, kind="stable")[:2]:
            other, by = divmod(int(place), 2 * window + 1)
            if gains[other, by] <= 0:
                return False
            if self._accept(label, verdicts, [(number, change), (other, by - window)]):
                return True
        return False


def _costs(q: Ints, largest: int) -> Floats:
    """About how many bits each point of the grid takes, as often as each size is used in ``q``: [2 largest + 1]."""
    counts = np.bincount(np.abs(q).ravel(), minlength=largest + 1).astype(np.float64)
    used, every = counts[1:].sum(), counts.sum()
    zero = -math.log2((counts[0] + 0.5) / (every + 1.0))
    other = -math.log2((used + 0.5) / (every + 1.0)) + 1.0
    sizes = other - np.log2((counts[1:] + 0.3) / (used + 0.3 * largest))
    found: Floats = np.concatenate([sizes[::-1], [zero], sizes])
    return found
