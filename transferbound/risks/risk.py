"""``Risk``: the mean of a loss over independent units. Whatever knows what a loss is asks one of these.

Training asks for a surrogate and for the losses as they stand; the statement for careful losses, bounds and
baselines; reports for words. Smaller is better for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferbound.bounds import Form
from transferbound.risks.units import Units

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import Tensor, nn

    from transferbound.data.encoded import EncodedData
    from transferbound.data.labelled import LabelledData

__all__ = ["Measured", "Objective", "Risk", "Words"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """The losses of a fixed predictor on a data set.

    Attributes:
        rows: the loss of each row, float64 [rows].
        units: the loss of each unit, float64 [n].
    """

    rows: Floats
    units: Floats

    @property
    def mean(self) -> float:
        """The empirical risk: the mean over the units."""
        return float(np.mean(self.units))


@dataclass(frozen=True)
class Words:
    """What reports call things.

    Attributes:
        predictor: what answers: ``classifier``.
        quantity: what is bounded: ``error``.
        axis: the same with its unit, for a figure: ``error (%)``.
        scale: from a value to the figure's unit.
        constant: the baseline of :meth:`Risk.constant`, for a figure: ``most common class``.
    """

    predictor: str
    quantity: str
    axis: str
    scale: float
    constant: str


class Objective(ABC):
    """What training asks of whatever is bounded.

    Attributes:
        words: as reports say it.
        units: what is independent; ``units.n`` is the n of every bound.
    """

    words: ClassVar[Words]
    units: Units

    @abstractmethod
    def surrogate(self, outputs: Tensor, rows: Ints) -> Tensor:
        """What training lowers in place of the loss: [B], differentiable, for the rows ``rows``."""

    @abstractmethod
    def losses(self, outputs: Tensor, rows: Ints) -> Tensor:
        """The losses [B] of the rows ``rows`` as the model's outputs have them: quick, and good enough to steer by."""

    @abstractmethod
    def bound(self, rows: Floats, bits: float, delta: float) -> float:
        """The headline for losses [number of rows] and a message of ``bits`` bits."""

    @abstractmethod
    def expected_bound(self, mean: float, bits: float, delta: float) -> float:
        """The headline for units of this mean loss, where that is all that is known."""

    @abstractmethod
    def bit_price(self, mean: float, bits: float, delta: float) -> float:
        """The rise of the mean loss that lifts the bound as much as one more bit does."""

    def memory(self) -> dict[str, float]:
        """What training has taught it: kept with the run's checkpoint, and the same in all processes."""
        return {}

    def recall(self, memory: Mapping[str, float]) -> None:  # noqa: B027  (most learn nothing)
        """Goes on from what :meth:`memory` gave."""

    @staticmethod
    @abstractmethod
    def value(value: float) -> str:
        """A measured value with its unit: ``10.72 %``."""

    @staticmethod
    @abstractmethod
    def value_up(value: float) -> str:
        """A bound with its unit, rounded up."""


class Risk(Objective):
    """The mean of a loss over the units of one data set.

    Attributes:
        name: as certificates state it.
        form: the bounds that hold for the losses of the units, and the headline among them.
    """

    name: ClassVar[str]
    form: Form

    @classmethod
    @abstractmethod
    def of(cls, data: LabelledData) -> Risk:
        """The risk of ``data``, whose targets and units it knows."""

    @classmethod
    @abstractmethod
    def form_for(cls, grouped: bool) -> Form:
        """The bounds that hold where units are groups of rows, or rows."""

    # Training ---------------------------------------------------------------------------------------

    def bound(self, rows: Floats, bits: float, delta: float) -> float:
        """The headline for losses [number of rows] and a message of ``bits`` bits."""
        return self.form.bound(self.units.losses(rows), bits, delta)

    def expected_bound(self, mean: float, bits: float, delta: float) -> float:
        """The headline for units of this mean loss, where that is all that is known."""
        return self.form.expected_bound(min(max(mean, 0.0), 1.0), self.units.n, bits, delta)

    def bit_price(self, mean: float, bits: float, delta: float) -> float:
        """The rise of the mean loss that lifts the bound as much as one more bit does."""
        return self.form.price(mean, self.units.n, bits, delta)

    # The statement ----------------------------------------------------------------------------------

    @abstractmethod
    def measure(
        self,
        module: nn.Module,
        data: EncodedData,
        *,
        batch_size: int = 250,
        accelerator: Accelerator | None = None,
        progress: bool = False,
        seed: int | None = None,
    ) -> Measured:
        """The losses of ``module`` on all rows, the same whatever the batch size, order, threads or device.

        Args:
            module: the decoded predictor.
            data: the encoded rows.
            batch_size, accelerator, progress: how to count; without effect on the result.
            seed: composes the batches in another way; without effect on the result.

        Raises:
            PriorError: the answer for a row moves with the rows beside it.
        """

    @abstractmethod
    def counted(self, measured: Measured) -> dict[str, Any]:
        """What a certificate says of the losses on its top level, beside ``n`` and the bounds."""

    @abstractmethod
    def baselines(self, measured: Measured, delta: float) -> dict[str, Any]:
        """``comparison`` of a certificate: what other ways to answer, and to bound, would give."""

    def stated(self, measured: Measured, bits: float, delta: float) -> dict[str, Any]:
        """The headline and its companions, as a certificate has them. Every bound is of the losses of the units."""
        bounds = self.form.bounds(measured.units, bits, delta)
        return {
            "risk_bound": float(bounds[self.form.headline]),
            "n": self.units.n,
            **self.counted(measured),
            "message_bits": float(bits),
            "bounds": {name: float(value) for name, value in bounds.items()},
        }

    # Reports, from a certificate's content -----------------------------------------------------------

    @staticmethod
    @abstractmethod
    def guess(content: Mapping[str, Any]) -> float:
        """What answering without having learned anything gives: a bound that is not below it is vacuous."""

    @staticmethod
    @abstractmethod
    def constant(content: Mapping[str, Any]) -> tuple[str, float]:
        """The best constant answer, in words, and its loss on the training rows."""

    @staticmethod
    @abstractmethod
    def count(content: Mapping[str, Any]) -> str:
        """The losses as they were counted: ``536 wrong rows``."""
