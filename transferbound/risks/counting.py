"""Counting errors: the same number whatever the batch size, the order, the threads or the device.

Float32 sums depend on how they are grouped, so an example whose two best logits nearly tie could fall
either way. Such close calls are decided once more in float64. What is still within ``TIE`` of a tie there
is an error: the predictor then has no answer, whatever the last digits say on one machine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm import tqdm

from transferbound.data.encoded import EncodedData
from transferbound.errors import ArgumentError

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["CLOSE_CALL", "TIE", "ErrorCount", "count_errors"]

CLOSE_CALL = 1e-3
"""Margins below this part of an example's largest logit (in absolute value) are settled in float64."""

TIE = 1e-9
"""Margins in float64 below this part of the largest logit count as ties, and so as errors."""

_FLOAT64_BATCH = 16
# On a CPU larger batches leave its caches: MiniLM takes up to 2.5 times as long, EfficientNet-Lite0 1.3 times.
_CPU_TOKENS = 512
_CPU_IMAGES = 64


@dataclass(frozen=True)
class ErrorCount:
    """Errors of a classifier on a data set.

    Attributes:
        wrong: bool [n], in the data set's order.
        close_calls: how many examples were settled in float64.
    """

    wrong: npt.NDArray[np.bool_]
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
    batch_size: int = 250,
    accelerator: Accelerator | None = None,
    progress: bool = False,
    order: npt.NDArray[np.int64] | None = None,
) -> ErrorCount:
    """Counts the examples whose label does not get the strictly largest logit.

    Args:
        module: maps ``**data.batch(...)`` to logits [B, C]; put into eval mode, float32 expected.
        data: the encoded examples.
        batch_size: most examples at a time; has no effect on the result.
        accelerator: where given, its processes share the work and all get the whole result.
        progress: show a progress bar.
        order: the order in which examples are taken, int64 [n]; has no effect on the result.

    Raises:
        ArgumentError: ``batch_size`` is not positive.
    """
    if batch_size < 1:
        raise ArgumentError(f"batch_size is {batch_size}; it must be at least 1")
    module.eval()
    device = next(module.parameters()).device
    rows = _order(data) if order is None else order
    if accelerator is not None:
        rows = rows[accelerator.process_index :: accelerator.num_processes]
    wrong = np.zeros(data.n, dtype=bool)
    close: list[npt.NDArray[np.int64]] = []
    bar = tqdm(total=len(rows), desc="counting errors", unit="ex", disable=not progress, leave=False)
    with _full_float32(device), bar:
        for some in _blocks(data, rows, batch_size, device):
            ((indices, batch, labels),) = data.batches(len(some), order=some, device=device)
            logits = module(**batch)
            margin, size = _margin(logits.double(), labels)
            wrong[indices] = (margin <= 0).cpu().numpy()
            close.append(indices[(margin.abs() <= CLOSE_CALL * size).cpu().numpy()])
            bar.update(len(indices))
    doubtful = np.concatenate(close) if close else np.zeros(0, dtype=np.int64)
    if len(doubtful):
        _settle(module, data, doubtful, wrong, device)
    return _combine(wrong, len(doubtful), accelerator, device)


def _order(data: EncodedData) -> npt.NDArray[np.int64]:
    """Texts of like length together, so that little is padded; images as they stand."""
    if data.lengths is None:
        return np.arange(data.n)
    return np.argsort(data.lengths, kind="stable")[::-1].copy()


def _blocks(
    data: EncodedData, rows: npt.NDArray[np.int64], batch_size: int, device: torch.device
) -> Iterator[npt.NDArray[np.int64]]:
    """Row numbers of each batch."""
    start = 0
    while start < len(rows):
        size = batch_size
        if device.type == "cpu" and data.lengths is None:
            size = min(size, _CPU_IMAGES)
        elif device.type == "cpu":
            assert data.lengths is not None
            size = min(size, max(1, _CPU_TOKENS // max(1, int(data.lengths[rows[start]]))))
        yield rows[start : start + size]
        start += size


def _margin(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """[B] margin of the true class over the best other one, and [B] largest absolute logit."""
    own = logits.gather(1, labels[:, None]).squeeze(1)
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    # A logit that is not a number is no answer: the margin becomes -inf, an error.
    margin = torch.where(torch.isfinite(own - others), own - others, -torch.inf)
    return margin, logits.abs().amax(1)


def _settle(
    module: nn.Module,
    data: EncodedData,
    doubtful: npt.NDArray[np.int64],
    wrong: npt.NDArray[np.bool_],
    device: torch.device,
) -> None:
    if device.type == "mps":  # no float64 there
        device = torch.device("cpu")
    exact = copy.deepcopy(module).to(device=device, dtype=torch.float64)
    for indices, batch, labels in data.batches(_FLOAT64_BATCH, order=np.sort(doubtful), device=device):
        wide = {k: v.double() if v.is_floating_point() else v for k, v in batch.items()}
        margin, size = _margin(exact(**wide), labels)
        wrong[indices] = ~(margin > TIE * size).cpu().numpy()  # a size that is not a number: an error


def _combine(
    wrong: npt.NDArray[np.bool_], close_calls: int, accelerator: Accelerator | None, device: torch.device
) -> ErrorCount:
    if accelerator is None or accelerator.num_processes == 1:
        return ErrorCount(wrong, close_calls)
    summed: Any = accelerator.reduce(
        torch.cat([torch.from_numpy(wrong).long(), torch.tensor([close_calls])]).to(device), reduction="sum"
    )
    total = summed.cpu().numpy()
    return ErrorCount(total[:-1].astype(bool), int(total[-1]))


def _full_float32(device: torch.device) -> Any:
    """No TF32 in convolutions: its rounding is coarser than a close call."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(
        enabled=True, benchmark=torch.backends.cudnn.benchmark, deterministic=True, allow_tf32=False
    )
