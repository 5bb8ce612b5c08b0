"""``bits_per_token``: the loss of a language model on documents, mixed with its prior, and the excess over the prior.

With p0 the prior, which holds 2^-``UNIFORM_BITS`` of the uniform distribution over the documents of each length, and p
the finetuned model, the certified predictor is q = (1 - a) p + a p0 on whole documents. Its loss on a document of L
tokens is -log2 q / L. What finetuning is worth is the excess over the prior, which is at most log2(1 / a) / L on any
document, and negative where finetuning helped: so it is bounded by bets on what is left to that limit, and the prior's
own loss, which no message was chosen for, by bets of its own.

A message can be a chain of stages, q_j = (1 - a_j) p_j + a_j q_(j-1), whose excesses over one another are bounded one
by one: the first, short, buys what varies much from document to document, and the later ones pay for their many bits
where little varies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from transferbound.bounds import (
    FLOOR,
    ExcessBound,
    Level,
    chained_excess,
    floored_top,
    mean_upper_bound,
)
from transferbound.message.generation import MOST_STAGES
from transferbound.risks.risk import Objective, Words
from transferbound.risks.units import Groups, Rows, Units
from transferbound.wording import round_up

if TYPE_CHECKING:
    from torch import Tensor

    from transferbound.data.encoded_documents import EncodedDocuments

__all__ = ["UNIFORM_BITS", "BitsPerToken", "with_uniform"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

UNIFORM_BITS = int(-math.log2(FLOOR))
"""p0 holds 2^-7 of the uniform distribution, so that no document costs more than log2 V + 7 / L bits per token."""

_FIRST_SPREAD = 0.3  # bits per token; until training has seen some
_MEMORY = 0.95


def with_uniform(log2: Floats, lengths: Ints, vocabulary: int) -> Floats:
    """log2 of (1 - 2^-7) p + 2^-7 V^-L for documents of log2-probability ``log2``, float64 [n]: the prior p0.

    >>> float(with_uniform(np.array([-1e6]), np.array([10]), 1024)[0])
    -107.0
    """
    share = 2.0**-UNIFORM_BITS
    return np.asarray(
        np.logaddexp2(log2 + math.log2(1.0 - share), -lengths * math.log2(vocabulary) - UNIFORM_BITS)
    )


@dataclass
class BitsPerToken(Objective):
    """The mean over documents, or groups of them, of the bits per token of the mixture q.

    Attributes:
        prior: float64 [n], log2 of each document's probability under what is mixed in: p0, or the stage before.
        lengths: int64 [n], tokens predicted.
        mix: a = 2^-mix.
        vocabulary: V.
        least: the fewest tokens of a document of the population, fixed in advance.
        units: what is independent: documents, or groups.
        spread: of what is added to the loss of what is mixed in, as training last saw it, bits per token.
        is_first: whether p0 is mixed in, and no stage.
    """

    words: ClassVar[Words] = Words("language model", "loss", "loss (bits per token)", 1.0, "uniform guess")

    prior: Floats
    lengths: Ints
    mix: int
    vocabulary: int
    least: int
    units: Units
    spread: float = _FIRST_SPREAD
    is_first: bool = True

    @classmethod
    def of(
        cls, data: EncodedDocuments, prior: Floats, *, mix: int, vocabulary: int, least: int
    ) -> BitsPerToken:
        """The risk of encoded documents; ``prior`` is log2 of their probability under the checkpoint as it is."""
        units = Rows(data.n) if data.groups is None else Groups(data.groups)
        mixed = with_uniform(prior, data.lengths, vocabulary)
        return cls(mixed, data.lengths, mix, vocabulary, least, units)

    # What training asks -----------------------------------------------------------------------------

    def surrogate(self, outputs: Tensor, rows: Ints) -> Tensor:
        """Bits per token of q, [B], differentiable, from the log2-probabilities of tokens [B, L] under p."""
        import torch

        prior = torch.from_numpy(self.prior[rows]).to(outputs)
        lengths = torch.from_numpy(self.lengths[rows]).to(outputs)
        mixed = torch.logaddexp2(outputs.sum(1) + math.log2(1.0 - 2.0**-self.mix), prior - self.mix)
        with torch.no_grad():
            seen = float(((prior - mixed) / lengths).std(correction=0)) if len(rows) > 1 else self.spread
            self.spread = _MEMORY * self.spread + (1.0 - _MEMORY) * seen
        return -mixed / lengths

    def losses(self, outputs: Tensor, rows: Ints) -> Tensor:
        """:meth:`surrogate`: here training lowers what is bounded."""
        return self.surrogate(outputs, rows).detach()

    def memory(self) -> dict[str, float]:
        return {"spread": self.spread}

    def recall(self, memory: Mapping[str, float]) -> None:
        self.spread = float(memory.get("spread", self.spread))

    def bit_price(self, mean: float, bits: float, delta: float) -> float:
        """About how much one more bit raises the bound, in bits per token: by the normal approximation, with the spread
        of the excess that training last saw."""
        return self.spread * math.sqrt(math.log(2.0) / (2.0 * self.units.n * max(bits, 16.0)))

    def bound(self, rows: Floats, bits: float, delta: float) -> float:
        """What training is to lower: the mean loss of what is mixed in, and the bound on what is added to it."""
        return float(self.units.losses(self.prior_losses).mean()) + self.excess_bound(rows, bits, delta)

    def expected_bound(self, mean: float, bits: float, delta: float) -> float:
        """About what :meth:`bound` will be, where the mean is all that is known."""
        return mean + 2.0 * bits * self.bit_price(mean, bits, delta)

    # What a certificate states ----------------------------------------------------------------------

    def mixture(self, log2: Floats, mix: int | None = None) -> Floats:
        """Bits per token of q on each document, [n], from log2 of its probability under p."""
        mix = self.mix if mix is None else mix
        mixed = np.logaddexp2(log2 + math.log2(1.0 - 2.0**-mix), self.prior - mix)
        return np.asarray(-mixed / self.lengths)

    @property
    def prior_losses(self) -> Floats:
        """Bits per token of p0 on each document, [n]."""
        return np.asarray(-self.prior / self.lengths)

    @property
    def largest_prior_loss(self) -> float:
        """No document can cost p0 more, in bits per token."""
        return floored_top(self.vocabulary, self.least)

    def after(self, log2: Floats, mix: int) -> BitsPerToken:
        """The risk of the next stage: what is mixed in is the mixture of this one, of p with ``log2`` [n], "
        "and ``mix``."""
        return replace(
            self, prior=-self.mixture(log2, mix) * self.lengths, spread=_FIRST_SPREAD, is_first=False
        )

    def level(self, rows: Floats, bits: float, mix: int | None = None) -> Level:
        """What a stage adds to the loss of what is mixed in, by unit.

        Args:
            rows: bits per token of the stage's mixture on each document, [n].
            bits: of all that decodes it.
            mix: of the stage, where it is not the risk's own.
        """
        top = (self.mix if mix is None else mix) / self.least
        return Level(np.minimum(self.units.losses(rows - self.prior_losses), top), top, bits)

    def excess_bound(self, rows: Floats, bits: float, delta: float, mix: int | None = None) -> float:
        """Bound on what a stage adds to the loss of what is mixed in, at its share of ``delta``, in bits per token."""
        level = self.level(rows, bits, mix)
        return mean_upper_bound(level.excess, level.top, bits, delta / (2 * MOST_STAGES))

    def bounds(self, levels: Sequence[Level], delta: float) -> ExcessBound:
        """Bounds on the mean bits per token of a chain of stages on this risk, on its excess over p0, and on those of
        p0; they hold together.

        Args:
            levels: of the stages in their order, by :meth:`level`.
            delta: with which any of the three may fail: a half for p0, and an eighth for each of four stages.
        """
        top = self.largest_prior_loss
        prior = np.minimum(self.units.losses(self.prior_losses), top)
        return chained_excess(levels, prior, top, delta, most_levels=MOST_STAGES)

    @staticmethod
    def value(value: float) -> str:
        return f"{value:.3f} bits per token"

    @staticmethod
    def value_up(value: float) -> str:
        return f"{round_up(value, 3):.3f} bits per token"
