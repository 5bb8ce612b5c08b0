"""The best of the constant answers: what the family that ``bound`` tries is never above."""

from __future__ import annotations

import numpy as np
import torch

from transferbound.certification.attempt import Attempt
from transferbound.data.labelled import LabelledData
from transferbound.message import Header, message_bits
from transferbound.risks.zero_one import ZeroOne

__all__ = ["constant_answer", "weights_of"]


def constant_answer(data: LabelledData, base: Header, delta: float) -> Attempt:
    """The class whose answer to everything is most often right.

    Args:
        data: the rows that are counted.
        base: what all headers of a run have in common.
        delta: the bound's failure probability.
    """
    risk, labels = ZeroOne.of(data), np.asarray(data.labels)
    weights = weights_of(risk, data.n).numpy()
    means = [float(weights[labels != answer].sum()) for answer in range(base.classes)]
    answer = int(np.argmin(means))
    header = Header(
        "constant",
        dim=1,
        candidate=base.candidate,
        candidates=base.candidates,
        answer=answer,
        classes=base.classes,
    )
    integers = np.zeros(1, dtype=np.int64)
    bits = message_bits(header, integers)
    wrong = (labels != answer).astype(np.float64)
    return Attempt(
        header, integers, means[answer], bits, risk.form.bound(risk.units.losses(wrong), bits, delta)
    )


def weights_of(risk: ZeroOne, n: int) -> torch.Tensor:
    """float64 [n], of sum one: the share of each row in the mean over units."""
    ones = risk.units.weigh(torch.ones(n), np.arange(n)).double()
    return ones / ones.sum()
