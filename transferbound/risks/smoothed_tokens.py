"""Bounds on the loss of a language model whose every prediction is mixed with the uniform one, for comparison.

This is the form of Lotfi et al. 2024 (SubLoRA, arXiv 2312.17173, section 4), with documents for units: with
p' = (1 - alpha) p + alpha / V the loss of a token lies in an interval of log2(1 + (1 - alpha) V / alpha) bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from transferbound.bounds import Smoothing, hoeffding, occam_betting, occam_kl
from transferbound.risks.likelihoods import ALPHAS
from transferbound.risks.risk import Floats
from transferbound.risks.units import Units

__all__ = ["smoothed_bounds"]

_CHOICE = math.log2(len(ALPHAS))
_FORMS: dict[str, Callable[[Floats, float, float], float]] = {
    "smoothed_hoeffding": lambda losses, bits, delta: float(
        hoeffding(losses.mean(), len(losses), bits, delta)
    ),
    "smoothed_kl": lambda losses, bits, delta: float(occam_kl(losses.mean(), len(losses), bits, delta)),
    "smoothed_betting": occam_betting,
}


def smoothed_bounds(
    smoothed: Floats, units: Units, vocabulary: int, bits: float, delta: float
) -> dict[str, float]:
    """By name, bounds in bits per token on the smoothed loss: Hoeffding's (SubLoRA's), the kl form and betting.

    Args:
        smoothed: float64 [n, len(ALPHAS)], bits per token of each document under each alpha.
        units: what is independent.
        vocabulary: V.
        bits: of the message; the choice of alpha is paid beside it.
        delta: with which each may fail.
    """
    found = {}
    for name, form in _FORMS.items():
        bounds = []
        for place, alpha in enumerate(ALPHAS):
            scale = Smoothing(alpha, vocabulary)
            unit = np.clip(scale.to_unit(units.losses(smoothed[:, place])), 0.0, 1.0)
            bounds.append(scale.from_unit(form(unit, bits + _CHOICE, delta)))
        found[name] = float(min(bounds))
    return found
