"""Kind "kron-sum": the parameters as one square table, whose rows and columns each get an offset."""

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

__all__ = ["KronSumProjection"]

_FACTOR_BUDGET = 1 << 30  # entries of both factors, one byte each
_BLOCK = 1 << 22


class KronSumProjection(Projection):
    """P = R1 ⊗ 1 + 1 ⊗ R2 (Lotfi et al. 2022, section 4): parameter (i, j) moves by (R1 w)_i + (R2 w)_j.

    R1 and R2 are random signs, about sqrt(D) x d each.

    Raises:
        SubspaceError: ``dim`` exceeds the number of parameters, or R1 and R2 exceed their budget.
    """

    kind = "kron-sum"

    def __init__(self, dim: int, config: SubspaceConfig, layout: Layout) -> None:
        trainable = tuple(range(len(layout.specs)))
        norm = nearest_power_of_two((2 * dim) ** -0.5)
        super().__init__(dim, layout, trainable, all_scales(layout, config.head_factor, norm))
        self.require_dim_at_most(layout.size)
        self._width = math.isqrt(layout.size - 1) + 1
        self._height = -(-layout.size // self._width)
        entries = (self._width + self._height) * dim
        if entries > _FACTOR_BUDGET:
            raise SubspaceError(
                f"dim={dim} needs factors of {entries} entries, more than {_FACTOR_BUDGET}: "
                "use a smaller dim, or kind hashed or kron"
            )
        self._seed = config.seed
        begins = np.cumsum([0] + [spec.size for spec in layout.specs])
        self._begin = [int(value) for value in begins[:-1]]
        self._cache: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}

    def prepare(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """The offsets of the table's rows and columns."""
        rows, columns = self._factors(w.device)
        return _apply(rows, w), _apply(columns, w)

    def write(self, point: tuple[Tensor, Tensor], index: int, base: Tensor, out: Tensor) -> None:
        by_row, by_column = point
        scale = self.scales[index]
        for low, row, count, column, width in self._blocks(index):
            shape, flat = (count, width), slice(low, low + count * width)
            offset = by_row[row : row + count, None] + by_column[None, column : column + width]
            torch.add(base[flat].view(shape), offset, alpha=scale, out=out[flat].view(shape))

    def new_total(self, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        return (
            torch.zeros(self._height, dtype=dtype, device=device),
            torch.zeros(self._width, dtype=dtype, device=device),
        )

    def project(
        self, point: tuple[Tensor, Tensor], index: int, grad: Tensor, total: tuple[Tensor, Tensor]
    ) -> None:
        """Adds the gradient's sums over rows and over columns, each by the tensor's scale."""
        by_row, by_column = total
        scale = self.scales[index]
        for low, row, count, column, width in self._blocks(index):
            part = grad[low : low + count * width].view(count, width).to(by_row.dtype)
            by_row[row : row + count].add_(part.sum(1), alpha=scale)
            by_column[column : column + width].add_(part.sum(0), alpha=scale)

    def fold(self, total: tuple[Tensor, Tensor]) -> Tensor:
        rows, columns = self._factors(total[0].device)
        return _apply_transposed(rows, total[0]) + _apply_transposed(columns, total[1])

    def exact(self, integers: Tensor, index: int) -> list[ExactTerm]:
        by_row, by_column = self.prepare(integers)
        offset = integers.new_empty(self.layout.specs[index].size)
        for low, row, count, column, width in self._blocks(index):
            block = by_row[row : row + count, None] + by_column[None, column : column + width]
            offset[low : low + count * width] = block.view(-1)
        return [(self.scales[index], 1, offset)]

    def exact_bound(self, integers: npt.NDArray[np.int64]) -> int:
        return 2 * sum(abs(int(value)) for value in integers)

    def cost(self) -> dict[str, int]:
        size, entries = self.layout.size, (self._width + self._height) * self.dim
        return {
            "state_bytes": entries,
            "flops": 6 * size + 4 * entries,
            "traffic_bytes": 20 * size + 18 * entries,
        }

    def _blocks(self, index: int) -> list[tuple[int, int, int, int, int]]:
        """(first entry, row, rows, column, columns) of the table's parts that tensor ``index`` fills."""
        begin, size = self._begin[index], self.layout.specs[index].size
        blocks = []
        low = 0
        most = max(1, (1 << 16) // self._width)
        while low < size:
            row, column = divmod(begin + low, self._width)
            whole = 0 if column else (size - low) // self._width
            count, width = (min(whole, most), self._width) if whole else (1, 0)
            width = width or min(size - low, self._width - column)
            blocks.append((low, row, count, column, width))
            low += count * width
        return blocks

    def _factors(self, device: torch.device) -> tuple[Tensor, Tensor]:
        if device not in self._cache:
            rows, columns = (
                torch.from_numpy(streams.signs(self._seed, f"kron-sum/{side}", 0, count * self.dim))
                .view(count, self.dim)
                .to(device)
                for side, count in (("rows", self._height), ("columns", self._width))
            )
            self._cache[device] = (rows, columns)
        return self._cache[device]


def _apply(signs: Tensor, w: Tensor) -> Tensor:
    step = max(1, _BLOCK // signs.shape[1])
    return torch.cat([part.to(w.dtype) @ w for part in signs.split(step)])


def _apply_transposed(signs: Tensor, total: Tensor) -> Tensor:
    out = total.new_zeros(signs.shape[1])
    step = max(1, _BLOCK // signs.shape[1])
    for part, weights in zip(signs.split(step), total.split(step), strict=True):
        out.addmv_(part.to(total.dtype).T, weights)
    return out
