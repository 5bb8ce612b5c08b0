"""Kind "lora": the factors of low-rank updates lie in a hashed subspace (SubLoRA).

Lotfi et al. 2024, "Non-vacuous generalization bounds for large language models" (arXiv 2312.17173):
theta = theta0 + B A, with A = A0 + (P w)_A, B = (P w)_B. The map is nonlinear in w, and B = 0 at w = 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound import streams
from transferbound.errors import SubspaceError
from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.layout import Layout, nearest_power_of_two
from transferbound.subspace.projection import ExactTerm, Projection
from transferbound.subspace.rowhash import RowHash

__all__ = ["LoraProjection"]


class _Point(NamedTuple):
    tiled: Tensor
    factors: dict[int, tuple[Tensor, Tensor]]  # index -> (B, A)


class LoraProjection(Projection):
    """Weight matrices larger than the rank move by B A; the head, if named, moves directly.

    A0 holds random signs. One hashed map covers the head and all factors, in the order of the layout, A
    before B.

    Raises:
        SubspaceError: no weight matrix exceeds the rank, or ``dim`` exceeds the number of factor entries.
    """

    kind = "lora"
    linear = False

    def __init__(self, dim: int, config: SubspaceConfig, layout: Layout) -> None:
        rank, specs = config.rank, layout.specs
        self.rank = rank
        factored = [i for i in layout.with_roles(["weight"]) if min(specs[i].matrix_shape) > rank]
        if not factored:
            raise SubspaceError(f"no weight matrix is larger than rank={rank}: use a smaller rank")
        trainable = tuple(sorted((*factored, *layout.with_roles(["head"]))))
        norm = nearest_power_of_two(rank**-0.5)
        scales = {i: specs[i].scale * (norm if i in set(factored) else config.head_factor) for i in trainable}
        super().__init__(dim, layout, trainable, scales)
        sizes: list[int] = []
        self._slots: dict[int, tuple[int, ...]] = {}
        for i in trainable:
            rows, columns = specs[i].matrix_shape
            own = [rank * columns, rows * rank] if i in set(factored) else [specs[i].size]
            self._slots[i] = tuple(range(len(sizes), len(sizes) + len(own)))
            sizes += own
        self.require_dim_at_most(sum(sizes))
        self._factored = tuple(factored)
        self._hash = RowHash(sizes, dim, config.seed, "lora")
        self._start = {i: self._draw_start(i, config.seed) for i in factored}

    def _draw_start(self, index: int, seed: int) -> Tensor:
        columns = self.layout.specs[index].matrix_shape[1]
        raw = streams.signs(seed, f"lora/start/{index}", 0, self.rank * columns)
        return torch.from_numpy(raw).view(self.rank, columns)

    def prepare(self, w: Tensor) -> _Point:
        tiled = self._hash.prepare(w)
        factors = {}
        for index in self._factored:
            right, left = self._factor_offsets(tiled, index)
            factors[index] = (left, right.add_(self._start[index].to(right)))
        return _Point(tiled, factors)

    def _factor_offsets(self, tiled: Tensor, index: int) -> tuple[Tensor, Tensor]:
        """(P w)_A, [rank, columns], and (P w)_B, [rows, rank]."""
        rows, columns = self.layout.specs[index].matrix_shape
        parts = []
        for slot in self._slots[index]:
            part = tiled.new_zeros(self._hash.sizes[slot])
            self._hash.write(tiled, slot, part, part, 1.0)
            parts.append(part)
        return parts[0].view(self.rank, columns), parts[1].view(rows, self.rank)

    def write(self, point: _Point, index: int, base: Tensor, out: Tensor) -> None:
        scale = self.scales[index]
        if index not in point.factors:
            self._hash.write(point.tiled, self._slots[index][0], base, out, scale)
            return
        shape = self.layout.specs[index].matrix_shape
        left, right = point.factors[index]
        torch.addmm(base.view(shape), left, right, alpha=scale, out=out.view(shape))

    def new_total(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return self._hash.new_total(dtype, device)

    def project(self, point: _Point, index: int, grad: Tensor, total: Tensor) -> None:
        scale = self.scales[index]
        if index not in point.factors:
            self._hash.project(self._slots[index][0], grad, total, scale)
            return
        left, right = point.factors[index]
        matrix = grad.to(total.dtype).view(self.layout.specs[index].matrix_shape)
        slot_right, slot_left = self._slots[index]
        self._hash.project(slot_right, (left.T @ matrix).view(-1), total, scale)
        self._hash.project(slot_left, (matrix @ right.T).view(-1), total, scale)

    def fold(self, total: Tensor) -> Tensor:
        return self._hash.fold(total)

    def exact(self, integers: Tensor, index: int) -> list[ExactTerm]:
        tiled = self._hash.prepare(integers)
        scale = self.scales[index]
        if index not in self._start:
            offset = integers.new_zeros(self.layout.specs[index].size)
            self._hash.write(tiled, self._slots[index][0], offset, offset, 1.0)
            return [(scale, 1, offset)]
        right, left = self._factor_offsets(tiled, index)
        first = left @ self._start[index].to(left)
        return [(scale, 1, first.reshape(-1)), (scale, 2, (left @ right).reshape(-1))]

    def exact_bound(self, integers: npt.NDArray[np.int64]) -> int:
        largest = int(np.abs(integers).max(initial=0))
        return self.rank * max(largest, largest**2)

    def contexts(self) -> npt.NDArray[np.int64]:
        is_head = [self._slots[i][0] for i in self.trainable if i not in self._start]
        chosen = [slot in set(is_head) for slot in range(len(self._hash.sizes))]
        return self._hash.moves_only(chosen).astype(np.int64)

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "rank": self.rank, "factor_parameters": sum(self._hash.sizes)}

    def cost(self) -> dict[str, int]:
        size, factors = self.trainable_size, sum(self._hash.sizes)
        return {
            "state_bytes": self._hash.state_bytes + 5 * factors,
            "flops": 6 * size * self.rank + 8 * factors,
            "traffic_bytes": 16 * size + 40 * factors,
        }
