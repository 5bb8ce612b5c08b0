"""Bounds for a predictor that was evaluated on a random subsample of its training set."""

from __future__ import annotations

import math

from scipy.special import gammaln

from transferbound.bounds._checks import (
    broadcast,
    check_bits,
    check_count,
    check_delta,
    check_fraction,
    check_n,
    check_share,
    nats,
)
from transferbound.bounds._kl import kl_inverse
from transferbound.bounds.binomial import occam_binomial
from transferbound.bounds.occam import occam_kl


def _log_choose(n: int, k: int) -> float:
    return float(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def _log_hypergeometric_cdf(k: int, m: int, total: int, n: int) -> float:
    """ln Pr[at most k errors among m rows drawn without replacement from n rows of which ``total`` are
    wrong].

    For k at or below the mean m total / n: summed downwards from k, where the terms fall.
    """
    if k > total or k < m - (n - total):
        return 0.0 if k > total else -math.inf
    log_top = _log_choose(total, k) + _log_choose(n - total, m - k) - _log_choose(n, m)
    ratio_sum = term = 1.0
    for j in range(k, 0, -1):
        # Pr[j - 1] / Pr[j]
        term *= j * (n - total - m + j) / ((total - j + 1.0) * (m - j + 1.0))
        ratio_sum += term
        if term <= 1e-17 * ratio_sum:
            break
    return log_top + math.log(ratio_sum)


def population_errors(errors: int, m: int, n: int, delta: float) -> int:
    """Upper limit on the errors among n rows, from ``errors`` among m of them drawn without replacement.

    The largest K with Pr[Hypergeometric(n, K, m) <= errors] >= delta. It holds with probability 1 - delta
    over the draw of the rows, the predictor being fixed before it. Raises ArgumentError.
    """
    n = check_n(n)
    m = check_count("m", m, 1, n)
    errors = check_count("errors", errors, 0, m)
    # The log-gammas carry an error of some 1e-16 of n ln n: taken against ourselves.
    level = math.log(check_delta(delta)) - 2e-15 * n * math.log(n + 1.0) - 1e-9
    low, high = max(errors, math.floor(errors * (n / m))), n - (m - errors)
    while low < high:
        middle = (low + high + 1) // 2
        if _log_hypergeometric_cdf(errors, m, middle, n) >= level:
            low = middle
        else:
            high = middle - 1
    return low


@broadcast
def subsample_binomial(errors: int, m: int, n: int, bits: float, delta: float, share: float = 0.1) -> float:
    """Bound on the error from a random subsample of m of the n training rows: two steps, delta split.

    With probability 1 - share * delta over the draw of the subsample, the training set holds at most K errors
    (hypergeometric inversion, :func:`population_errors`); with probability 1 - (1 - share) * delta over the
    data, R <= BinTailInv(K, n, (1 - share) delta 2^-bits). The message is paid once, against all n rows.

    Conditions: the subsample is drawn after the message is fixed, with randomness independent of it (else use
    :func:`subsample_kl` with ``reused=True``); those of :func:`occam_binomial`.
    Source: the two-step argument of Lotfi et al. 2024 (arXiv 2312.17173), section 4, with exact tails.

    Args:
        errors: wrong predictions among the m rows. m: size of the subsample, 1 to n. n: size of the
            training set.
        bits, delta: as in :func:`occam_binomial`. share: part of delta spent on the subsample, in (0, 1),
            fixed beforehand. All broadcast.

    Returns the bound as a fraction. Raises ArgumentError.
    """
    delta, share = check_delta(delta), check_share(share)
    total = population_errors(errors, m, n, share * delta)
    return occam_binomial(total, n, bits, (1.0 - share) * delta)


@broadcast
def subsample_kl(
    risk: float, m: int, n: int, bits: float, delta: float, share: float = 0.1, reused: bool = False
) -> float:
    """As :func:`subsample_binomial` for any loss in [0, 1], by the kl form in both steps.

    The kl form holds for sampling without replacement too (Hoeffding 1963, Theorem 4). With ``reused`` the
    same subsample served to choose among messages, so the first step pays the bits as well.
    """
    n = check_n(n)
    m = check_count("m", m, 1, n)
    risk = check_fraction("risk", risk)
    delta, share, bits = check_delta(delta), check_share(share), check_bits(bits)
    if m == n:
        return occam_kl(risk, n, bits, delta)
    training = kl_inverse(risk, nats(bits if reused else 0.0, share * delta) / m)
    return occam_kl(training, n, bits, (1.0 - share) * delta)
