"""PAC-Bayes bounds with the posterior put on one predictor, reported beside the headline for comparison.

They were made for randomized predictors; for a coded, deterministic one KL(posterior || prior) = bits ln 2,
and they pay for generality that :mod:`occam <transferbound.bounds.occam>` does not need.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from transferbound.bounds._checks import check_bits, check_delta, check_fraction, check_n, nats, risk_bound
from transferbound.bounds._kl import kl_inverse

# The step of the grid over lambda that the 2022 paper pays for: alpha = 1.0001.
_CATONI_ALPHA = 1.0001


@risk_bound
def pac_bayes_kl(risk: float, n: int, bits: float, delta: float) -> float:
    """PAC-Bayes-kl: kl(risk || R) <= (bits ln 2 + ln(2 sqrt(n) / delta)) / n.

    Conditions and arguments as :func:`occam_kl`. Source: Maurer 2004, "A note on the PAC Bayesian theorem",
    Theorem 5 (n >= 8), extended to every n >= 1 by Germain et al. 2015, Lemma 19.
    """
    n = check_n(n)
    risk = check_fraction("risk", risk)
    budget = nats(check_bits(bits), check_delta(delta)) + math.log(2.0) + 0.5 * math.log(n)
    return kl_inverse(risk, budget / n)


@risk_bound
def mcallester(risk: float, n: int, bits: float, delta: float) -> float:
    """McAllester's bound: R <= risk + sqrt((bits ln 2 + ln(n / delta) + 2) / (2 n - 1)), capped at 1.

    Conditions and arguments as :func:`occam_kl`. Source: McAllester 1999, "PAC-Bayesian model averaging",
    Theorem 1, in the form quoted by Lotfi et al. 2022, equation (1).
    """
    n = check_n(n)
    risk = check_fraction("risk", risk)
    budget = nats(check_bits(bits), check_delta(delta)) + math.log(n) + 2.0
    return min(1.0, (risk + math.sqrt(budget / (2.0 * n - 1.0))) * (1.0 + 1e-15))


@risk_bound
def catoni(risk: float, n: int, bits: float, delta: float) -> float:
    """Catoni's bound with the union over lambda paid, as Lotfi et al. 2022 report it.

    With probability at least 1 - delta, for every message and every lambda > 1 at once, with alpha = 1.0001,

        R <= (1 - exp(-gamma x)) / (1 - exp(-gamma)),      gamma = lambda / n,
        x = risk + (alpha / lambda) [bits ln 2 + ln(1 / delta) + 2 ln(ln(alpha^2 lambda) / ln(alpha))].

    The bracket's last term is what makes the choice of lambda after the fact valid. Because the statement
    holds for all lambda, any search over it is sound; this one is a grid and a golden section.
    Conditions and arguments as :func:`occam_kl`; capped at 1.
    Source: Catoni 2007, Theorem 1.2.6; Zhou et al. 2019, "Non-vacuous generalization bounds at the ImageNet
    scale", Theorem 2.1; Lotfi et al. 2022, appendix.
    """
    n = check_n(n)
    risk = check_fraction("risk", risk)
    budget = nats(check_bits(bits), check_delta(delta))
    log_alpha = math.log(_CATONI_ALPHA)

    def bound(log_lambda: float) -> float:
        lam = math.exp(log_lambda)
        x = risk + _CATONI_ALPHA / lam * (budget + 2.0 * math.log(2.0 + log_lambda / log_alpha))
        return math.expm1(-lam / n * x) / math.expm1(-lam / n) if x < 1.0 else 1.0

    # lambda from just above 1 to 64 n: beyond that the factor exp(-gamma) is 0 and nothing is gained.
    top = math.log(64.0) + math.log(n)
    grid = [1e-9 + top * i / 48.0 for i in range(49)]
    best = min(range(49), key=lambda i: bound(grid[i]))
    log_lambda = _golden_section(bound, grid[max(0, best - 1)], grid[min(48, best + 1)])
    value = min(bound(log_lambda), bound(grid[best]))
    return min(1.0, max(risk, value * (1.0 + 1e-13)))


def _golden_section(function: Callable[[float], float], low: float, high: float) -> float:
    """Where ``function`` is smallest in [low, high], to 1e-9, if it has one valley there."""
    share = (math.sqrt(5.0) - 1.0) / 2.0
    left, right = high - share * (high - low), low + share * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > 1e-9:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - share * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + share * (high - low)
            at_right = function(right)
    return 0.5 * (low + high)
