"""``bits_per_token``: the loss of a language model on documents, mixed with its prior, and the excess over the prior.

With p0 the prior, which holds 2^-``UNIFORM_BITS`` of the uniform distribution over the documents of each length, and p
the finetuned model, the certified predictor is q = (1 - a) p + a p0 on whole documents. Its loss on a document of L
tokens is -log2 q / L. What finetuning is worth is the excess over the prior, which is at most log2(1 / a) / L on any
document, and negative where finetuning helped: so it is bounded by bets on what is left to that limit, and the prior's
own loss, which no message was chosen for, by bets of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from transferbound.bounds import ExcessBound, occam_excess
from transferbound.risks.risk import Objective, Words
from transferbound.risks.units import Groups, Rows, Units
from transferbound.wording import round_up

if TYPE_CHECKING:
    from torch import Tensor

    from transferbound.data.encoded_documents import EncodedDocuments

__all__ = ["UNIFORM_BITS", "BitsPerToken", "with_uniform"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

UNIFORM_BITS = 7
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
        prior: float64 [n], log2 p0 of each document.
        lengths: int64 [n], tokens predicted.
        mix: a = 2^-mix.
        vocabulary: V.
        least: the fewest tokens of a document of the population, fixed in advance.
        units: what is independent: documents, or groups.
    """

    words: ClassVar[Words] = Words("language model", "loss", "loss (bits per token)", 1.0, "uniform guess")

    prior: Floats
    lengths: Ints
    mix: int
    vocabulary: int
    least: int
    units: Units
    spread: float = _FIRST_SPREAD

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

    def bit_price(self, mean: float, bits: float, delta: float) -> float:
        """About how much one more bit raises the bound, in bits per token: by the normal approximation, with the spread
        of the excess that training last saw."""
        return self.spread * math.sqrt(math.log(2.0) / (2.0 * self.units.n * max(bits, 16.0)))

    def bound(self, rows: Floats, bits: float, delta: float) -> float:
        """Bound on the bits per token of q, from those of each document."""
        return self.bounds(rows, bits, delta).risk

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
        return math.log2(self.vocabulary) + UNIFORM_BITS / self.least

    def bounds(self, rows: Floats, bits: float, delta: float, mix: int | None = None) -> ExcessBound:
        """Bounds on the mean bits per token of q, on its excess over p0, and on those of p0; they hold together.

        Args:
            rows: bits per token of q on each document, [n].
            bits: K.
            delta: with which any of the three may fail.
            mix: of q, where it is not the risk's own.
        """
        excess = self.units.losses(rows - self.prior_losses)
        return self.bounds_of(excess, self.units.losses(self.prior_losses), bits, delta, mix)

    def bounds_of(
        self, excess: Floats, prior: Floats, bits: float, delta: float, mix: int | None = None
    ) -> ExcessBound:
        """:meth:`bounds` from the excess and the prior's loss of some units, in bits per token."""
        top = (self.mix if mix is None else mix) / self.least
        prior_top = self.largest_prior_loss
        return occam_excess(
            np.minimum(excess, top), np.minimum(prior, prior_top), top, prior_top, bits, delta
        )

    @staticmethod
    def value(value: float) -> str:
        return f"{value:.3f} bits per token"

    @staticmethod
    def value_up(value: float) -> str:
        return f"{round_up(value, 3):.3f} bits per token"
