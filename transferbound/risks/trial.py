"""A trial before counting: does the predictor answer for a row alone, and how far off are its float32 logits?

A certificate is about a predictor that gets one row. If the rows beside it in a batch moved its answer (statistics of
the batch, capacities of experts, tokens that are dropped), the count would be of another one. So some rows are
computed alone and among others in float64, where rounding cannot hide a difference, and the model is refused where
there is one. The same rows in float32, as they are counted, say how close a call must be to be settled in float64.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferbound.data.batches import evaluation_batches, evaluation_order
from transferbound.data.encoded import EncodedData
from transferbound.errors import PriorError

__all__ = ["CLOSE_CALL", "TIE", "Precision", "in_float64", "logits_of", "try_rows_alone"]

CLOSE_CALL = 1e-3
"""Margins below this part of an example's largest logit (in absolute value) are always settled in float64."""

TIE = 1e-9
"""Margins in float64 below this part of the largest logit always count as ties, and so as errors."""

_MOST_IN_FLOAT64 = 1e-6
"""Of the largest logit: float64 rounding stays far below it, a dependence on other rows does not."""

_ROUNDING = 1e-9
"""Of the largest logit of all rows that are tried: a row of smaller logits is compared with that."""

_SAFETY = 32.0
"""A few rows are tried, and all are counted: margins are this many times the largest difference that was seen."""

_BATCHES, _ROWS = 4, 4  # tried: so many batches, and so many rows of each


@dataclass(frozen=True)
class Precision:
    """Parts of a row's largest logit below which a margin is doubtful.

    Attributes:
        close: in float32; such rows are settled in float64. 1 and above: all rows are.
        tie: in float64; such rows have no answer, and are errors.
    """

    close: float = CLOSE_CALL
    tie: float = TIE


@torch.inference_mode()
def try_rows_alone(
    module: nn.Module, data: EncodedData, *, batch_size: int, device: torch.device
) -> Precision:
    """Computes some rows alone and among others, and says how precisely logits are known.

    Args:
        module: on ``device``, in eval mode, float32.
        data: the encoded rows.
        batch_size: most rows at a time, as they are counted.

    Raises:
        PriorError: the logits of a row move with the rows beside it, or are not determined by float64 arithmetic.
    """
    batches = list(evaluation_batches(data, evaluation_order(data), batch_size, device))
    # The fullest ones: there are companions in them.
    fullest = sorted(range(len(batches)), key=lambda place: -len(batches[place]))[: 8 * _BATCHES]
    tried = [batches[place] for place in fullest[:: max(1, len(fullest) // _BATCHES)]][:_BATCHES]
    exact = in_float64(module)
    close = tie = 0.0
    for rows in tried:
        at = np.unique(np.linspace(0, len(rows) - 1, _ROWS).astype(np.int64))
        try:
            alone = torch.cat([logits_of(exact, data, rows[place : place + 1], wide=True) for place in at])
        except (RuntimeError, ValueError) as error:  # normalization over a batch of one, say
            raise PriorError(
                f"{_name(module)} does not answer for a row that comes alone: {error}"
            ) from error
        size = alone.abs().amax(1)
        counted = logits_of(module, data, rows).to(alone)[torch.from_numpy(at)]
        off = _largest(counted, alone, size)
        # Part of the batch is enough, unless float32 leaves a doubt: capacities are those of whole batches.
        among = logits_of(exact, data, rows if off > CLOSE_CALL else rows[at], wide=True)
        tie = max(tie, _largest(among[torch.from_numpy(at)] if len(among) > len(at) else among, alone, size))
        close = max(close, off)
    if tie > _MOST_IN_FLOAT64:
        raise PriorError(
            f"the answers of {_name(module)} for a row move with the rows beside it in a batch, by {tie:.2g} of the "
            "largest logit: a bound is about rows that come alone. Choose a checkpoint of another architecture"
        )
    return Precision(max(CLOSE_CALL, _SAFETY * close), max(TIE, _SAFETY * tie))


def in_float64(module: nn.Module) -> nn.Module:
    """A copy in float64, on the module's device where that knows float64, else on the CPU."""
    device = next(module.parameters()).device
    return copy.deepcopy(module).to(device="cpu" if device.type == "mps" else device, dtype=torch.float64)


def logits_of(
    module: nn.Module, data: EncodedData, rows: npt.NDArray[np.int64], *, wide: bool = False
) -> Tensor:
    """[B, C] on the module's device; ``wide`` where it is in float64."""
    batch = data.batch(rows, next(module.parameters()).device)
    if wide:
        batch = {
            name: value.double() if value.is_floating_point() else value for name, value in batch.items()
        }
    logits: Tensor = module(**batch)
    return logits


def _largest(one: Tensor, other: Tensor, size: Tensor) -> float:
    """The largest difference as a part of its row's size; rows without finite numbers do not count.

    It is infinite where only one of the two is a finite number, and for a row whose logits are all zero when it comes
    alone and otherwise are not.
    """
    finite = torch.isfinite(one)
    if bool((finite != torch.isfinite(other)).any()):
        return torch.inf
    known = finite.all(1) & torch.isfinite(size)
    if not bool(known.any()):
        return 0.0
    least = max(_ROUNDING * float(size[known].max()), torch.finfo(torch.float64).tiny)
    return float(((one - other)[known].abs().amax(1) / size[known].clamp_min(least)).max())


def _name(module: nn.Module) -> str:
    return type(getattr(module, "network", module)).__name__
