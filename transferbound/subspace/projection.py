"""The interface that every kind of P implements.

A projection is described by integers alone: P has integer entries, and the real offset of tensor ``t``
is ``scale_t * norm * (P w)_t`` with fixed powers of two. With integer coordinates P q is computed exactly
in float64, in whatever order, which is what the decoder relies on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound.errors import SubspaceError
from transferbound.subspace.layout import Layout

__all__ = ["ExactTerm", "Projection"]

#: ``(factor, power, integers)``: the part ``factor * step**power * integers`` of an offset.
ExactTerm = tuple[float, int, Tensor]


class Projection(ABC):
    """P: R^dim -> R^D, applied tensor by tensor.

    ``trainable`` are positions in ``layout.specs``; ``scales`` maps each to the factor of its offset, which
    includes the kind's own normalization, so that w of unit variance moves a parameter by about the
    tensor's scale.
    """

    kind: str
    linear: bool = True  # whether the offset is linear in w

    def __init__(
        self, dim: int, layout: Layout, trainable: tuple[int, ...], scales: dict[int, float]
    ) -> None:
        self.dim = dim
        self.layout = layout
        self.trainable = trainable
        self.scales = scales

    @property
    def trainable_size(self) -> int:
        """Number of parameters that the subspace moves."""
        return sum(self.layout.specs[i].size for i in self.trainable)

    @abstractmethod
    def prepare(self, w: Tensor) -> Any:
        """What ``write`` and ``project`` need of the coordinates ``w``, float32 or float64, shape [dim]."""

    @abstractmethod
    def write(self, point: Any, index: int, base: Tensor, out: Tensor) -> None:
        """``out = base + (P w)_index``: contiguous, flat, of w's dtype; ``out`` may be ``base``."""

    @abstractmethod
    def new_total(self, dtype: torch.dtype, device: torch.device) -> Any:
        """An empty accumulator for ``project``."""

    @abstractmethod
    def project(self, point: Any, index: int, grad: Tensor, total: Any) -> None:
        """Adds the gradient with respect to w that ``grad`` of tensor ``index`` (contiguous, flat) gives."""

    @abstractmethod
    def fold(self, total: Any) -> Tensor:
        """The accumulated gradient, shape [dim]."""

    @abstractmethod
    def exact(self, integers: Tensor, index: int) -> list[ExactTerm]:
        """The offset of tensor ``index`` for integer coordinates (float64), as exact integer tensors."""

    @abstractmethod
    def exact_bound(self, integers: npt.NDArray[np.int64]) -> int:
        """No integer met while computing ``exact`` exceeds this in absolute value."""

    @abstractmethod
    def cost(self) -> dict[str, int]:
        """Per step: ``state_bytes`` held beyond theta0, ``flops``, and bytes of ``traffic`` (float32)."""

    def memory(self, bytes_per_parameter: int = 4) -> dict[str, int]:
        """Bytes that a training step holds, activations aside.

        ``weights`` are the model's, ``prior`` is theta0 of the trainable ones, ``gradient`` is that of the
        largest trainable tensor (the only one alive), ``state`` is what P needs. Plain finetuning with
        Adam holds 4 D numbers instead.
        """
        sizes = [self.layout.specs[i].size for i in self.trainable]
        return {
            "weights": bytes_per_parameter * self.layout.size,
            "prior": bytes_per_parameter * sum(sizes),
            "gradient": bytes_per_parameter * max(sizes),
            "state": self.cost()["state_bytes"],
        }

    def contexts(self) -> npt.NDArray[np.int64]:
        """For each coordinate 1 if it moves the head alone, else 0. Shape [dim]."""
        return np.zeros(self.dim, dtype=np.int64)

    def describe(self) -> dict[str, Any]:
        """Plain data: what the projection is."""
        return {
            "kind": self.kind,
            "dim": self.dim,
            "parameters": self.layout.size,
            "touched_parameters": self.trainable_size,
            "touched_tensors": len(self.trainable),
        }

    def require_dim_at_most(self, largest: int) -> None:
        """Raises SubspaceError if there are more coordinates than parameters to move."""
        if self.dim > largest:
            raise SubspaceError(
                f"dim={self.dim} exceeds the {largest} parameters that {self.kind!r} moves here: "
                f"the largest dim is {largest}"
            )
