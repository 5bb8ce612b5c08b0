"""Counting errors: the same number whatever the batch size, the order, the threads or the device.

Float32 sums depend on how they are grouped, so an example whose two best logits nearly tie could fall
either way. Such close calls are decided once more in float64; how close is close, a trial of some rows says
(:mod:`transferbound.risks.trial`). What is still within rounding of a tie there is an error: the predictor
then has no answer, whatever the last digits say on one machine.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm import tqdm

from transferbound.data.batches import LARGE_BATCH, composition, evaluation_batches
from transferbound.data.encoded import EncodedData
from transferbound.distributed import share, total
from transferbound.errors import ArgumentError
from transferbound.risks.trial import Precision, in_float64, logits_of, try_rows_alone

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["ErrorCount", "count_errors"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_FLOAT64_BATCH = 16


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
    module.eval()
    device = next(module.parameters()).device
    rows, batch_size = composition(data, batch_size, seed)
    rows = share(rows if order is None else order, accelerator)
    wrong = np.zeros(data.n, dtype=bool)
    with _full_float32(device):
        precision = try_rows_alone(module, data, batch_size=batch_size, device=device)
        close = _decide(module, data, rows, wrong, precision, batch_size, progress)
    if len(close):
        _settle(module, data, close, wrong, precision)
    summed = total(torch.from_numpy(np.append(wrong.astype(np.int64), len(close))), accelerator).cpu().numpy()
    return ErrorCount(summed[:-1].astype(bool), int(summed[-1]))


def _decide(
    module: nn.Module,
    data: EncodedData,
    rows: Ints,
    wrong: Bools,
    precision: Precision,
    batch_size: int,
    progress: bool,
) -> Ints:
    """Fills in ``wrong`` at ``rows`` by float32 logits; gives the rows that are too close for that."""
    if precision.close >= 1.0:
        return rows
    device = next(module.parameters()).device
    close: list[Ints] = [np.zeros(0, dtype=np.int64)]
    with tqdm(total=len(rows), desc="counting errors", unit="ex", disable=not progress, leave=False) as bar:
        for some in evaluation_batches(data, rows, batch_size, device):
            margin, size = _margin(logits_of(module, data, some).double(), _labels(data, some, device))
            wrong[some] = (margin <= 0).cpu().numpy()
            close.append(some[(margin.abs() <= precision.close * size).cpu().numpy()])
            bar.update(len(some))
    return np.concatenate(close)


def _settle(module: nn.Module, data: EncodedData, close: Ints, wrong: Bools, precision: Precision) -> None:
    exact = in_float64(module)
    device = next(exact.parameters()).device
    for some in evaluation_batches(data, np.sort(close), _FLOAT64_BATCH, device):
        margin, size = _margin(logits_of(exact, data, some, wide=True), _labels(data, some, device))
        wrong[some] = ~(margin > precision.tie * size).cpu().numpy()  # a size that is not a number: an error


def _labels(data: EncodedData, rows: Ints, device: torch.device) -> Tensor:
    return data.labels[torch.from_numpy(rows)].to(device)


def _margin(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """[B] margin of the true class over the best other one, and [B] largest absolute logit."""
    own = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    # A logit that is not a number is no answer: the margin becomes -inf, an error.
    margin = torch.where(torch.isfinite(own - others), own - others, -torch.inf)
    return margin, logits.abs().amax(1)


def _full_float32(device: torch.device) -> AbstractContextManager[None]:
    """No TF32 in convolutions: its rounding is coarser than a close call."""
    if device.type != "cuda":
        return nullcontext()
    cudnn: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=torch.backends.cudnn.benchmark, deterministic=True, allow_tf32=False
    )
    return cudnn
