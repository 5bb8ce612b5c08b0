"""Soft bits: a differentiable stand-in for the length of the message, to train with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["soft_bits"]

_SHARPNESS = 6.0


def soft_bits(w: Tensor, step: Tensor, threshold: float = 0.5) -> Tensor:
    """A differentiable stand-in for the adaptive code's length of the rounded w / step: bits, a scalar.

    Each coordinate pays for its place on the zero/non-zero side, as the frequencies stand now; the
    coordinate's pull towards zero is what lowers the length.
    """
    nonzero = torch.sigmoid((w.abs() / step.detach() - threshold) * _SHARPNESS)
    share = float(nonzero.detach().mean().clamp(1e-4, 1 - 1e-4))
    price = max(0.0, math.log2((1 - share) / share) + 1.0)
    return price * nonzero.sum()
