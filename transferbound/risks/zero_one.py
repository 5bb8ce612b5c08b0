"""``zero_one``: the error of a classifier. A row is wrong where its label does not get the largest logit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from transferbound.bounds import COUNTS, MEANS, Form, held_out
from transferbound.risks.risk import Floats, Ints, Measured, Risk, Words
from transferbound.risks.units import Groups, Rows
from transferbound.wording import percent, percent_up

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import Tensor, nn

    from transferbound.data.encoded import EncodedData
    from transferbound.data.labelled import LabelledData

__all__ = ["ZeroOne"]

_HELD_OUT_SHARE = 0.1


class ZeroOne(Risk):
    """The share of units that are answered wrongly; of a group, the share of its rows.

    Args:
        labels: int64 [rows].
        class_names: one name a class.
        groups: the group of each row, int64 [rows]; None where each row is a unit.
    """

    name = "zero_one"
    words = Words("classifier", "error", "error (%)", 100.0, "most common class")

    def __init__(self, labels: Ints, class_names: Sequence[str], groups: Ints | None = None) -> None:
        self.labels = np.asarray(labels, dtype=np.int64)
        self.class_names = tuple(class_names)
        self.units = Rows(len(self.labels)) if groups is None else Groups(groups)
        self.form = self.form_for(grouped=groups is not None)

    @classmethod
    def of(cls, data: LabelledData) -> ZeroOne:
        return cls(data.labels, data.class_names, data.groups)

    @classmethod
    def form_for(cls, grouped: bool) -> Form:
        return MEANS if grouped else COUNTS

    def surrogate(self, outputs: Tensor, rows: Ints) -> Tensor:
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs.float(), self._labels(outputs, rows), reduction="none")

    def losses(self, outputs: Tensor, rows: Ints) -> Tensor:
        return (outputs.argmax(1) != self._labels(outputs, rows)).float()

    def _labels(self, outputs: Tensor, rows: Ints) -> Tensor:
        import torch

        return torch.from_numpy(self.labels[rows]).to(outputs.device)

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
        """Rows that are wrong, each counted alone: :func:`transferbound.risks.counting.count_errors`."""
        from transferbound.risks.counting import count_errors

        count = count_errors(
            module, data, batch_size=batch_size, accelerator=accelerator, progress=progress, seed=seed
        )
        wrong: Floats = count.wrong.astype(np.float64)
        return Measured(wrong, self.units.losses(wrong))

    def counted(self, measured: Measured) -> dict[str, Any]:
        """Rows that are wrong, and the mean over units, a fraction."""
        return {"errors": round(measured.rows.sum()), "train_error": measured.mean}

    def baselines(self, measured: Measured, delta: float) -> dict[str, Any]:
        """Guessing, the most common class, and what a held-out tenth would certify at the same error."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        tenth = held_out(self.form, _HELD_OUT_SHARE, self.units.n, measured.mean, delta)
        return {
            "uniform_guess_error": 1.0 - 1.0 / len(self.class_names),
            "majority_class": self.class_names[int(counts.argmax())],
            "majority_class_error": float(1.0 - counts.max() / counts.sum()),
            "holdout_tenth": {"n": tenth.n, "errors": tenth.errors, "bound": tenth.bound},
        }

    @staticmethod
    def guess(content: Mapping[str, Any]) -> float:
        return float(content["comparison"]["uniform_guess_error"])

    @staticmethod
    def constant(content: Mapping[str, Any]) -> tuple[str, float]:
        compared = content["comparison"]
        return str(compared["majority_class"]), float(compared["majority_class_error"])

    @staticmethod
    def count(content: Mapping[str, Any]) -> str:
        return f"{content['errors']:,} wrong rows"

    @staticmethod
    def value(value: float) -> str:
        return percent(value)

    @staticmethod
    def value_up(value: float) -> str:
        return percent_up(value)
