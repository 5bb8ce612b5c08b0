"""Which bounds hold for the mean of losses of one kind, which is the headline, and what a bit is worth in it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from transferbound.bounds._checks import FloatArray
from transferbound.bounds.betting import occam_bounded
from transferbound.bounds.binomial import occam_binomial
from transferbound.bounds.occam import occam_kl
from transferbound.bounds.planning import bit_price, errors_at, max_bits, max_bits_kl, min_n, min_n_kl
from transferbound.bounds.report import all_bounds

__all__ = ["COUNTS", "MEANS", "CountForm", "Form", "HeldOut", "MeanForm", "held_out", "held_out_size"]

_CHOICE_BITS = 1.0
"""What :func:`occam_bounded` pays for the choice between its two forms."""


class Form(ABC):
    """Bounds on the mean of n independent losses, for every message at once; ``headline`` names the one to report.

    Everywhere ``bits`` is the length of the message, ``delta`` the probability with which a bound may fail, and means,
    targets and bounds are on the scale of the losses (fractions in [0, 1]).
    """

    headline: ClassVar[str]

    @abstractmethod
    def bounds(self, losses: FloatArray, bits: float, delta: float) -> dict[str, float]:
        """Every bound by name, from the losses [n] of the units. Raises ArgumentError."""

    @abstractmethod
    def expected(self, mean: float, n: int, bits: float, delta: float) -> dict[str, float]:
        """The most that :meth:`bounds` can give for this mean, before losses are known. Raises ArgumentError."""

    def bound(self, losses: FloatArray, bits: float, delta: float) -> float:
        """The headline, from the losses [n] of the units."""
        return self.bounds(losses, bits, delta)[self.headline]

    def expected_bound(self, mean: float, n: int, bits: float, delta: float) -> float:
        """The headline of :meth:`expected`."""
        return self.expected(mean, n, bits, delta)[self.headline]

    @abstractmethod
    def max_bits(self, target: float, mean: float, n: int, delta: float) -> float:
        """The longest message that still meets ``target``; nan where none does, inf where all do."""

    @abstractmethod
    def min_n(self, target: float, mean: float, bits: float, delta: float) -> float:
        """The fewest units that meet ``target``; inf where none do."""

    @abstractmethod
    def errors(self, mean: float, n: int) -> int | None:
        """The whole number of losses of one that ``mean`` stands for among n; None where losses are not 0 or 1."""

    def price(self, mean: float, n: int, bits: float, delta: float) -> float:
        """The rise of the mean that lifts the bound as much as one more bit does (:func:`bit_price`)."""
        return bit_price(mean, n, bits, delta)


class CountForm(Form):
    """Losses are 0 or 1: the binomial tail, exact for a count, and its relaxations for comparison."""

    headline = "occam_binomial"

    def bounds(self, losses: FloatArray, bits: float, delta: float) -> dict[str, float]:
        return all_bounds(int(np.count_nonzero(losses)), len(losses), bits, delta)

    def expected(self, mean: float, n: int, bits: float, delta: float) -> dict[str, float]:
        return all_bounds(errors_at(mean, n) if n >= 1 else 0, n, bits, delta)

    def bound(self, losses: FloatArray, bits: float, delta: float) -> float:
        return occam_binomial(int(np.count_nonzero(losses)), len(losses), bits, delta)

    def expected_bound(self, mean: float, n: int, bits: float, delta: float) -> float:
        return occam_binomial(errors_at(mean, n), n, bits, delta)

    def max_bits(self, target: float, mean: float, n: int, delta: float) -> float:
        return float(max_bits(target, errors_at(mean, n), n, delta))

    def min_n(self, target: float, mean: float, bits: float, delta: float) -> float:
        return float(min_n(target, mean, bits, delta))

    def errors(self, mean: float, n: int) -> int | None:
        return errors_at(mean, n)


class MeanForm(Form):
    """Losses lie in [0, 1], such as the mean over the rows of a group: the kl form or betting, whichever is smaller."""

    headline = "occam_bounded"

    def bounds(self, losses: FloatArray, bits: float, delta: float) -> dict[str, float]:
        headline = occam_bounded(losses, bits, delta)
        return {
            "occam_bounded": headline,
            "occam_kl": occam_kl(float(np.mean(losses)), len(losses), bits, delta),
        }

    def expected(self, mean: float, n: int, bits: float, delta: float) -> dict[str, float]:
        return {
            "occam_bounded": self.expected_bound(mean, n, bits, delta),
            "occam_kl": occam_kl(mean, n, bits, delta),
        }

    def bound(self, losses: FloatArray, bits: float, delta: float) -> float:
        return occam_bounded(losses, bits, delta)

    def expected_bound(self, mean: float, n: int, bits: float, delta: float) -> float:
        # The kl form alone: what betting gains depends on the variance.
        return occam_kl(mean, n, bits + _CHOICE_BITS if bits >= 0 else bits, delta)

    def max_bits(self, target: float, mean: float, n: int, delta: float) -> float:
        bits = float(max_bits_kl(target, mean, n, delta)) - _CHOICE_BITS
        return bits if bits >= 0.0 else math.nan

    def min_n(self, target: float, mean: float, bits: float, delta: float) -> float:
        return float(min_n_kl(target, mean, bits + _CHOICE_BITS, delta))

    def errors(self, mean: float, n: int) -> int | None:
        return None


COUNTS, MEANS = CountForm(), MeanForm()


@dataclass(frozen=True)
class HeldOut:
    """What a held-out part of the same data would certify.

    Attributes:
        n: units held out.
        errors: wrong ones among them, rounded up; None where the losses of units are means.
        bound: on the mean of new units, a fraction, with nothing paid for a message.
    """

    n: int
    errors: int | None
    bound: float


def held_out_size(share: float, n: int) -> int:
    """How many of n units a ``share`` of them is, rounded down, at least 1."""
    return max(1, math.floor(share * n * (1.0 + 1e-12)))


def held_out(form: Form, share: float, n: int, mean: float, delta: float) -> HeldOut:
    """What holding out a ``share`` of n units would certify if their mean loss were ``mean``.

    A held-out predictor is one, fixed before its units are seen: no bits, and no choice between forms to pay.
    For counts the upper Clopper-Pearson limit; for means the kl form. Raises ArgumentError.

        >>> held_out(COUNTS, 0.1, n=5000, mean=0.1, delta=0.05).errors
        50
    """
    size = held_out_size(share, n)
    errors = form.errors(mean, size)
    bound = occam_kl(mean, size, 0.0, delta) if errors is None else occam_binomial(errors, size, 0.0, delta)
    return HeldOut(size, errors, float(bound))
