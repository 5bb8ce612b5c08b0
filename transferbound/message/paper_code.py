"""What the 2022 paper's own code would pay for the same integers: for comparison only.

Source: Lotfi, Finzi, Kapoor, Potapczynski, Goldblum, Wilson 2022, arXiv 2211.13609, section 4 and
appendix, and the code that the authors published with it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from transferbound.errors import ArgumentError
from transferbound.message import empirical_entropy_bits

__all__ = ["paper_bits"]

_CENTROID_BITS = 16


def paper_bits(symbols: ArrayLike, levels: int) -> float:
    """Length in bits of the paper's message for ``symbols`` (d,), its self-delimiting prefix included.

    With d symbols on L levels: an arithmetic code with the symbols' own frequencies,
    ceil(d H) + 1 bits; a codebook of 16 bits for each level; ceil(log2 d) bits for each level's count.
    The sum l is made self-delimiting by 2 log2 l more bits. Nothing is charged for d, seed, subspace or
    number of levels.

    Raises:
        ArgumentError: no symbols, or fewer levels than distinct symbols.
    """
    array = np.asarray(symbols)
    if array.ndim != 1 or len(array) == 0:
        raise ArgumentError(f"symbols have shape {array.shape}; give a vector of at least one integer")
    distinct = len(np.unique(array))
    if distinct > levels:
        raise ArgumentError(f"{distinct} distinct symbols do not fit on {levels} levels")
    coded = math.ceil(empirical_entropy_bits(array)) + 1
    length = coded + levels * _CENTROID_BITS + levels * math.ceil(math.log2(len(array)))
    return length + 2 * math.log2(length)
