"""Sequences predicted by a model and its prior together: the loss exceeds the prior's by little, whatever the model.

Log-probabilities are in bits (log2), of shape [documents, tokens], one row a document, padded on the right to a
common length; ``lengths`` [documents] says how many of a row count. What stands behind them is never looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferbound.bounds._checks import FloatArray, check_count
from transferbound.bounds._tokens import Lengths, check_documents
from transferbound.bounds.excess import Level
from transferbound.errors import ArgumentError

__all__ = ["FLOOR", "Mixture", "chain", "floored", "floored_top"]

FLOOR = 2.0**-7
"""Weight of the uniform distribution over sequences in a prior: it bounds the prior's loss."""
_UP = 1.0 + 2.0**-50


@dataclass(frozen=True)
class Mixture:
    """q = (1 - a) p + a p0 on whole sequences, read from left to right as a weighted mean with weights that learn.

    With ``switch_rate`` s > 0 the sequence may pass from one of the two to the other between any two tokens,
    with probability s: q is then the mixture over all such paths (fixed share). Either way q(x) >= a (1 - s)^(L
    - 1) p0(x): a document of L tokens costs at most log2(1/a) + (L - 1) log2(1/(1 - s)) bits more than under p0,
    which is what :meth:`top` gives by token.

    Source: Bayes' rule for the weights; Herbster and Warmuth 1998, "Tracking the best expert", for the shares.

    Attributes:
        prior_weight: a, the weight of p0 before the first token, in (0, 1).
        switch_rate: s, in [0, 1).
    """

    prior_weight: float
    switch_rate: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.prior_weight < 1.0:
            raise ArgumentError(f"prior_weight must lie strictly between 0 and 1, got {self.prior_weight}")
        if not 0.0 <= self.switch_rate < 1.0:
            raise ArgumentError(f"switch_rate must be at least 0 and below 1, got {self.switch_rate}")

    def top(self, shortest: int, longest: int | None = None) -> float:
        """The most by which q's loss can exceed p0's on documents of ``shortest`` to ``longest`` tokens.

        In bits a token, rounded up. Without ``longest`` there is no limit to the length. Raises ArgumentError.

            >>> round(Mixture(1 / 64).top(32), 6)
            0.1875
        """
        shortest = check_count("shortest", shortest, 1, 2**40)
        start, step = -math.log2(self.prior_weight), -math.log1p(-self.switch_rate) / math.log(2.0)
        # step + (start - step) / L is monotone in L, with limit step.
        ends = [step + (start - step) / shortest]
        if longest is None:
            ends.append(step)
        else:
            ends.append(step + (start - step) / check_count("longest", longest, shortest, 2**40))
        return max(ends) * _UP

    def log2_tokens(self, model: Any, prior: Any, lengths: Any = None) -> FloatArray:
        """log2 q(x_t | x_1..x_(t-1)), shape [documents, tokens], 0.0 behind a document's end.

        They sum to log2 q(x). Raises ArgumentError: shapes that differ, numbers above 0 or nan within a document,
        a prior of probability 0.
        """
        model, prior, lengths = _checked(model, prior, lengths)
        result: FloatArray = np.zeros(model.shape)
        for t, model_share, prior_share in self._weights(model, prior):
            here = np.logaddexp2(model_share + model[:, t], prior_share + prior[:, t])
            result[:, t] = np.where(t < lengths, np.minimum(here, 0.0), 0.0)
        return result

    def log2_weights(self, model: Any, prior: Any, lengths: Any = None) -> tuple[FloatArray, FloatArray]:
        """log2 of the weights that model and prior have before each token, two arrays [documents, tokens].

        Those of token t depend on the tokens before it alone: q(y | x_1..x_(t-1)) is the mean of both predictions
        with these weights, for every y. Errors as :meth:`log2_tokens`.
        """
        model, prior, lengths = _checked(model, prior, lengths)
        found = np.zeros((2, *model.shape))
        for t, model_share, prior_share in self._weights(model, prior):
            found[0, :, t], found[1, :, t] = model_share, prior_share
        return found[0], found[1]

    def log2_documents(self, model: Any, prior: Any) -> FloatArray:
        """log2 q(x) from log2 p(x) and log2 p0(x) of whole documents, which broadcast. Without switching only."""
        if self.switch_rate:
            raise ArgumentError(f"switch_rate is {self.switch_rate}: paths that switch need the tokens")
        model_share, prior_share = math.log2(1.0 - self.prior_weight), math.log2(self.prior_weight)
        return np.asarray(np.logaddexp2(model_share + np.asarray(model), prior_share + np.asarray(prior)))

    def excess(self, model: Any, prior: Any, lengths: Any = None) -> FloatArray:
        """Loss of q less loss of p0 by document, in bits a token, shape [documents]: what :func:`occam_excess` takes.

        None exceeds :meth:`top` of its length. Errors as :meth:`log2_tokens`.
        """
        model, prior, lengths = _checked(model, prior, lengths)
        if self.switch_rate == 0.0:
            gain = self.log2_documents((model - prior).sum(axis=1), 0.0)
        else:
            gain = (self.log2_tokens(model, prior, lengths) - prior).sum(axis=1)
        # Rounding must not lift a difference over what it cannot exceed.
        sizes, where = np.unique(lengths, return_inverse=True)
        most = np.array([self.top(size, size) for size in sizes])
        return np.asarray(np.minimum(-gain / lengths, most[where]))

    def _weights(self, model: FloatArray, prior: FloatArray) -> Iterator[tuple[int, FloatArray, FloatArray]]:
        """For each token its place and log2 of both weights before it, each [documents]."""
        rows = len(model)
        model_share = np.full(rows, math.log2(1.0 - self.prior_weight))
        prior_share = np.full(rows, math.log2(self.prior_weight))
        stay, leave = 1.0 - self.switch_rate, self.switch_rate
        for t in range(model.shape[1]):
            yield t, model_share, prior_share
            one, other = model_share + model[:, t], prior_share + prior[:, t]
            both = np.logaddexp2(one, other)
            one, other = one - both, other - both
            if leave:
                model_share = np.logaddexp2(math.log2(stay) + one, math.log2(leave) + other)
                prior_share = np.logaddexp2(math.log2(stay) + other, math.log2(leave) + one)
            else:
                model_share, prior_share = one, other


def _checked(model: Any, prior: Any, lengths: Any) -> tuple[FloatArray, FloatArray, Lengths]:
    """Both as float64 [documents, tokens] with 0.0 behind each document's end, and the lengths."""
    one, ends = check_documents("model", model, lengths)
    other, _ = check_documents("prior", prior, lengths)
    if one.shape != other.shape:
        raise ArgumentError(
            f"model has shape {one.shape} and prior {other.shape}: both score the same tokens"
        )
    if not bool(np.isfinite(other).all()):
        raise ArgumentError(
            "the prior gives a token no probability: mix it with the uniform distribution first"
        )
    return one, other, ends


def floored(prior: Any, vocabulary: int, lengths: Any = None, weight: float = FLOOR) -> FloatArray:
    """A prior's log2 p(x_t | ...) [documents, tokens] after it is mixed with the uniform distribution on sequences.

    p0 = (1 - weight) p + weight vocabulary^-L. Its loss is at most :func:`floored_top` whatever the tokens, and at
    most log2(1 / (1 - weight)) bits a document above p's. Raises ArgumentError.
    """
    vocabulary = check_count("vocabulary", vocabulary, 2, 2**40)
    uniform = np.full(np.shape(prior), -math.log2(vocabulary))
    return Mixture(weight).log2_tokens(prior, uniform, lengths)


def floored_top(vocabulary: int, shortest: int, weight: float = FLOOR) -> float:
    """The largest loss of a floored prior in bits a token, over documents of at least ``shortest`` tokens, rounded up.

    >>> round(floored_top(2**9, shortest=32), 6)
    9.21875
    """
    vocabulary = check_count("vocabulary", vocabulary, 2, 2**40)
    return (math.log2(vocabulary) + Mixture(weight).top(shortest)) * _UP


def chain(
    mixtures: Sequence[Mixture],
    models: Sequence[Any],
    bits: Sequence[float],
    prior: Any,
    lengths: Any,
    shortest: int,
    longest: int | None = None,
) -> tuple[list[Level], FloatArray]:
    """The levels of :func:`chained_excess` for q_j = (1 - a_j) p_j + a_j q_(j-1), q_0 = prior.

    Args:
        mixtures: how each level mixes its model with the level before, first to last.
        models: log2 probabilities [documents, tokens] under each level's model.
        bits: length of all messages up to each level. prior: log2 probabilities under p0, floored.
        lengths: how many tokens of each document count. shortest, longest: as in :meth:`Mixture.top`, fixed
            before the data.

    Returns the levels and log2 q_J(x_t | ...) of the last, [documents, tokens]. Raises ArgumentError.
    """
    if not len(mixtures) == len(models) == len(bits):
        raise ArgumentError(
            f"a level has a mixture, a model and bits; got {len(mixtures)}, {len(models)} and {len(bits)} of them"
        )
    before, levels = np.asarray(prior, dtype=np.float64), []
    for mixture, model, size in zip(mixtures, models, bits, strict=True):
        levels.append(Level(mixture.excess(model, before, lengths), mixture.top(shortest, longest), size))
        before = mixture.log2_tokens(model, before, lengths)
    return levels, before
