"""What a sparse head is trained on: features, labels, weights of rows, and what the head is added to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

__all__ = ["TIE", "HeadProblem"]

TIE = 1e-5
"""Logits so near to one another count as equal: float32 is no judge of ties, and a tie is an error."""


@dataclass(frozen=True)
class HeadProblem:
    """Rows in memory. The logit of class c is ``base[:, c]``, plus ``scale * (w[c - 1] . [features, 1])`` for c >= 1.

    Softmax does not see what is added to all classes alike, so class 0 stays as it is.

    Attributes:
        features: float32 [n, K].
        labels: int64 [n].
        weights: float64 [n], of sum one: the share of each row in the mean loss.
        num_classes: C.
        scale: of a unit of w.
        base: float32 [n, C], or None for zeros.
    """

    features: Tensor
    labels: Tensor
    weights: Tensor
    num_classes: int
    scale: float
    base: Tensor | None = None

    @property
    def n(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int]:
        """Of w: a row for each class but the first, K weights and a bias."""
        return self.num_classes - 1, self.features.shape[1] + 1

    @cached_property
    def inputs(self) -> Tensor:
        """float32 [n, K + 1]: scaled features, and the scale itself for the bias."""
        ones = torch.ones(self.n, 1)
        return torch.cat([self.features, ones], 1) * self.scale

    @cached_property
    def even(self) -> bool:
        """Whether all rows have the same weight."""
        return self.n > 0 and bool((self.weights == self.weights[0]).all())

    def part(self, most: int) -> HeadProblem:
        """The same with at most so many rows, chosen at random but always the same."""
        if self.n <= most:
            return self
        rows = torch.randperm(self.n, generator=torch.Generator().manual_seed(0))[:most].sort().values
        weights = self.weights[rows]
        base = None if self.base is None else self.base[rows]
        return replace(
            self,
            features=self.features[rows],
            labels=self.labels[rows],
            weights=weights / weights.sum(),
            base=base,
        )

    def logits(self, w: Tensor) -> Tensor:
        """[n, C] for w [C - 1, K + 1]."""
        moved = torch.nn.functional.pad(self.inputs @ w.T, (1, 0))
        return moved if self.base is None else self.base + moved

    def mean_loss(self, logits: Tensor) -> float:
        """The weighted share of rows whose label does not have the strictly largest logit."""
        own = logits.gather(1, self.labels[:, None])
        others = logits.scatter(1, self.labels[:, None], -torch.inf).amax(1, keepdim=True)
        return self.share((own - others <= TIE).squeeze(1))

    def share(self, rows: Tensor) -> float:
        """The weight of the rows that bool [n] says."""
        if self.even:
            return int(rows.count_nonzero()) / self.n
        return float(self.weights[rows].sum())
