"""Kind "dense": P is a matrix of Gaussian integers, held in memory; for small models only."""

from __future__ import annotations

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

__all__ = ["DENSE_BUDGET", "DenseProjection"]

#: Largest D * d: 1 GiB in float32.
DENSE_BUDGET = 1 << 28
_BLOCK = 1 << 22


class DenseProjection(Projection):
    """Every coordinate moves every parameter: Li et al. 2018, "Measuring the intrinsic dimension".

    Raises:
        SubspaceError: D * dim exceeds ``DENSE_BUDGET``.
    """

    kind = "dense"

    def __init__(self, dim: int, config: SubspaceConfig, layout: Layout) -> None:
        trainable = tuple(range(len(layout.specs)))
        if layout.size * dim > DENSE_BUDGET:
            raise SubspaceError(
                f"a dense projection of {layout.size} parameters to dim={dim} has {layout.size * dim} "
                f"entries, more than {DENSE_BUDGET}: use a smaller dim, or kind hashed, film or kron"
            )
        norm = nearest_power_of_two(dim**-0.5 / streams.GAUSSIAN_STD)
        super().__init__(dim, layout, trainable, all_scales(layout, config.head_factor, norm))
        self.require_dim_at_most(layout.size)
        self._seed = config.seed
        sizes = np.cumsum([0] + [spec.size for spec in layout.specs])
        self._begin = [int(value) for value in sizes[:-1]]
        self._cache: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}}

    def prepare(self, w: Tensor) -> Tensor:
        return w

    def write(self, point: Tensor, index: int, base: Tensor, out: Tensor) -> None:
        matrix = self._matrices(out.dtype, out.device)[index]
        torch.addmv(base, matrix, point, alpha=self.scales[index], out=out)

    def new_total(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.zeros(self.dim, dtype=dtype, device=device)

    def project(self, point: Tensor, index: int, grad: Tensor, total: Tensor) -> None:
        matrix = self._matrices(total.dtype, total.device)[index]
        total.addmv_(matrix.T, grad.to(total.dtype), alpha=self.scales[index])

    def fold(self, total: Tensor) -> Tensor:
        return total

    def exact(self, integers: Tensor, index: int) -> list[ExactTerm]:
        size = self.layout.specs[index].size
        rows = max(1, _BLOCK // self.dim)
        parts = [
            self._entries(index, low, min(rows, size - low)).to(torch.float64) @ integers
            for low in range(0, size, rows)
        ]
        return [(self.scales[index], 1, torch.cat(parts))]

    def exact_bound(self, integers: npt.NDArray[np.int64]) -> int:
        return 1020 * sum(abs(int(value)) for value in integers)

    def cost(self) -> dict[str, int]:
        entries = self.layout.size * self.dim
        return {
            "state_bytes": 4 * entries,
            "flops": 4 * entries,
            "traffic_bytes": 8 * entries + 16 * self.layout.size,
        }

    def _entries(self, index: int, low: int, rows: int) -> Tensor:
        start = (self._begin[index] + low) * self.dim
        raw = streams.gaussian_integers(self._seed, "dense", start, rows * self.dim)
        return torch.from_numpy(raw).view(rows, self.dim)

    def _matrices(self, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
        key = (dtype, device)
        if key not in self._cache:
            self._cache[key] = [
                self._entries(index, 0, self.layout.specs[index].size).to(dtype=dtype, device=device)
                for index in self.trainable
            ]
        return self._cache[key]
