"""What a bit is worth: the bound's own exchange rate between bits and errors, and soft bits to train with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from transferbound.bounds import occam_kl
from transferbound.finetune.numbers import clamp_fraction

__all__ = ["bit_price", "soft_bits"]

_SHARPNESS = 6.0


def bit_price(risk: float, n: int, bits: float, delta: float) -> float:
    """Training errors (as a fraction) that one bit is worth at this point of the bound.

    For the kl form, kl(r || B) = (K ln 2 + ln(1/delta)) / n, the bound's derivatives give
    (dB/dK) / (dB/dr) = (ln 2 / n) / (logit B - logit r).
    """
    risk = clamp_fraction(risk, n)
    bound = clamp_fraction(occam_kl(risk, n, bits, delta), n)
    gap = _logit(bound) - _logit(risk)
    return math.log(2) / n / max(gap, 1e-3)


def soft_bits(w: Tensor, step: Tensor, threshold: float = 0.5) -> Tensor:
    """A differentiable stand-in for the adaptive code's length of the rounded w / step: bits, a scalar.

    Each coordinate pays for its place on the zero/non-zero side, as the frequencies stand now; the
    coordinate's pull towards zero is what lowers the length.
    """
    nonzero = torch.sigmoid((w.abs() / step.detach() - threshold) * _SHARPNESS)
    share = float(nonzero.detach().mean().clamp(1e-4, 1 - 1e-4))
    price = max(0.0, math.log2((1 - share) / share) + 1.0)
    return price * nonzero.sum()


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)
