"""Reals to integers: a symmetric lattice of L levels with a learned step, and gradients through it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferbound.errors import ArgumentError

__all__ = ["Quantizer"]


class Quantizer(nn.Module):
    """w -> step * q with q in {-(L-1)/2, ..., (L-1)/2}, differentiable by the straight-through rule.

    The gradient of q with respect to w / step is one inside the grid and zero outside (Bengio et al. 2013),
    which gives the step the gradient of learned step size quantization (Esser et al. 2020, eq. 3).

    Args:
        levels: odd number L >= 3 of grid levels.
        step: the step to start from, > 0, in units of the coordinates.
        threshold: |w| / step from which a coordinate is rounded away from zero, in (0, 1). Above 0.5 the grid
            has a dead zone, which makes offsets sparser; the rounding is the encoder's business, so it is free.

    Attributes:
        active: while False, ``forward`` is the identity (the warm-up of a finetuning run).
        fixed: coordinates that :meth:`fix` has put on the grid for good, bool [d]; None: all are rounded, with
            straight-through gradients.

    Raises:
        ArgumentError: an even number of levels, a step that is not positive, or a threshold out of range.
    """

    def __init__(self, levels: int = 3, step: float = 0.1, threshold: float = 0.5) -> None:
        super().__init__()
        if levels < 3 or levels % 2 == 0:
            raise ArgumentError(
                f"levels is {levels}; use an odd number of at least 3, so that zero is a level"
            )
        if not (math.isfinite(step) and step > 0):
            raise ArgumentError(f"the step is {step}; it must be a positive number")
        if not 0 < threshold < 1:
            raise ArgumentError(f"the threshold is {threshold}; it must lie between 0 and 1")
        self.levels = levels
        self.threshold = threshold
        self.largest = (levels - 1) // 2
        self.log_step = nn.Parameter(torch.tensor(math.log(step)))
        self.active = False
        self.fixed: Tensor | None = None

    def forward(self, w: Tensor) -> Tensor:
        """Shape [d] to shape [d]."""
        if not self.active:
            return w
        step = self.log_step.exp()
        if self.fixed is not None:
            return torch.where(self.fixed, w.detach(), w)
        position = (w / step).clamp(-self.largest, self.largest)
        return (position + (self._round(position) - position).detach()) * step

    @torch.no_grad()
    def integers(self, w: Tensor) -> npt.NDArray[np.int64]:
        """The grid points q nearest to the coordinates, int64 [d]."""
        position = (w / self.log_step.exp()).clamp(-self.largest, self.largest)
        return self._round(position).to(device="cpu", dtype=torch.int64).numpy()

    def _round(self, position: Tensor) -> Tensor:
        return position.sign() * (position.abs() + (0.5 - self.threshold)).clamp_min(0).round()

    @torch.no_grad()
    def start(self, w: Tensor, share: float) -> None:
        """Puts the grid into the loop, with the step at which ``share`` of the coordinates are not zero."""
        edge = torch.quantile(w.abs().float(), 1.0 - share)
        if edge > 0:
            self.log_step.copy_((edge / self.threshold).log())
        self.active = True

    @torch.no_grad()
    def fix(self, w: Tensor, share: float) -> None:
        """Moves coordinates onto the grid, in place, until ``share`` of them are there, and keeps them there.

        Incremental quantization (Zhou et al. 2017, arXiv 1702.03044, section 3): those that are not fixed yet
        stay real and make up for the errors of those that are. The ones beyond the ends of the grid go
        first, then the nearest.
        """
        if self.fixed is None:
            self.fixed = torch.zeros_like(w, dtype=torch.bool)
        step = self.log_step.exp()
        position = w / step
        grid = self._round(position.clamp(-self.largest, self.largest))
        distance = (position - grid).abs()
        distance = torch.where(position.abs() > self.largest, -distance, distance)
        distance[self.fixed] = -math.inf
        count = min(len(w), math.ceil(share * len(w)))
        self.fixed[distance.argsort(stable=True)[:count]] = True
        w.copy_(torch.where(self.fixed, grid * step, w))

    @property
    def exponent(self) -> int:
        """Exponent of the nearest step that a message can name (see :func:`transferbound.message.step_size`)."""
        return round(4 * float(self.log_step.detach()) / math.log(2))

    @torch.no_grad()
    def snap_step(self) -> None:
        """Moves the step to the nearest one that a message can name, and stops learning it."""
        self.log_step.fill_(self.exponent * math.log(2) / 4)
        self.log_step.requires_grad_(False)
