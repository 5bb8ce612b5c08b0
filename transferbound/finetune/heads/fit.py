"""Weighted cross-entropy with a penalty on the size of each number, minimized over all rows at once.

Sources: FISTA, Beck and Teboulle 2009, "A fast iterative shrinkage-thresholding algorithm"; its restart, O'Donoghue and
Candes 2015, "Adaptive restart for accelerated gradient schemes"; smaller penalties for larger numbers, Candes, Wakin
and Boyd 2008, "Enhancing sparsity by reweighted l1 minimization".
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from transferbound.finetune.heads.problem import HeadProblem

__all__ = ["Fit"]

_ROWS, _ENTRIES = 20_000, 30_000_000  # rows to look at: so many, or so many that rows times numbers are this
_POWER_STEPS = 20
_BIAS_STEPS = 30
_BIAS = 0.3  # of the penalty of a weight
_TOLERANCE = 1e-4  # of the largest number, below which a step changes nothing


class Fit:
    """The convex problem; w [C - 1, K + 1] goes in and comes out in units of the problem's scale.

    Of many rows a part is looked at: what is fitted is only where the polish begins.
    """

    def __init__(self, problem: HeadProblem) -> None:
        entries = problem.shape[0] * problem.shape[1]
        problem = problem.part(max(_ROWS, _ENTRIES // max(entries, 1)))
        self.problem = problem
        self.weights = problem.weights.float()
        self.targets = torch.nn.functional.one_hot(problem.labels, problem.num_classes)[:, 1:].T.float()
        base = problem.base
        self.base = None if base is None else (base[:, 1:] - base[:, :1]).T.contiguous()
        self.curvature = self._curvature()

    def _curvature(self) -> float:
        """An upper estimate of the largest curvature of the loss: half the largest of the weighted second moments."""
        inputs, weights = self.problem.inputs, self.weights
        vector = torch.ones(inputs.shape[1])
        value = 1.0
        for _ in range(_POWER_STEPS):
            vector = inputs.T @ (weights * (inputs @ vector))
            value = float(vector.norm())
            vector = vector / max(value, 1e-30)
        return 0.5 * 1.05 * max(value, 1e-12)

    def shares(self, w: Tensor, rows: Tensor | None = None) -> Tensor:
        """The softmax of classes 1..C-1, [C - 1, n]; or of some rows."""
        logits = w @ (self.problem.inputs if rows is None else self.problem.inputs[rows]).T
        if self.base is not None:
            logits += self.base if rows is None else self.base[:, rows]
        if len(logits) == 1:
            return logits.sigmoid_()
        top = logits.amax(0).clamp_min_(0.0)
        shares = logits.sub_(top).exp_()
        return shares.div_(shares.sum(0).add_(top.neg_().exp_()))

    def gradient(self, w: Tensor) -> Tensor:
        """Of the mean cross-entropy, [C - 1, K + 1]."""
        return self.shares(w).sub_(self.targets).mul_(self.weights) @ self.problem.inputs

    def loss(self, w: Tensor) -> float:
        """The mean cross-entropy."""
        each = torch.nn.functional.cross_entropy(
            self.problem.logits(w), self.problem.labels, reduction="none"
        )
        return float((each * self.weights).sum())

    def largest_penalty(self) -> float:
        """The smallest penalty at which every weight stays zero beside biases that fit; without weights, of biases."""
        start = torch.zeros(self.problem.shape)
        free = torch.zeros(self.problem.shape, dtype=torch.bool)
        free[:, -1] = True
        if start.shape[1] == 1:
            return float(self.gradient(start).abs().max())
        biases = self.minimize(start, start, _BIAS_STEPS, free=free)
        return float(self.gradient(biases)[:, :-1].abs().max())

    def penalties(self, penalty: float) -> Tensor:
        """[C - 1, K + 1]: one for weights, a smaller one for biases."""
        found = torch.full(self.problem.shape, penalty)
        found[:, -1] *= _BIAS
        return found

    def minimize(
        self,
        w: Tensor,
        penalties: Tensor,
        steps: int,
        *,
        free: Tensor | None = None,
        deadline: float = math.inf,
    ) -> Tensor:
        """From ``w``, with what is not ``free`` as it is."""
        ahead, pace = w, 1.0
        threshold = penalties / self.curvature
        for _ in range(steps):
            if time.monotonic() > deadline:
                break
            moved = ahead - self.gradient(ahead) / self.curvature
            after = moved.sign() * (moved.abs() - threshold).clamp_min(0.0)
            if free is not None:
                after = torch.where(free, after, w)
            if float(((ahead - after) * (after - w)).sum()) > 0:
                pace = 1.0  # the step went uphill of the momentum: begin anew
            change = float((after - w).abs().max())
            faster = (1.0 + math.sqrt(1.0 + 4.0 * pace * pace)) / 2.0
            ahead = after + (pace - 1.0) / faster * (after - w)
            w, pace = after, faster
            if change < _TOLERANCE * float(w.abs().max().clamp_min(1e-30)):
                break
        return w

    def reweighted(self, w: Tensor, penalties: Tensor) -> Tensor:
        """Penalties that are smaller for numbers that are large in ``w``."""
        used = w != 0
        if not bool(used.any()):
            return penalties
        return penalties / (1.0 + w.abs() / w[used].abs().mean())
