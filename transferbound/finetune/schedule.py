"""The grid and the price of a bit, over a run: when the grid enters, how coordinates settle on it, what bits cost.

It knows a model, a quantizer and the part of the run that is done, and nothing of the loop that trains: a callback of
another trainer can drive it as well. Each step: :meth:`GridSchedule.advance`, the loss's own ``backward()``,
:meth:`GridSchedule.charge`, an optimizer step at :meth:`GridSchedule.learning_rates`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from transferbound.errors import SubspaceError
from transferbound.finetune.settings import FinetuneSettings
from transferbound.finetune.soft_bits import soft_bits
from transferbound.message import Header, message_bits
from transferbound.risks.risk import Objective
from transferbound.subspace import SubspaceModel
from transferbound.subspace.quantizer import Quantizer

__all__ = ["GridSchedule"]

_WARMUP = 20
# Coordinates are fixed the slower, the fewer are left to make up for it; and these must still move to the end.
_FIXING_POWER = 2
_FIXING_RATE = 0.2  # at least, of the learning rate


class GridSchedule:
    """Puts the grid of ``model``'s quantizer into a run, and the price of the message into its gradient.

    Args:
        model: a :class:`SubspaceModel` whose quantizer is a :class:`Quantizer`.
        header: the choices of the message.
        risk: whose bound sets the price of a bit.
        delta: the bound's failure probability.
        settings: see :class:`FinetuneSettings`.

    Attributes:
        bits: length of the message when it was last computed; 0 before the grid is in the loop.

    Raises:
        SubspaceError: the model has no quantizer.
    """

    def __init__(
        self, model: SubspaceModel, header: Header, risk: Objective, delta: float, settings: FinetuneSettings
    ) -> None:
        if not isinstance(model.quantizer, Quantizer):
            raise SubspaceError(
                "the model has no Quantizer; pass quantizer=Quantizer(levels) to SubspaceModel"
            )
        self.model, self.header, self.risk, self.delta, self.settings = model, header, risk, delta, settings
        self.quantizer = model.quantizer
        self.bits = 0.0

    @property
    def exponent(self) -> int:
        """Exponent of the lattice step, as a message names it."""
        return self.quantizer.exponent

    def advance(self, done: float, *, recount: bool = False) -> None:
        """Moves the grid to where it belongs when ``done`` (a fraction) of the run is over.

        Args:
            done: 0 at the start, 1 at the end.
            recount: compute ``bits`` anew; otherwise only where they are not known yet.
        """
        settings, quantizer = self.settings, self.quantizer
        if done >= settings.quantize_from and not quantizer.active:
            quantizer.start(self.model.coordinates, settings.initial_density)
        if quantizer.active and settings.fix_until is not None:
            if quantizer.log_step.requires_grad:
                quantizer.snap_step()
            quantizer.fix(self.model.coordinates, self._fixed_share(done, settings.fix_until))
        if done >= settings.settle_from and quantizer.log_step.requires_grad:
            quantizer.snap_step()
        if quantizer.active and (recount or self.bits == 0.0):
            self.bits = message_bits(self.header, quantizer.integers(self.model.coordinates))

    def learning_rates(self, step: int, done: float) -> tuple[float, float]:
        """Of the coordinates and of the step's logarithm: warm-up, then half a cosine."""
        rate = self.settings.learning_rate * min(1.0, (step + 1) / _WARMUP)
        floor = 0.0 if self.quantizer.fixed is None else _FIXING_RATE
        rate *= max(0.5 * (1.0 + math.cos(math.pi * done)), floor)
        return rate, rate * self.settings.step_rate

    def charge(self, mean: float, surrogate: float) -> None:
        """Adds the gradient of the bits' price to that of the surrogate.

        Args:
            mean: the mean loss as it stands.
            surrogate: the mean surrogate that goes with it: the price is paid in its units.
        """
        if not self.quantizer.active or self.settings.bit_weight == 0:
            return
        price = self.risk.bit_price(mean, self.bits, self.delta)
        exchange = surrogate / max(mean, 1.0 / self.risk.units.n)
        bits = soft_bits(self.model.coordinates, self.quantizer.log_step.exp(), self.quantizer.threshold)
        (self.settings.bit_weight * price * exchange * bits).backward()
        if self.quantizer.fixed is not None and self.model.coordinates.grad is not None:
            self.model.coordinates.grad.masked_fill_(self.quantizer.fixed, 0.0)

    def _fixed_share(self, done: float, last: float) -> float:
        first = self.settings.quantize_from
        return 1.0 if done >= last else 1.0 - ((last - done) / (last - first)) ** _FIXING_POWER

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain numbers that :meth:`restore` takes; the coordinates and the step are the model's own."""
        tensors = {} if self.quantizer.fixed is None else {"fixed": self.quantizer.fixed.clone()}
        numbers = {
            "bits": self.bits,
            "active": self.quantizer.active,
            "settled": not self.quantizer.log_step.requires_grad,
        }
        return tensors, numbers

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """The inverse of :meth:`state`; further entries are left alone."""
        if "fixed" in tensors:
            self.quantizer.fixed = tensors["fixed"].to(self.model.coordinates.device, torch.bool)
        self.bits = numbers["bits"]
        self.quantizer.active = numbers["active"]
        self.quantizer.log_step.requires_grad_(not numbers["settled"])
