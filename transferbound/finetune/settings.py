"""How to finetune: the encoder's settings, none of which the decoder needs."""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import asdict, dataclass, field
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
    """Settings of one finetuning run. What each is stands beside its default, and in ``transferbound bound --help``.

    With ``epochs=None`` the number of steps is fixed from the speed of the first ones, rounded down to a coarse grid,
    and kept in the checkpoint, so that a resumed run does what an unbroken one does.

    Raises:
        ArgumentError: a value is out of range.
    """

    epochs: float | None = field(
        default=None,
        metadata={"help": "Passes over the data, may be a fraction, instead of a time budget."},
    )
    budget_minutes: float = field(
        default=5.0, metadata={"help": "Wall time for the whole run, evaluation included."}
    )
    batch_size: int = field(
        default=32, metadata={"help": "Examples in a step, over all processes.", "search": True}
    )
    learning_rate: float = field(
        default=0.0075,
        metadata={
            "help": "Of the coordinates, relative to the tensors' sizes, after warm-up.",
            "search": True,
        },
    )
    bit_weight: float = field(
        default=1.0,
        metadata={"help": "Weight of the bits in the loss; 1 trades them as the bound does.", "search": True},
    )
    quantize_from: float = field(
        default=0.4, metadata={"help": "Fraction of the steps after which w is on the grid.", "search": True}
    )
    fix_until: float | None = field(
        default=None,
        metadata={
            "help": "Fix the coordinates on the grid one after another until this fraction of the steps (0.95), the "
            "others making up for it: best with 5 levels and several epochs. Default: round all at once, with "
            "straight-through gradients and a learned lattice step.",
            "search": True,
        },
    )
    settle_from: float = field(
        default=0.8,
        metadata={
            "help": "Fraction of the steps after which the lattice step stays as a message can name it.",
            "search": True,
        },
    )
    step_rate: float = field(
        default=0.3,
        metadata={
            "help": "Learning rate of the lattice step's logarithm, relative to the coordinates'.",
            "search": True,
        },
    )
    initial_density: float = field(
        default=0.6,
        metadata={
            "help": "Share of the coordinates that are not zero when quantization starts.",
            "search": True,
        },
    )
    threshold: float = field(
        default=0.5,
        metadata={
            "help": "Part of a lattice step from which a coordinate is rounded away from zero.",
            "search": True,
        },
    )
    polish: int = field(
        default=0,
        metadata={
            "help": "After training, try this many sets of changed coordinates, each on the whole training set, and "
            "keep those that lower the bound."
        },
    )
    seed: int = field(
        default=0,
        metadata={"help": "Order of the data; costs nothing.", "search": True, "option": "training_seed"},
    )
    mixed_precision: str = field(default="no", metadata={"help": "no, bf16 or fp16, for training only."})
    save_seconds: float = field(
        default=20.0, metadata={"help": "A checkpoint is written at least this often."}
    )

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
        _require("save_seconds", self.save_seconds, self.save_seconds >= 0, "at least 0")
        known = ("no", "bf16", "fp16")
        _require("mixed_precision", self.mixed_precision, self.mixed_precision in known, "no, bf16 or fp16")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def _require(name: str, value: object, holds: bool, wanted: str) -> None:
    if not holds or (isinstance(value, float) and not math.isfinite(value)):
        raise ArgumentError(f"{name} is {value!r}; it must be {wanted}")
