"""Log-probabilities of the tokens of documents: checked, and what is no token of a document left out."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transferbound.bounds._checks import FloatArray
from transferbound.errors import ArgumentError

Lengths: TypeAlias = NDArray[np.int64]

# What the rounding of a softmax may lift a log-probability over 0; it is set to 0.
_ROUNDING = 1e-5


def check_documents(name: str, tokens: Any, lengths: Any) -> tuple[FloatArray, Lengths]:
    """A copy of log-probabilities [documents, tokens] with 0.0 behind each document's end, and the lengths."""
    array = np.array(tokens, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ArgumentError(
            f"{name} must have shape [documents, tokens], at least one of each; got {array.shape}"
        )
    ends = np.full(len(array), array.shape[1]) if lengths is None else np.asarray(lengths)
    if ends.shape != (len(array),) or not np.issubdtype(ends.dtype, np.integer):
        raise ArgumentError(f"lengths must be {len(array)} whole numbers, one for each document of {name}")
    if ends.min() < 1 or ends.max() > array.shape[1]:
        raise ArgumentError(
            f"lengths must lie between 1 and {array.shape[1]}, got {ends.min()} to {ends.max()}: "
            "leave out documents without tokens"
        )
    array[np.arange(array.shape[1]) >= ends[:, None]] = 0.0
    if not bool((array <= _ROUNDING).all()):
        raise ArgumentError(f"{name} must be log-probabilities: numbers of at most 0, not nan")
    return np.minimum(array, 0.0), ends.astype(np.int64)


def document_means(tokens: Any, lengths: Any = None) -> FloatArray:
    """Mean loss -log2 p of each document's own tokens, in bits a token, shape [documents]; padding does not count.

    ``tokens``: log2 p [documents, tokens]; ``lengths`` [documents]: how many of a row count, all without it. Raises
    ArgumentError.
    """
    array, ends = check_documents("tokens", tokens, lengths)
    return np.asarray(-array.sum(axis=1) / ends)
