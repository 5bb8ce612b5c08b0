"""Kind "constant": nothing moves. One class is answered for every input, and the header says which."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.layout import Layout
from transferbound.subspace.projection import ExactTerm, Projection

__all__ = ["ConstantProjection"]


class ConstantProjection(Projection):
    """P = 0."""

    kind = "constant"

    def __init__(self, dim: int, config: SubspaceConfig, layout: Layout) -> None:
        super().__init__(dim, layout, (), {})

    def prepare(self, w: Tensor) -> Tensor:
        return w

    def write(self, point: Any, index: int, base: Tensor, out: Tensor) -> None:
        if out is not base:
            out.copy_(base)

    def new_total(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.zeros(self.dim, dtype=dtype, device=device)

    def project(self, point: Any, index: int, grad: Tensor, total: Any) -> None:
        pass

    def fold(self, total: Tensor) -> Tensor:
        return total

    def exact(self, integers: Tensor, index: int) -> list[ExactTerm]:
        return []

    def exact_bound(self, integers: npt.NDArray[np.int64]) -> int:
        return 0

    def cost(self) -> dict[str, int]:
        return {"state_bytes": 0, "flops": 0, "traffic_bytes": 0}
