"""About how many bits integers take, by a formula: for an encoder that has thousands of messages to rank.

Krichevsky-Trofimov counts that are refreshed after every decision give each node of the tree a closed form, whatever
the order. A message's counts are refreshed in blocks, so its true length (``costs``) is another, by a bit or so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from transferbound.message.symbols import Ints

__all__ = ["estimated_symbol_bits"]


def estimated_symbol_bits(symbols: Ints, contexts: Ints | None = None, *, levels: int = 3) -> float:
    """Of (d,) integers on ``levels`` levels with (d,) context ids >= 0, signs at one bit each.

    Integers beyond the ``levels`` count as on the fewest, 2^k - 1, that hold them.

    >>> import numpy as np
    >>> round(estimated_symbol_bits(np.array([0, 1, 0, 0, -1, 0, 0, 0, 0, 0])), 1)
    11.3
    """
    sizes = np.abs(symbols)
    lengths = np.frexp(sizes.astype(np.float64))[1]
    groups = np.zeros(len(symbols), dtype=np.int64) if contexts is None else contexts
    # That nothing is longer than the longest is said too, in each context, where the levels would allow it.
    top = max(int(lengths.max(initial=0)), ((levels - 1) // 2).bit_length())
    table = np.zeros((int(groups.max(initial=0)) + 1, top + 1))
    np.add.at(table, (groups, lengths), 1)
    longer = table[:, ::-1].cumsum(1)[:, ::-1]  # at least so long
    bits = _kt(longer[:, :-1] - longer[:, 1:], longer[:, 1:]).sum()
    bits += np.count_nonzero(symbols) + _digits(sizes, lengths, groups)
    return float(bits)


def _digits(sizes: Ints, lengths: Ints, groups: Ints) -> float:
    """Of the binary digits below the first, each node by what was read before it."""
    bits = 0.0
    for depth in range(1, int(lengths.max(initial=0))):
        here = lengths > depth
        left = lengths[here] - 1 - depth
        node = (groups[here] << 24) | (lengths[here].astype(np.int64) << 12) | (sizes[here] >> (left + 1))
        ones = (sizes[here] >> left) & 1
        _, place = np.unique(node, return_inverse=True)
        total, high = np.bincount(place), np.bincount(place, ones)
        bits += float(_kt(total - high, high).sum())
    return bits


def _kt(zeros: NDArray[Any], ones: NDArray[Any]) -> NDArray[np.float64]:
    """Bits of a string with so many zeros and ones."""
    half, both = gammaln(0.5), zeros + ones
    nats = gammaln(both + 1.0) + 2 * half - gammaln(zeros + 0.5) - gammaln(ones + 0.5)
    found: NDArray[np.float64] = nats / np.log(2.0)
    return found
