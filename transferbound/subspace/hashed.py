"""Kinds "hashed", "film", "head" and "modules": a hashed map of all or of some of the parameters.

With each parameter assigned one coordinate and a sign, P'P is diagonal, applying P costs one pass over
the trainable parameters, and d = (number of trainable parameters) is a signed permutation.

Kind "head" leaves the first class as it is: softmax does not see what is added to all classes alike, so coordinates
that move it too would say the same thing twice.
"""

from __future__ import annotations

import fnmatch

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound.errors import SubspaceError
from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.layout import FILM_ROLES, Layout, TensorSpec, all_scales
from transferbound.subspace.projection import ExactTerm, Projection
from transferbound.subspace.rowhash import RowHash

__all__ = ["HashedProjection"]


class HashedProjection(Projection):
    """theta_i = theta0_i + scale_t * sign_i * w[coordinate(i)] for the trainable parameters.

    Raises:
        SubspaceError: the kind trains nothing in this model, or ``dim`` exceeds what it trains.
    """

    def __init__(self, kind: str, dim: int, config: SubspaceConfig, layout: Layout) -> None:
        self.kind = kind
        trainable = _trainable(kind, config, layout)
        everything = all_scales(layout, config.head_factor, 1.0)
        scales = {i: everything[i] for i in trainable}
        super().__init__(dim, layout, trainable, scales)
        self._fixed = {i: _first_class(layout.specs[i]) if kind == "head" else 0 for i in trainable}
        self.require_dim_at_most(self.trainable_size)
        self._slot = {index: slot for slot, index in enumerate(trainable)}
        sizes = [layout.specs[i].size - self._fixed[i] for i in trainable]
        self._hash = RowHash(sizes, dim, config.seed, kind)

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


def _first_class(spec: TensorSpec) -> int:
    """Entries of a head's tensor that belong to its first class; none where there is but one output."""
    return spec.size // spec.shape[0] if spec.shape and spec.shape[0] >= 2 else 0


def _trainable(kind: str, config: SubspaceConfig, layout: Layout) -> tuple[int, ...]:
    if kind == "hashed":
        return tuple(range(len(layout.specs)))
    if kind == "modules":
        return _matching(config.patterns, layout)
    trainable = layout.with_roles(FILM_ROLES if kind == "film" else ("head",))
    if not trainable:
        remedy = "name the head's parameters" if kind == "head" else 'use kind "hashed" or "lora"'
        raise SubspaceError(f"kind {kind!r} finds no parameters in this model: {remedy}")
    return trainable


def _matching(patterns: tuple[str, ...], layout: Layout) -> tuple[int, ...]:
    """Tensors of which the name, or the name of a module around it, matches a pattern."""
    found: set[int] = set()
    for pattern in patterns:
        hits = {i for i, spec in enumerate(layout.specs) if _matches(pattern, spec.name)}
        if not hits:
            raise SubspaceError(
                f"modules pattern {pattern!r} matches no parameter; the first are "
                f"{[spec.name for spec in layout.specs[:4]]}"
            )
        found |= hits
    return tuple(sorted(found))


def _matches(pattern: str, name: str) -> bool:
    parts = name.split(".")
    return any(fnmatch.fnmatchcase(".".join(parts[:k]), pattern) for k in range(1, len(parts) + 1))
