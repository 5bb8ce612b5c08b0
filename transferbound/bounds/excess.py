"""What a message adds to the loss of its prior, bounded: finetuning's gain, and the risk by way of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transferbound.bounds._checks import (
    check_bits,
    check_count,
    check_delta,
    check_finite,
    check_share,
    check_values,
)
from transferbound.bounds.one_sided import mean_upper_bound
from transferbound.errors import ArgumentError

__all__ = ["ExcessBound", "Level", "chained_excess", "occam_excess"]


@dataclass(frozen=True)
class ExcessBound:
    """Three statements that hold together, with probability at least 1 - delta, for every message at once.

    All in the unit of the losses, such as bits a token (the mean over documents of a document's mean over tokens).

    Attributes:
        risk: on the expected loss of the message's predictor: ``prior_risk`` + ``excess``, rounded up.
        excess: on what that loss exceeds the prior's by; negative: finetuning provably helped by as much.
        prior_risk: on the expected loss of the prior.
    """

    risk: float
    excess: float
    prior_risk: float


@dataclass(frozen=True)
class Level:
    """One level of a chain q_j = (1 - a_j) p_j + a_j q_(j-1), as it is on the data.

    Attributes:
        excess: shape (n,), loss of q_j less loss of q_(j-1), by independent unit (document).
        top: what no such difference can exceed: log2(1 / a_j) / L_min for losses in bits a token.
        bits: length of all that decodes q_j, so of the messages of levels 1 to j together, a_1..a_j in them
            where they were chosen on the data.
    """

    excess: Any
    top: float
    bits: float


def occam_excess(
    excess: Any,
    prior_losses: Any,
    top: float,
    prior_top: float,
    bits: float,
    delta: float,
    share: float = 0.5,
) -> ExcessBound:
    """Bound on the excess over a prior's loss, and on the risk by way of it; sharp where the gain varies little.

    With probability at least 1 - delta, for every message h at once,

        R(h) - R(prior) <= excess bound    :func:`mean_upper_bound` on the n differences, (1 - share) delta
        R(prior)        <= prior bound     the same on the prior's own losses, share delta and 0 bits

    and R(h) is at most their sum. The message pays for the differences alone. Their limit ``top`` is small
    where the prediction is mixed with the prior's, q = (1 - a) p + a p0: the loss then exceeds the prior's by
    at most log2(1/a) bits a document, log2(1/a) / L bits a token, however bad p is. With G_i = top - D_i the
    excess bound is top - g, g the smallest with

        sum_j w_j prod_i (1 - f_j + f_j G_i / g) < 2^bits / ((1 - share) delta).

    Conditions: independent units (documents, not tokens); prior, limits, share, tokenizer and cut fixed
    before the data, which the prior has not seen. Whatever of the mixture is chosen on the data is paid in
    ``bits``. For documents of unlike length both tops are those of the shortest length that the population
    may have (log2(1/a) / L_min).
    Source: :func:`mean_lower_bound`; excess over a reference in place of the loss: Mhammedi, Gruenwald and
    Guedj 2019, "PAC-Bayes un-expected Bernstein inequality"; Wu and Seldin 2022, "Split-kl and
    PAC-Bayes-split-kl inequalities".

    Args:
        excess: shape (n,), loss of the message's predictor less loss of the prior, by unit; each at most ``top``.
        prior_losses: shape (n,), losses of the prior on the same units; each at most ``prior_top``.
        top, prior_top: what no unit can exceed, in the unit of the losses.
        bits: length of the message in bits. delta: probability with which any of the three may fail.
        share: part of delta for the prior's own risk, in (0, 1), fixed beforehand.

    Raises ArgumentError.

        >>> bound = occam_excess([-1.2, -1.0, -0.8] * 500, [5.0, 6.0, 7.0] * 500, 0.1, 9.0, bits=200, delta=0.05)
        >>> round(bound.excess, 3), round(bound.prior_risk, 3)
        (-0.888, 6.075)
        >>> round(bound.risk, 3)
        5.186
    """
    return chained_excess([Level(excess, top, bits)], prior_losses, prior_top, delta, share)


def chained_excess(
    levels: Sequence[Level],
    prior_losses: Any,
    prior_top: float,
    delta: float,
    share: float = 0.5,
    most_levels: int | None = None,
) -> ExcessBound:
    """:func:`occam_excess` by way of nested messages: the excess is the sum of what each level adds to the one before.

    A short first message buys most of the gain, whose spread is large, at a low price; the later, longer ones
    pay their bits against differences that hardly vary. Level j holds for all messages m_1..m_j at once, at
    (1 - share) delta / ``most_levels`` and its ``bits``; the levels hold together, so where to stop is free.

    Conditions: as :func:`occam_excess`; the code of m_j may depend on m_1..m_(j-1), and 2^-bits sums to at
    most 1 over all (m_1..m_j), for each j.
    Source: the decomposition of Wu, Zhang, Cherief-Abdellatif and Seldin 2024, "Recursive PAC-Bayes"
    (arXiv 2405.14681), for messages in place of posteriors, without splitting the data.

    Args:
        levels: from the first to the last, at least one; all for the same n units.
        prior_losses, prior_top, delta, share: as in :func:`occam_excess`.
        most_levels: how many levels a chain could have had, fixed beforehand; without, as many as there are, which is
            right only where that number was fixed.

    Raises ArgumentError.
    """
    delta, share = check_delta(delta), check_share(share)
    count = _check_levels(levels, most_levels)
    prior = check_values("prior_losses", prior_losses)
    added, excess_delta = [], (1.0 - share) * delta / count
    for level in levels:
        values = check_values("excess", level.excess)
        if len(values) != len(prior):
            raise ArgumentError(
                f"excess has {len(values)} units and prior_losses {len(prior)}: both are for the same units"
            )
        added.append(mean_upper_bound(values, level.top, level.bits, excess_delta))
    excess = math.nextafter(math.fsum(added), math.inf)
    prior_risk = mean_upper_bound(prior, check_finite("prior_top", prior_top), 0.0, share * delta)
    return ExcessBound(math.nextafter(prior_risk + excess, math.inf), excess, prior_risk)


def _check_levels(levels: Sequence[Level], most_levels: int | None) -> int:
    """How many levels share delta; their bits have to grow, as each decodes the ones before it."""
    if len(levels) == 0:
        raise ArgumentError("levels must hold at least one level, got an empty list")
    bits = [check_bits(level.bits) for level in levels]
    if any(later < earlier for earlier, later in itertools.pairwise(bits)):
        raise ArgumentError(f"bits of a level are those of all messages up to it and cannot fall: got {bits}")
    return len(levels) if most_levels is None else check_count("most_levels", most_levels, len(levels), 2**20)
