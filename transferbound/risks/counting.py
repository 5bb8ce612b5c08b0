"""Counting errors: the same number whatever the batch size, the order, the threads or the device.

Close calls are settled in float64 (:mod:`transferbound.risks.passes`). What is still within rounding of a tie there is
an error: the predictor then has no answer, whatever the last digits say on one machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferbound.data.batches import LARGE_BATCH, composition
from transferbound.data.encoded import EncodedData
from transferbound.distributed import share, total
from transferbound.errors import ArgumentError
from transferbound.risks.passes import settled_pass

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["ErrorCount", "count_errors"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ErrorCount:
    """Errors of a classifier on a data set.

    Attributes:
        wrong: bool [n], in the data set's order.
        close_calls: how many examples were settled in float64.
    """

    wrong: Bools
    close_calls: int

    @property
    def n(self) -> int:
        return len(self.wrong)

    @property
    def errors(self) -> int:
        return int(self.wrong.sum())


@torch.inference_mode()
def count_errors(
    module: nn.Module,
    data: EncodedData,
    *,
    batch_size: int = LARGE_BATCH,
    accelerator: Accelerator | None = None,
    progress: bool = False,
    seed: int | None = None,
    order: Ints | None = None,
) -> ErrorCount:
    """Counts the examples whose label does not get the strictly largest logit.

    Args:
        module: maps ``**data.batch(...)`` to logits [B, C]; put into eval mode, float32 expected.
        data: the encoded examples.
        batch_size: most examples at a time; has no effect on the result.
        accelerator: where given, its processes share the work and all get the whole result.
        progress: show a progress bar.
        seed: composes the batches in another way (:func:`transferbound.data.batches.composition`); has no effect on
            the result.
        order: the order in which examples are taken, int64 [n], instead; has no effect on the result.

    Raises:
        ArgumentError: ``batch_size`` is not positive.
        PriorError: the answer for a row moves with the rows beside it.
    """
    if batch_size < 1:
        raise ArgumentError(f"batch_size is {batch_size}; it must be at least 1")
    rows, batch_size = composition(data, batch_size, seed)
    rows = share(rows if order is None else order, accelerator)
    wrong = np.zeros(data.n, dtype=bool)

    def judge(some: Ints, logits: Tensor, part: float) -> Tensor:
        margin, size = _margin(logits, data.labels[torch.from_numpy(some)].to(logits.device))
        wrong[some] = ~(margin > part * size).cpu().numpy()  # where size is no finite number: an error
        return margin.abs() <= part * size

    close = settled_pass(module, data, rows, judge, batch_size=batch_size, progress=progress)
    summed = total(torch.from_numpy(np.append(wrong.astype(np.int64), close)), accelerator).cpu().numpy()
    return ErrorCount(summed[:-1].astype(bool), int(summed[-1]))


def _margin(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """[B] margin of the true class over the best other one, and [B] largest absolute logit."""
    own = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return own - others, logits.abs().amax(1)
