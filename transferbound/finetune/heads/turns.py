"""Where verdicts turn: the mean loss after every change of one number of a class, from one pass over the rows.

If one class's logit alone moves, each row's verdict turns at one threshold of that move. A change of one number moves
the logit of a row in proportion to its feature, so the threshold becomes one of the number's own, and counting rows
by threshold gives the true loss of every change. Ties are errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound.finetune.heads.problem import TIE, HeadProblem

__all__ = ["Turns", "Verdicts"]

Floats = npt.NDArray[np.float64]

_ENTRIES = 1 << 18  # rows times numbers at a time: what a core's own cache holds
_HUGE = 1e30  # moves that a feature of zero would need


@dataclass(frozen=True)
class Verdicts:
    """What a move of one class's logit does to each row.

    Attributes:
        own: bool [n], whether the row's label is the class.
        threshold: float32 [n]; a row of the class is right for moves above it, another for moves below it. Infinite
            where no move makes the row right.
    """

    own: Tensor
    threshold: Tensor

    @classmethod
    def of(cls, problem: HeadProblem, logits: Tensor, label: int) -> Verdicts:
        """Of class ``label`` at logits [n, C]."""
        labels = problem.labels
        own = labels == label
        others = logits.clone()
        others[:, label] = -torch.inf
        mine = logits.gather(1, labels[:, None]).squeeze(1)
        strongest = others.amax(1)
        others.scatter_(1, labels[:, None], -torch.inf)
        rival = others.amax(1)
        now = logits[:, label]
        threshold = torch.where(own, strongest - now + TIE, mine - now - TIE)
        lost = ~own & (mine - rival <= TIE)
        return cls(own, threshold.masked_fill_(lost, -torch.inf))

    def moved(self, move: Tensor | float) -> Verdicts:
        """After a move [n] of the class's logit."""
        return Verdicts(self.own, self.threshold - move)

    def wrong(self, move: Tensor | float = 0.0) -> Tensor:
        """bool [n]: which rows are wrong after a move."""
        return torch.where(self.own, self.threshold >= move, self.threshold <= move)


class Turns:
    """Counts rows by the change at which they turn.

    Args:
        problem: the rows.
        step: by which a logit moves, in units of w, as an integer changes by one.
        largest: changes counted are -2 largest..2 largest at most.
    """

    def __init__(self, problem: HeadProblem, step: float, largest: int) -> None:
        self.problem = problem
        moves = problem.inputs * step
        self.reach = moves.abs().amax(1)
        self.width = 4 * largest + 2
        self.widest = 2 * largest
        columns = moves.shape[1]
        self.inverse = moves.reciprocal_().clamp_(-_HUGE, _HUGE)  # 1 / 0 is positive: its rows never turn
        first = 2 * self.width * torch.arange(columns, dtype=torch.int32) + self.widest
        self.offset = first + self.width * (self.inverse < 0).to(torch.int32)

    def means(self, verdicts: Verdicts, window: int) -> Floats:
        """Mean loss after a change of each number by -window..window, [K + 1, 2 window + 1]."""
        near = verdicts.threshold.abs() <= self.reach * window
        far = self.problem.share(verdicts.wrong() & ~near)
        own = self._count(near & verdicts.own, verdicts.threshold, window)
        other = self._count(near & ~verdicts.own, verdicts.threshold, window)
        falls = own[:, 1] + other[:, 0]  # wrong from the change on
        rises = own[:, 0] + other[:, 1]
        inside = slice(self.widest - window, self.widest + window + 1)
        turned = (falls - rises)[:, inside].cumsum(1) + rises.sum(1, keepdims=True)
        if self.problem.even:
            return np.asarray((turned + round(far * self.problem.n)) / self.problem.n)
        return np.asarray(np.maximum(turned + far, 0.0))

    def _count(self, which: Tensor, threshold: Tensor, window: int) -> Floats:
        """Weights of rows by number, sign of the feature, and first change at or past the threshold."""
        rows = which.nonzero().squeeze(1)
        columns = self.inverse.shape[1]
        size = 2 * columns * self.width
        even = self.problem.even
        total = torch.zeros(size, dtype=torch.int64 if even else torch.float64)
        for some in rows.split(max(1, _ENTRIES // columns)):
            place = self.inverse.index_select(0, some).mul_(threshold[some, None])
            place.ceil_().clamp_(-window, window + 1)
            index = place.to(torch.int32).add_(self.offset.index_select(0, some)).view(-1)
            weights = None if even else self.problem.weights[some].repeat_interleave(columns)
            total += torch.bincount(index, weights, minlength=size)
        return np.asarray(total.numpy(), dtype=np.float64).reshape(columns, 2, self.width)
