"""Likelihoods made bounded: prediction smoothing, and the choice of its parameter paid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferbound.bounds._checks import FloatArray, check_bits, check_count, check_losses
from transferbound.bounds.betting import occam_bounded
from transferbound.errors import ArgumentError


@dataclass(frozen=True)
class Smoothing:
    """Mixing a prediction with the uniform one: p' = (1 - alpha) p + alpha / classes.

    Its loss -log2 p' then lies between ``low`` and ``high`` bits (Lotfi et al. 2024, arXiv 2312.17173,
    section 4).

    Attributes:
        alpha: weight of the uniform prediction, in (0, 1).
        classes: number of classes, or of tokens in the vocabulary, at least 2.
    """

    alpha: float
    classes: int

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise ArgumentError(f"alpha must lie strictly between 0 and 1, got {self.alpha}")
        check_count("classes", self.classes, 2, 2**53)

    @property
    def low(self) -> float:
        """Smallest possible loss, in bits: -log2(1 - alpha + alpha / classes)."""
        return -math.log2(1.0 - self.alpha + self.alpha / self.classes)

    @property
    def high(self) -> float:
        """Largest possible loss, in bits: log2(classes / alpha)."""
        return math.log2(self.classes / self.alpha)

    def losses(self, probabilities: Any) -> FloatArray:
        """-log2 p' in bits for the probabilities of the true classes (any shape, each in [0, 1])."""
        array = np.asarray(probabilities, dtype=np.float64)
        if array.size == 0 or not bool(((array >= 0.0) & (array <= 1.0)).all()):
            raise ArgumentError("probabilities must be numbers in [0, 1], at least one of them")
        return np.asarray(-np.log2((1.0 - self.alpha) * array + self.alpha / self.classes))

    def to_unit(self, bits: Any) -> FloatArray:
        """Losses in bits (or means of such losses) rescaled to [0, 1]."""
        unit = (np.asarray(bits, dtype=np.float64) - self.low) / (self.high - self.low)
        if unit.size and (unit.min() < -1e-9 or unit.max() > 1.0 + 1e-9):
            raise ArgumentError(
                f"losses must lie in [{self.low}, {self.high}] bits: smooth the predictions first"
            )
        return np.clip(unit, 0.0, 1.0)

    def from_unit(self, unit: float) -> float:
        """The inverse of :meth:`to_unit`, for a bound: bits, rounded outward."""
        return (self.low + unit * (self.high - self.low)) * (1.0 + 1e-15)


@dataclass(frozen=True)
class SmoothedBound:
    """A bound on the expected smoothed loss, with the smoothing that was chosen and what the choice cost.

    Attributes:
        bound: bits per example (per unit). risk: the mean loss on the training data, in bits.
        smoothing: the one chosen. choice_bits: log2 of the number of alphas that stood to choose from.
    """

    bound: float
    risk: float
    smoothing: Smoothing
    choice_bits: float


def smoothed_likelihood(
    probabilities: Sequence[Any], alphas: Sequence[float], classes: int, bits: float, delta: float
) -> SmoothedBound:
    """The best bound on the expected loss in bits of a smoothed predictor, over a declared list of alphas.

    Each alpha makes another predictor of the same message; naming it costs log2 len(alphas) bits, which are
    added. Rescaled to [0, 1], the losses go through :func:`occam_bounded`, sharper than the Hoeffding form of
    Lotfi et al. 2024 (arXiv 2312.17173).

    Args:
        probabilities: one entry per independent unit: the probability of its true class, or an array of such
            probabilities (the tokens of one document), whose losses are averaged.
        alphas: the list, fixed before the data was seen.
        classes: number of classes or tokens. bits, delta: as in :func:`occam_binomial`.

    Raises:
        ArgumentError: an empty list, or a value out of range.
    """
    if len(alphas) == 0:
        raise ArgumentError("alphas must name at least one value, got an empty list")
    if len(probabilities) == 0:
        raise ArgumentError("probabilities must hold at least one unit, got an empty list")
    choice_bits = math.log2(len(alphas))
    found = []
    for alpha in alphas:
        smoothing = Smoothing(float(alpha), classes)
        unit_losses = np.array([float(smoothing.losses(p).mean()) for p in probabilities])
        scaled = check_losses(smoothing.to_unit(unit_losses))
        bound = smoothing.from_unit(occam_bounded(scaled, check_bits(bits) + choice_bits, delta))
        found.append(SmoothedBound(bound, float(unit_losses.mean()), smoothing, choice_bits))
    return min(found, key=lambda item: item.bound)
