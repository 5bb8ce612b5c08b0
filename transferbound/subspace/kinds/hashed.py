"""Kind "hashed": a hashed map of all parameters. Kinds that choose some of them are its subclasses.

With each parameter assigned one coordinate and a sign, P'P is diagonal, applying P costs one pass over
the trainable parameters, and d = (number of trainable parameters) is a signed permutation.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.layout import Layout, TensorSpec, all_scales
from transferbound.subspace.projection import ExactTerm, Projection
from transferbound.subspace.rowhash import RowHash

__all__ = ["HashedProjection"]


class HashedProjection(Projection):
    """theta_i = theta0_i + scale_t * sign_i * w[coordinate(i)] for the trainable parameters.

    Raises:
        SubspaceError: the kind trains nothing in this model, or ``dim`` exceeds what it trains.
    """

    kind = "hashed"

    def __init__(self, dim: int, config: SubspaceConfig, layout: Layout) -> None:
        trainable = self.chosen(config, layout)
        everything = all_scales(layout, config.head_factor, 1.0)
        super().__init__(dim, layout, trainable, {i: everything[i] for i in trainable})
        self._fixed = {i: self.fixed_entries(layout.specs[i]) for i in trainable}
        self.require_dim_at_most(self.trainable_size)
        self._slot = {index: slot for slot, index in enumerate(trainable)}
        sizes = [layout.specs[i].size - self._fixed[i] for i in trainable]
        self._hash = RowHash(sizes, dim, config.seed, self.kind)

    def chosen(self, config: SubspaceConfig, layout: Layout) -> tuple[int, ...]:
        """Positions of the tensors to train. Raises SubspaceError where there are none."""
        return tuple(range(len(layout.specs)))

    def fixed_entries(self, spec: TensorSpec) -> int:
        """So many entries at the start of a chosen tensor stay as they are."""
        return 0

    @property
    def trainable_size(self) -> int:
        return super().trainable_size - sum(self._fixed.values())

    def prepare(self, w: Tensor) -> Tensor:
        return self._hash.prepare(w)

    def write(self, point: Tensor, index: int, base: Tensor, out: Tensor) -> None:
        fixed = self._fixed[index]
        if fixed and out is not base:
            out[:fixed] = base[:fixed]
        self._hash.write(point, self._slot[index], base[fixed:], out[fixed:], self.scales[index])

    def new_total(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return self._hash.new_total(dtype, device)

    def project(self, point: Tensor, index: int, grad: Tensor, total: Tensor) -> None:
        self._hash.project(self._slot[index], grad[self._fixed[index] :], total, self.scales[index])

    def fold(self, total: Tensor) -> Tensor:
        return self._hash.fold(total)

    def exact(self, integers: Tensor, index: int) -> list[ExactTerm]:
        offset = torch.zeros(self.layout.specs[index].size, dtype=torch.float64)
        moved = offset[self._fixed[index] :]
        self._hash.write(self._hash.prepare(integers), self._slot[index], moved, moved, 1.0)
        return [(self.scales[index], 1, offset)]

    def exact_bound(self, integers: npt.NDArray[np.int64]) -> int:
        return int(np.abs(integers).max(initial=0))

    def contexts(self) -> npt.NDArray[np.int64]:
        is_head = [self.layout.specs[i].role == "head" for i in self.trainable]
        return self._hash.moves_only(is_head).astype(np.int64)

    def cost(self) -> dict[str, int]:
        # Read theta0, write theta, write and read the gradient: four bytes each.
        size = self.trainable_size
        return {"state_bytes": self._hash.state_bytes, "flops": 4 * size, "traffic_bytes": 16 * size}
