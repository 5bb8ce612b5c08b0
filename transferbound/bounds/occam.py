"""Occam bounds that hold for any loss in [0, 1], and holdout's counterpart of them."""

from __future__ import annotations

import math

from transferbound.bounds._checks import check_bits, check_delta, check_fraction, check_n, nats, risk_bound
from transferbound.bounds._kl import kl_inverse


@risk_bound
def occam_kl(risk: float, n: int, bits: float, delta: float) -> float:
    """Chernoff's (kl) form of the Occam bound, for a deterministic predictor and any loss in [0, 1].

    With probability at least 1 - delta over n independent examples, for every message h at once,

        kl(risk || R(h)) <= (bits ln 2 + ln(1 / delta)) / n,      kl between coins, in nats.

    Conditions: losses in [0, 1], independent and identically distributed; the code fixed before them.
    Source: Langford 2005, "Tutorial on practical prediction theory for classification", section 4 (relative
    entropy Chernoff form); Hoeffding 1963, Theorem 1, for losses that are not 0-1. It is the relaxation
    of :func:`occam_binomial` and never below it.

    Args:
        risk: mean loss over the n examples, a fraction in [0, 1].
        n, bits, delta: as in :func:`occam_binomial`. All four broadcast.

    Returns the bound as a fraction, rounded outward. Raises ArgumentError naming a value out of range.

        >>> round(occam_kl(risk=0.13624, n=50_000, bits=8488.09, delta=0.05), 6)
        0.350731
    """
    n = check_n(n)
    risk = check_fraction("risk", risk)
    return kl_inverse(risk, nats(check_bits(bits), check_delta(delta)) / n)


@risk_bound
def hoeffding(risk: float, n: int, bits: float, delta: float) -> float:
    """Occam's razor with Hoeffding's inequality: R <= risk + sqrt((bits ln 2 + ln(1 / delta)) / (2 n)).

    Conditions and arguments as :func:`occam_kl`, which it relaxes by Pinsker's inequality; capped at 1.
    Source: Blumer et al. 1987 and Hoeffding 1963.
    """
    n = check_n(n)
    risk = check_fraction("risk", risk)
    spread = math.sqrt(nats(check_bits(bits), check_delta(delta)) / (2.0 * n))
    return min(1.0, (risk + spread) * (1.0 + 1e-15))
