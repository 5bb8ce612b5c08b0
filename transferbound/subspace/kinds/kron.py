"""Kind "kron": each tensor's offset is A W B', with W the coordinates as a matrix.

A and B are small random sign matrices of each tensor's own, so P = A ⊗ B is never formed: applying it
costs about 2 D sqrt(d) operations, as matrix products.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound import streams
from transferbound.errors import SubspaceError
from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.layout import Layout, all_scales, nearest_power_of_two
from transferbound.subspace.projection import ExactTerm, Projection

__all__ = ["KronProjection"]

_FACTOR_BUDGET = 1 << 30  # entries of all factors, one byte each


class KronProjection(Projection):
    """W has ceil(sqrt(d)) rows and is filled row by row, the rest of the last row with zeros.

    The product form of Lotfi et al. 2022, section 4, applied to each tensor as a matrix (first dimension by
    the rest) rather than to the vector of all parameters, which keeps the factors small.

    Raises:
        SubspaceError: ``dim`` exceeds the number of parameters, or the factors exceed their budget.
    """

    kind = "kron"

    def __init__(self, dim: int, config: SubspaceConfig, layout: Layout) -> None:
        trainable = tuple(range(len(layout.specs)))
        norm = nearest_power_of_two(dim**-0.5)
        super().__init__(dim, layout, trainable, all_scales(layout, config.head_factor, norm))
        self.require_dim_at_most(layout.size)
        self._rows = math.isqrt(dim - 1) + 1
        self._columns = -(-dim // self._rows)
        entries = self._factor_entries()
        if entries > _FACTOR_BUDGET:
            raise SubspaceError(
                f"dim={dim} needs Kronecker factors of {entries} entries, more than {_FACTOR_BUDGET}: "
                "use a smaller dim or kind hashed"
            )
        self._seed = config.seed
        self._cache: dict[torch.device, list[tuple[Tensor, Tensor]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}

    def prepare(self, w: Tensor) -> Tensor:
        matrix = w.new_zeros(self._rows * self._columns)
        matrix[: self.dim] = w
        return matrix.view(self._rows, self._columns)

    def write(self, point: Tensor, index: int, base: Tensor, out: Tensor) -> None:
        shape = self.layout.specs[index].matrix_shape
        left, right = self._factors(index, out.dtype, out.device)
        torch.addmm(base.view(shape), left @ point, right.T, alpha=self.scales[index], out=out.view(shape))

    def new_total(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.zeros(self._rows, self._columns, dtype=dtype, device=device)

    def project(self, point: Tensor, index: int, grad: Tensor, total: Tensor) -> None:
        left, right = self._factors(index, total.dtype, total.device)
        matrix = grad.to(total.dtype).view(self.layout.specs[index].matrix_shape)
        total.addmm_(left.T, matrix @ right, alpha=self.scales[index])

    def fold(self, total: Tensor) -> Tensor:
        return total.view(-1)[: self.dim].clone()

    def exact(self, integers: Tensor, index: int) -> list[ExactTerm]:
        left, right = self._factors(index, torch.float64, integers.device)
        offset = (left @ self.prepare(integers)) @ right.T
        return [(self.scales[index], 1, offset.reshape(-1))]

    def exact_bound(self, integers: npt.NDArray[np.int64]) -> int:
        return sum(abs(int(value)) for value in integers)

    def cost(self) -> dict[str, int]:
        size, entries = self.layout.size, self._factor_entries()
        return {
            "state_bytes": entries,
            "flops": 4 * size * self._columns + 4 * entries * max(self._rows, self._columns),
            "traffic_bytes": 16 * size + 10 * entries,
        }

    def _factor_entries(self) -> int:
        shapes = [spec.matrix_shape for spec in self.layout.specs]
        return sum(a * self._rows + b * self._columns for a, b in shapes)

    def _factors(self, index: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        """A, [rows of the tensor, rows of W], and B, [columns of the tensor, columns of W]."""
        if device not in self._cache:
            self._cache[device] = [self._draw(i, device) for i in self.trainable]
        left, right = self._cache[device][index]
        return left.to(dtype), right.to(dtype)

    def _draw(self, index: int, device: torch.device) -> tuple[Tensor, Tensor]:
        drawn = []
        shape = self.layout.specs[index].matrix_shape
        for side, count, width in zip(("left", "right"), shape, (self._rows, self._columns), strict=True):
            raw = streams.signs(self._seed, f"kron/{side}/{index}", 0, count * width)
            drawn.append(torch.from_numpy(raw).view(count, width).to(device))
        return drawn[0], drawn[1]
