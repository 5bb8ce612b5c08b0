"""Sums of kinds, such as "film+kron": P = [P1 | P2], so the offsets of the terms add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound.subspace.layout import Layout
from transferbound.subspace.projection import ExactTerm, Projection

__all__ = ["SumProjection"]


class SumProjection(Projection):
    """The first ``terms[0].dim`` coordinates belong to the first term, the next to the second, and so on."""

    def __init__(self, kind: str, terms: Sequence[Projection], layout: Layout) -> None:
        self.kind = kind
        self.linear = all(term.linear for term in terms)
        self.terms = tuple(terms)
        self._dims = [term.dim for term in terms]
        trainable = tuple(sorted({i for term in terms for i in term.trainable}))
        super().__init__(sum(self._dims), layout, trainable, {})

    def prepare(self, w: Tensor) -> list[Any]:
        parts = w.split(self._dims)
        return [term.prepare(part) for term, part in zip(self.terms, parts, strict=True)]

    def write(self, point: list[Any], index: int, base: Tensor, out: Tensor) -> None:
        for term, own in zip(self.terms, point, strict=True):
            if index in term.scales:
                term.write(own, index, base, out)
                base = out

    def new_total(self, dtype: torch.dtype, device: torch.device) -> list[Any]:
        return [term.new_total(dtype, device) for term in self.terms]

    def project(self, point: list[Any], index: int, grad: Tensor, total: list[Any]) -> None:
        for term, own, part in zip(self.terms, point, total, strict=True):
            if index in term.scales:
                term.project(own, index, grad, part)

    def fold(self, total: list[Any]) -> Tensor:
        return torch.cat([term.fold(part) for term, part in zip(self.terms, total, strict=True)])

    def exact(self, integers: Tensor, index: int) -> list[ExactTerm]:
        found: list[ExactTerm] = []
        for term, part in zip(self.terms, integers.split(self._dims), strict=True):
            if index in term.scales:
                found += term.exact(part, index)
        return found

    def exact_bound(self, integers: npt.NDArray[np.int64]) -> int:
        parts = np.split(integers, np.cumsum(self._dims)[:-1])
        return max(term.exact_bound(part) for term, part in zip(self.terms, parts, strict=True))

    def contexts(self) -> npt.NDArray[np.int64]:
        """Twice the number of the term, plus 1 for a coordinate that moves the head alone."""
        return np.concatenate([2 * k + term.contexts() for k, term in enumerate(self.terms)])

    def describe(self) -> dict[str, Any]:
        terms = []
        first = 0
        for term in self.terms:
            terms.append({**term.describe(), "coordinates": [first, first + term.dim]})
            first += term.dim
        return {**super().describe(), "terms": terms}

    def cost(self) -> dict[str, int]:
        costs = [term.cost() for term in self.terms]
        return {key: sum(cost[key] for cost in costs) for key in costs[0]}
