"""Language models as in the literature, for comparison: each token's prediction smoothed, its loss then bounded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from transferbound.bounds._checks import FloatArray, check_bits, check_values
from transferbound.bounds._tokens import check_documents
from transferbound.bounds.occam import hoeffding, occam_kl
from transferbound.bounds.one_sided import mean_upper_bound
from transferbound.bounds.smoothing import SmoothedBound, Smoothing
from transferbound.errors import ArgumentError

__all__ = ["smoothed_documents", "token_smoothed"]


def token_smoothed(
    log2_tokens: Any, alphas: Sequence[float], vocabulary: int, bits: float, delta: float, lengths: Any = None
) -> dict[str, SmoothedBound]:
    """Three bounds on the expected loss of a smoothed language model, p' = (1 - alpha) p + alpha / V for each token.

    A document's loss is the mean of its tokens'; documents are the units. Its range is log2(1 + (1 - alpha) V / alpha).
    Each bound takes the best alpha of the declared list and pays log2 len(alphas) bits for it; each holds on its
    own with probability at least 1 - delta, for every message at once:

        sublora   risk + range sqrt((bits ln 2 + ln(1 / delta)) / (2 n))       Hoeffding's
        kl        the inverted kl divergence, of the loss rescaled to [0, 1]
        betting   :func:`mean_upper_bound` with the largest smoothed loss as its top

    Source: Lotfi et al. 2024, "Non-vacuous generalization bounds for large language models" (arXiv 2312.17173),
    section 4. :func:`occam_excess` says more of the same message.

    Args:
        log2_tokens: log2 p(x_t | ...), shape [documents, tokens]; lengths [documents]: how many of them count.
        alphas: the list, fixed before the data was seen. vocabulary: V, at least 2.
        bits, delta: as in :func:`occam_binomial`.

    Returns the bounds in bits a token, rounded up, with the smoothing of each. Raises ArgumentError.
    """
    tokens, ends = check_documents("log2_tokens", log2_tokens, lengths)
    probabilities, inside = np.exp2(tokens), np.arange(tokens.shape[1]) < ends[:, None]
    losses = [
        np.where(inside, Smoothing(float(alpha), vocabulary).losses(probabilities), 0.0).sum(axis=1) / ends
        for alpha in alphas
    ]
    return smoothed_documents(losses, alphas, vocabulary, bits, delta)


def smoothed_documents(
    losses: Sequence[Any], alphas: Sequence[float], vocabulary: int, bits: float, delta: float
) -> dict[str, SmoothedBound]:
    """:func:`token_smoothed` from the smoothed losses of units: one array [n] an alpha, bits a token.

    Conditions, source and the other arguments as there. Raises ArgumentError.

        >>> found = smoothed_documents([[4.0, 5.0] * 200], [0.5], vocabulary=512, bits=50, delta=0.05)
        >>> round(found["sublora"].bound, 3)
        6.453
    """
    if len(alphas) == 0:
        raise ArgumentError("alphas must name at least one value, got an empty list")
    choice_bits = math.log2(len(alphas))
    paid = check_bits(bits) + choice_bits
    found: dict[str, list[SmoothedBound]] = {"sublora": [], "kl": [], "betting": []}
    for alpha, values in zip(alphas, losses, strict=True):
        smoothing = Smoothing(float(alpha), vocabulary)
        array = check_values("losses", values)
        risk = math.fsum(array) / len(array)
        for name, bound in _forms(array, risk, smoothing, paid, delta).items():
            found[name].append(SmoothedBound(bound, risk, smoothing, choice_bits))
    return {name: min(bounds, key=lambda item: item.bound) for name, bounds in found.items()}


def _forms(
    losses: FloatArray, risk: float, smoothing: Smoothing, bits: float, delta: float
) -> dict[str, float]:
    unit = float(smoothing.to_unit(risk))
    losses = np.minimum(losses, smoothing.high)
    return {
        "sublora": smoothing.from_unit(hoeffding(unit, len(losses), bits, delta)),
        "kl": smoothing.from_unit(occam_kl(unit, len(losses), bits, delta)),
        "betting": mean_upper_bound(losses, smoothing.high, bits, delta),
    }
