"""How to finetune: the encoder's settings, none of which the decoder needs."""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from transferbound.errors import ArgumentError

__all__ = ["FORMER_NAMES", "FinetuneSettings"]

FORMER_NAMES = {"rate": "bit_weight", "initial_share": "initial_density"}
"""From the names that fields had to those that they have; the old ones are understood for one release."""

_Class = TypeVar("_Class")


def _with_former_names(settings: type[_Class]) -> type[_Class]:
    """Keywords of ``FORMER_NAMES`` are taken for the new ones, with a DeprecationWarning."""
    init = settings.__init__

    @functools.wraps(init)
    def renaming(self: _Class, *args: Any, **given: Any) -> None:
        for old in FORMER_NAMES.keys() & given.keys():
            new = FORMER_NAMES[old]
            warnings.warn(f"{old} is now {new}; write {new}=", DeprecationWarning, stacklevel=2)
            given[new] = given.pop(old)  # beside the new name it wins: ``replace`` gives both
        init(self, *args, **given)

    settings.__init__ = renaming  # type: ignore[assignment]
    return settings


@_with_former_names
@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of one finetuning run.

    Attributes:
        epochs: passes over the data, may be a fraction; None: as many as ``budget_minutes`` allows.
        budget_minutes: wall time for the whole run, evaluation included, when ``epochs`` is None. The
            number of steps is fixed from the speed of the first ones, rounded down to a coarse grid, and
            kept in the checkpoint, so that a resumed run does what an unbroken one does.
        batch_size: examples in one optimizer step, over all processes.
        learning_rate: of the coordinates' optimizer, after warm-up.
        quantize_from: fraction of the steps after which the grid is in the loop.
        fix_until: from ``quantize_from`` to this fraction of the steps the coordinates are fixed on the grid one
            after another, while the others stay real and make up for it (incremental quantization). None: all
            are rounded from ``quantize_from`` on, with straight-through gradients and a learned step.
        settle_from: fraction of the steps after which the step size stays on the message's own grid.
        step_rate: learning rate of the step's logarithm, relative to the coordinates'.
        initial_density: share of the coordinates that are not zero when quantization starts.
        threshold: rounding threshold of the grid (see :class:`transferbound.subspace.quantizer.Quantizer`).
        bit_weight: weight of the bits in the loss; 1 trades them against errors as the bound does.
        polish: sets of changed integers that are tried on the whole training set after training, each kept
            if the true bound falls (:mod:`transferbound.finetune.polish`); 0: none.
        seed: order of the data.
        mixed_precision: "no", "bf16" or "fp16", as for accelerate.
        save_seconds: a checkpoint is written at least this often.

    Raises:
        ArgumentError: a value is out of range.
    """

    epochs: float | None = None
    budget_minutes: float = 20.0
    batch_size: int = 32
    learning_rate: float = 0.0075
    quantize_from: float = 0.4
    fix_until: float | None = None
    settle_from: float = 0.8
    step_rate: float = 0.3
    initial_density: float = 0.6
    threshold: float = 0.5
    bit_weight: float = 1.0
    polish: int = 0
    seed: int = 0
    mixed_precision: str = "no"
    save_seconds: float = 20.0

    def __post_init__(self) -> None:
        if self.epochs is not None:
            _require("epochs", self.epochs, self.epochs > 0, "a positive number")
        _require(
            "budget_minutes", self.budget_minutes, self.budget_minutes > 0, "a positive number of minutes"
        )
        _require("batch_size", self.batch_size, self.batch_size >= 1, "at least 1")
        _require("learning_rate", self.learning_rate, self.learning_rate > 0, "a positive number")
        _require("step_rate", self.step_rate, self.step_rate >= 0, "at least 0")
        _require("initial_density", self.initial_density, 0 < self.initial_density <= 1, "in (0, 1]")
        _require("threshold", self.threshold, 0 < self.threshold < 1, "between 0 and 1")
        ordered = 0 <= self.quantize_from <= self.settle_from <= 1
        _require(
            "quantize_from", self.quantize_from, ordered, "between 0 and settle_from, which is at most 1"
        )
        if self.fix_until is not None:
            ordered = self.quantize_from <= self.fix_until <= 1
            _require("fix_until", self.fix_until, ordered, "between quantize_from and 1")
        _require("bit_weight", self.bit_weight, self.bit_weight >= 0, "at least 0")
        _require("polish", self.polish, self.polish >= 0, "at least 0")
        _require("seed", self.seed, self.seed >= 0, "at least 0")
        known = ("no", "bf16", "fp16")
        _require("mixed_precision", self.mixed_precision, self.mixed_precision in known, "no, bf16 or fp16")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def _require(name: str, value: object, holds: bool, wanted: str) -> None:
    if not holds or (isinstance(value, float) and not math.isfinite(value)):
        raise ArgumentError(f"{name} is {value!r}; it must be {wanted}")
