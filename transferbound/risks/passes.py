"""A pass over all rows whose decisions are the same whatever the batch size, the order, the threads or the device.

Float32 sums depend on how they are grouped, so a row whose two best logits nearly tie could fall either way. Such
close calls are decided once more in float64; how close is close, a trial of some rows says
(:mod:`transferbound.risks.trial`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm import tqdm

from transferbound.data.batches import evaluation_batches
from transferbound.data.encoded import EncodedData
from transferbound.risks.trial import in_float64, logits_of, try_rows_alone

__all__ = ["Judge", "settled_pass"]

Ints = npt.NDArray[np.int64]

Judge = Callable[[Ints, Tensor, float], Tensor]
"""Keeps what it makes of some rows, and says which of them are in doubt: from row numbers [B], their logits, float64
[B, C], and the part of a row's largest logit below which a margin is doubtful, to bool [B]."""

_FLOAT64_BATCH = 16


def settled_pass(
    module: nn.Module,
    data: EncodedData,
    rows: Ints,
    judge: Judge,
    *,
    batch_size: int,
    progress: bool = False,
) -> int:
    """Lets ``judge`` see the float32 logits of ``rows``, and those in float64 of the rows that it doubts.

    Args:
        module: put into eval mode; float32 expected.
        data: the encoded rows.
        rows: row numbers, int64.
        judge: see :data:`Judge`.
        batch_size: most rows at a time.
        progress: show a progress bar.

    Returns:
        How many rows were settled in float64.

    Raises:
        PriorError: the answer for a row moves with the rows beside it.
    """
    module.eval()
    device = next(module.parameters()).device
    with full_float32(device):
        precision = try_rows_alone(module, data, batch_size=batch_size, device=device)
        close = rows
        if precision.close < 1.0:
            close = _doubted(module, data, rows, judge, precision.close, batch_size, progress)
        if len(close):
            exact = in_float64(module)
            device = next(exact.parameters()).device
            for some in evaluation_batches(data, np.sort(close), _FLOAT64_BATCH, device):
                judge(some, logits_of(exact, data, some, wide=True), precision.tie)
    return len(close)


def _doubted(
    module: nn.Module,
    data: EncodedData,
    rows: Ints,
    judge: Judge,
    part: float,
    batch_size: int,
    progress: bool,
) -> Ints:
    """The rows that ``judge`` doubts by their float32 logits."""
    device = next(module.parameters()).device
    doubted: list[Ints] = [np.zeros(0, dtype=np.int64)]
    with tqdm(total=len(rows), desc="counting errors", unit="ex", disable=not progress, leave=False) as bar:
        for some in evaluation_batches(data, rows, batch_size, device):
            doubt = judge(some, logits_of(module, data, some).double(), part)
            doubted.append(some[doubt.cpu().numpy()])
            bar.update(len(some))
    return np.concatenate(doubted)


def full_float32(device: torch.device) -> AbstractContextManager[None]:
    """No TF32 in convolutions: its rounding is coarser than a close call."""
    if device.type != "cuda":
        return nullcontext()
    cudnn: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=torch.backends.cudnn.benchmark, deterministic=True, allow_tf32=False
    )
    return cudnn
