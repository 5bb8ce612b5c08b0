"""What a classifier answers, row by row, by the rule that errors are counted by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferbound.data.batches import LARGE_BATCH, evaluation_order
from transferbound.data.encoded import EncodedData
from transferbound.errors import ArgumentError
from transferbound.risks.passes import settled_pass

__all__ = ["NO_ANSWER", "Answers", "answers_of"]

NO_ANSWER = -1
"""In place of a class where the best two tie within rounding: such a row is an error whatever its label."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """What a classifier says of some rows.

    Attributes:
        classes: int64 [n], in the rows' order; ``NO_ANSWER`` where it has none.
        logits: float64 [n, C]; of close calls those that they were settled by, of others float32 logits.
    """

    classes: Ints
    logits: npt.NDArray[np.float64]


@torch.inference_mode()
def answers_of(
    module: nn.Module,
    data: EncodedData,
    classes: int,
    *,
    batch_size: int = LARGE_BATCH,
) -> Answers:
    """The class with the strictly largest logit, for each row as if it came alone.

    :func:`transferbound.risks.counting.count_errors` counts the rows whose label is another.

    Args:
        module: maps ``**data.batch(...)`` to logits [B, C]; put into eval mode, float32 expected.
        data: the encoded rows; their labels are not looked at.
        classes: C.
        batch_size: most rows at a time; has no effect on the classes.

    Raises:
        ArgumentError: ``batch_size`` is not positive.
        PriorError: the answer for a row moves with the rows beside it.
    """
    if batch_size < 1:
        raise ArgumentError(f"batch_size is {batch_size}; it must be at least 1")
    found = Answers(np.full(data.n, NO_ANSWER, dtype=np.int64), np.zeros((data.n, classes)))

    def judge(some: Ints, logits: Tensor, part: float) -> Tensor:
        values, places = logits.topk(2, dim=1)
        margin, size = values[:, 0] - values[:, 1], logits.abs().amax(1)
        # Neither what is not a number nor an infinity is larger than such a part: no answer.
        answered = torch.isfinite(margin) & (margin > part * size)
        found.classes[some] = torch.where(answered, places[:, 0], NO_ANSWER).cpu().numpy()
        found.logits[some] = logits.cpu().numpy()
        return margin <= part * size

    settled_pass(module, data, evaluation_order(data), judge, batch_size=batch_size)
    return found
