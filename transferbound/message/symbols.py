"""The prior over the integers of a message, given its header.

An integer q in -M..M is a walk down a binary tree: is it zero? its sign; the bit length of |q|, in
unary; the further bits of |q|. Each node of the tree, for each context, has its own adaptive binary
model with Krichevsky-Trofimov counts: Pr[1] = (ones + 1/2) / (ones + zeros + 1). A sign is one bit
unless the header says otherwise. Levels that are never used therefore cost next to nothing.

The counts of a node are refreshed after each of its first 64 decisions and after ever longer blocks
from then on (1/32 of the decisions so far), so that whole blocks are coded at once. The probabilities
depend on earlier decisions only, so the masses of all strings of a length sum to one.

Source: Krichevsky and Trofimov 1981, "The performance of universal encoding".
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["BitCoder", "SymbolModel", "block_starts"]

_REFRESH = 32

Ints = NDArray[np.int64]


class BitCoder(Protocol):
    """Codes a block of independent binary decisions.

    ``bits`` is None when they are to be decoded; they are returned in either case. ``cost`` is called
    with the ideal cost in bits of each finished block.
    """

    def code(self, probabilities: NDArray[np.float64], bits: Ints | None) -> Ints: ...

    def cost(self, bits: float) -> None: ...


def block_starts(count: int) -> Ints:
    """Numbers of earlier decisions of a node at which its counts are refreshed, below ``count``."""
    starts = []
    start = 0
    while start < count:
        starts.append(start)
        start += max(1, start // _REFRESH)
    return np.array(starts, dtype=np.int64)


class SymbolModel:
    """The model of ``dim`` integers on ``levels`` levels.

    Args:
        dim: number of integers d.
        levels: odd number of levels L; the integers lie in [-(L-1)/2, (L-1)/2].
        contexts: (d,) context id of each, or None for one context.
        adaptive_signs: whether signs have counts.
    """

    def __init__(
        self, dim: int, levels: int, contexts: Ints | None = None, adaptive_signs: bool = False
    ) -> None:
        self.dim = dim
        self.maximum = (levels - 1) // 2
        self.contexts = (
            None if contexts is None else np.unique(contexts, return_inverse=True)[1].astype(np.int64)
        )
        self.adaptive_signs = adaptive_signs

    def run(self, coder: BitCoder, symbols: Ints | None = None) -> Ints:
        """Code ``symbols`` (d,), or decode them when None; they are returned in either case."""
        everyone = np.arange(self.dim)
        nonzero_bits = self._plane(coder, everyone, None, None if symbols is None else symbols != 0)
        where = np.flatnonzero(nonzero_bits)
        given = None if symbols is None else symbols[where]
        negative = self._signs(coder, where, None if given is None else given < 0)
        magnitude = self._magnitudes(coder, where, None if given is None else np.abs(given))
        out = np.zeros(self.dim, dtype=np.int64)
        out[where] = np.where(negative, -magnitude, magnitude)
        return out

    def _signs(self, coder: BitCoder, where: Ints, negative: NDArray[np.bool_] | None) -> Ints:
        if self.adaptive_signs:
            return self._plane(coder, where, None, negative)
        if not len(where):
            return np.zeros(0, dtype=np.int64)
        bits = coder.code(np.full(len(where), 0.5), None if negative is None else negative.astype(np.int64))
        coder.cost(float(len(where)))
        return bits

    def _magnitudes(self, coder: BitCoder, where: Ints, magnitude: Ints | None) -> Ints:
        """|q| >= 1 at the positions ``where``: bit length in unary, then the bits below the first."""
        top = self.maximum.bit_length()
        length = np.ones(len(where), dtype=np.int64)
        given_length = (
            None if magnitude is None else np.frexp(magnitude.astype(np.float64))[1].astype(np.int64)
        )
        for shorter in range(1, top):
            here = np.flatnonzero(length == shorter)
            bits = None if given_length is None else given_length[here] > shorter
            length[here] += self._plane(coder, where[here], None, bits)
        value = np.ones(len(where), dtype=np.int64)
        for depth in range(1, top):
            # Numbers with a 1 next that would pass the maximum can only have a 0 there.
            left = length - 1 - depth
            free = (left >= 0) & (((2 * value + 1) << np.maximum(left, 0)) <= self.maximum)
            here = np.flatnonzero(free)
            bits = None if magnitude is None else (magnitude[here] >> left[here]) & 1 == 1
            node = length[here] << 12 | value[here]
            coded = self._plane(coder, where[here], node, bits)
            value = np.where(left >= 0, 2 * value, value)
            value[here] += coded
        return value

    def _plane(self, coder: BitCoder, where: Ints, node: Ints | None, bits: NDArray[np.bool_] | None) -> Ints:
        """One decision for each position of ``where``, with separate counts by (context, node)."""
        out = np.zeros(len(where), dtype=np.int64)
        if not len(where):
            return out
        given = None if bits is None else bits.astype(np.int64)
        if self.contexts is None and node is None:
            return _one_model(coder, len(where), given)
        order, group_start, group_id, round_of_group = self._schedule(where, node)
        ones = np.zeros(int(group_id.max()) + 1, dtype=np.int64)
        total = np.zeros_like(ones)
        group_end = np.append(group_start[1:], len(where))
        edges = np.append(np.flatnonzero(np.diff(round_of_group, prepend=-1)), len(group_start))
        for first, last in pairwise(edges):
            ids, begin, end = group_id[first:last], group_start[first:last], group_end[first:last]
            block = order[begin[0] : end[-1]]
            size = end - begin
            one, denominator = 2 * ones[ids] + 1, 2 * total[ids] + 2
            coded = coder.code(np.repeat(one / denominator, size), None if given is None else given[block])
            out[block] = coded
            hits = np.add.reduceat(coded, begin - begin[0])
            cost = hits * np.log2(denominator / one) + (size - hits) * np.log2(
                denominator / (denominator - one)
            )
            coder.cost(math.fsum(cost))
            ones[ids] += hits
            total[ids] += size
        return out

    def _schedule(self, where: Ints, node: Ints | None) -> tuple[Ints, Ints, Ints, Ints]:
        """The order of decisions: by block number of its model, then model, then position.

        Returns (order, start of each group in it, model of each group, block number of each group); a
        group is one block of one model.
        """
        count = len(where)
        model = self._models(where, node)
        by_model = np.argsort(model, kind="stable")
        sizes = np.bincount(model)
        starts = block_starts(int(sizes.max()))
        number_of_rank = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, sizes.max())))
        rank = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        number = number_of_rank[rank].astype(np.uint16)
        by_number = np.argsort(number, kind="stable")
        order = by_model[by_number]
        number, model = number[by_number], model[order]
        changed = (np.diff(model, prepend=0) != 0) | (np.diff(number.astype(np.int64), prepend=-1) != 0)
        group_start = np.flatnonzero(changed)
        return order, group_start, model[group_start].astype(np.int64), number[group_start].astype(np.int64)

    def _models(self, where: Ints, node: Ints | None) -> NDArray[np.integer]:
        """The number of the model of each decision: (context, node) pairs in ascending order."""
        if self.contexts is None:
            assert node is not None
            key = node
        else:
            key = self.contexts[where] if node is None else self.contexts[where] << 16 | node
        if int(key.max()) < 2**16:
            used = np.bincount(key) > 0
            number_of_key = np.cumsum(used) - 1
        else:
            keys, number_of_key = np.unique(key, return_inverse=True)
            used, key = keys >= 0, np.arange(len(where))
        # Sixteen bits where they suffice: numpy's stable sort of those takes linear time.
        return number_of_key[key].astype(np.uint16 if int(used.sum()) <= 2**16 else np.int64)


def _one_model(coder: BitCoder, count: int, given: Ints | None) -> Ints:
    """``count`` decisions under one model: what ``SymbolModel._plane`` does, without the grouping."""
    out = np.zeros(count, dtype=np.int64)
    starts = block_starts(count).tolist()
    ones = 0
    for start, end in pairwise([*starts, count]):
        one, denominator = 2 * ones + 1, 2 * start + 2
        block = coder.code(
            np.full(end - start, one / denominator), None if given is None else given[start:end]
        )
        out[start:end] = block
        hits = int(block.sum())
        missed = end - start - hits
        coder.cost(
            hits * math.log2(denominator / one) + missed * math.log2(denominator / (denominator - one))
        )
        ones += hits
    return out
