"""One member of the family that ``bound`` tries, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transferbound.finetune.heads import TrainedHead
from transferbound.message import Header
from transferbound.subspace.kinds.sparse import sparse_contexts

__all__ = ["Attempt", "rank"]


@dataclass(frozen=True)
class Attempt:
    """One member of the family, and what it came to.

    Attributes:
        header, integers: the message.
        mean: mean loss of the units it was judged on, a fraction.
        bits: length of the message.
        bound: what both give, a fraction; an estimate where not all rows were looked at.
        seconds: how long it took.
        whole: whether all rows were looked at.
        head: as it was trained; None for an answer that was not.
    """

    header: Header
    integers: npt.NDArray[np.int64]
    mean: float
    bits: float
    bound: float
    seconds: float = 0.0
    whole: bool = True
    head: TrainedHead | None = None

    @property
    def contexts(self) -> npt.NDArray[np.int64] | None:
        """The context ids of the integers, where the message has any."""
        if self.header.kind == "constant":
            return None
        return sparse_contexts(self.header.components, self.header.classes)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, for the record of what was tried."""
        which: dict[str, Any] = {"kind": self.header.kind}
        if self.header.kind == "sparse":
            which |= {name: getattr(self.header, name) for name in ("features", "components", "levels")}
        return {
            **which,
            "train_error": round(self.mean, 6),
            "bits": round(self.bits, 1),
            "bound": round(self.bound, 6),
            "rows": "all" if self.whole else "some",
            "seconds": round(self.seconds, 2),
        }


def rank(attempt: Attempt) -> tuple[float, float]:
    """The better, the smaller."""
    return attempt.bound, attempt.bits
