"""Kind "sparse": a coordinate for each number of a linear head, all classes but the first.

There is nothing to project: what is saved is saved by coordinates that stay zero. The head reads K components of mean
zero and of variances whose mean is one, so that one scale, 4 / sqrt(K) to the nearest power of two, fits all, biases
included. Coordinates are in the order class by class, each with its K weights and then its bias.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound.errors import SubspaceError
from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.layout import Layout
from transferbound.subspace.projection import ExactTerm, Projection

__all__ = ["SparseProjection", "sparse_contexts", "sparse_scale"]

_SCALE = 4.0
_LARGEST_CONTEXT = 7


def sparse_scale(components: int) -> float:
    """What one unit of a coordinate adds to a weight or bias of the head."""
    # In integers: some K lie on the border between two powers, where a root could fall to either side.
    halvings = 0
    while 2 * 4**halvings < components:
        halvings += 1
    return math.ldexp(_SCALE, -halvings)


def sparse_contexts(components: int, classes: int) -> npt.NDArray[np.int64]:
    """Context ids of the coordinates, int64 [(C - 1) (K + 1)].

    By the rank of the component, from 1: those below 8 share one, then one for each doubling. Biases have their own.
    """
    ranks = np.arange(1, components + 1)
    lengths = np.frexp(ranks.astype(np.float64))[1].astype(np.int64)  # exact, as a logarithm need not be
    own = np.clip(lengths - 3, 0, _LARGEST_CONTEXT - 1)
    return np.tile(np.append(own, _LARGEST_CONTEXT), classes - 1)


class SparseProjection(Projection):
    """Raises SubspaceError where the model's head is no linear layer of ``dim`` numbers without its first class."""

    kind = "sparse"

    def __init__(self, dim: int, config: SubspaceConfig, layout: Layout) -> None:
        head = {len(layout.specs[i].shape): i for i in layout.with_roles(["head"])}
        if not set(head) <= {1, 2} or 1 not in head:
            raise SubspaceError('kind "sparse" moves a linear head with a bias; this model has none')
        self._bias, self._weight = head[1], head.get(2)
        self._classes = layout.specs[self._bias].shape[0]
        self._count = 0 if self._weight is None else layout.specs[self._weight].shape[1]
        if dim != (self._classes - 1) * (self._count + 1):
            raise SubspaceError(
                f'dim is {dim}; kind "sparse" has one coordinate for each of {self._count} weights and a bias of '
                f"{self._classes - 1} classes"
            )
        trainable = tuple(sorted(head.values()))
        super().__init__(dim, layout, trainable, dict.fromkeys(trainable, sparse_scale(self._count)))

    def _part(self, w: Tensor, index: int) -> Tensor:
        """The coordinates of tensor ``index``, flat, without the first class."""
        table = w.view(self._classes - 1, self._count + 1)
        return (table[:, -1] if index == self._bias else table[:, :-1]).reshape(-1)

    def _first(self, index: int) -> int:
        return 1 if index == self._bias else self._count

    def prepare(self, w: Tensor) -> Tensor:
        return w

    def write(self, point: Tensor, index: int, base: Tensor, out: Tensor) -> None:
        first = self._first(index)
        if out is not base:
            out[:first] = base[:first]
        out[first:] = base[first:] + self.scales[index] * self._part(point, index)

    def new_total(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.zeros(self._classes - 1, self._count + 1, dtype=dtype, device=device)

    def project(self, point: Any, index: int, grad: Tensor, total: Tensor) -> None:
        moved = self.scales[index] * grad[self._first(index) :]
        if index == self._bias:
            total[:, -1] += moved
        else:
            total[:, :-1] += moved.view(self._classes - 1, self._count)

    def fold(self, total: Tensor) -> Tensor:
        return total.reshape(-1)

    def exact(self, integers: Tensor, index: int) -> list[ExactTerm]:
        offset = torch.zeros(self.layout.specs[index].size, dtype=torch.float64)
        offset[self._first(index) :] = self._part(integers, index)
        return [(self.scales[index], 1, offset)]

    def exact_bound(self, integers: npt.NDArray[np.int64]) -> int:
        return int(np.abs(integers).max(initial=0))

    def contexts(self) -> npt.NDArray[np.int64]:
        return sparse_contexts(self._count, self._classes)

    def cost(self) -> dict[str, int]:
        size = self.trainable_size
        return {"state_bytes": 0, "flops": 2 * size, "traffic_bytes": 16 * size}
