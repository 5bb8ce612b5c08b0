"""What a sparse head comes to: the bits of its message and the bound, for an encoder that has thousands to compare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from transferbound.finetune.heads import HeadProblem
from transferbound.message import Header, cheapest, header_bits, step_size
from transferbound.message.estimate import estimated_symbol_bits
from transferbound.risks.risk import Risk
from transferbound.subspace.kinds.sparse import sparse_contexts

__all__ = ["HeadJudge"]

Ints = npt.NDArray[np.int64]


class HeadJudge:
    """Bits and bound of the heads of one header, the step left open; the bits are an estimate, off by a bit or so.

    Args:
        risk: what is bounded, on all rows.
        delta: the bound's failure probability.
        header: what the messages say beside step and integers.
        held: rows that were kept from training: the mean loss is then no smaller than theirs. None: there are none.

    Attributes:
        mean: the mean loss that was judged last.
        contexts: the context ids of the integers.
    """

    def __init__(self, risk: Risk, delta: float, header: Header, held: HeadProblem | None) -> None:
        self.risk, self.delta, self.header, self.held = risk, delta, header, held
        self.contexts = sparse_contexts(header.components, header.classes)
        self.fixed = header_bits(header)
        self.mean = 1.0

    def header_of(self, integers: Ints, exponent: int) -> Header:
        """The header that makes the message shortest."""
        return cheapest(replace(self.header, step=exponent), integers, self.contexts)

    def __call__(self, mean: float, integers: Ints, exponent: int) -> tuple[float, float]:
        levels = self.header.levels
        bits = self.fixed + min(
            estimated_symbol_bits(integers, levels=levels),
            estimated_symbol_bits(integers, self.contexts, levels=levels),
        )
        if self.held is not None:
            w = torch.from_numpy(integers).view(self.held.shape).float() * step_size(exponent)
            mean = max(mean, self.held.mean_loss(self.held.logits(w)))
        self.mean = mean
        return bits, self.risk.expected_bound(mean, bits, self.delta)
