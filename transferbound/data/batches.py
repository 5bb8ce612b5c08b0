"""Which rows stand together in a batch: of an epoch's steps, and of a pass without gradients.

An epoch's order is a function of seed and epoch alone, so that a resumed run repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from transferbound.data.encoded import EncodedData
from transferbound.priors import images_at_once

__all__ = ["LARGE_BATCH", "composition", "epoch_batches", "evaluation_batches", "evaluation_order"]

LARGE_BATCH = 250
"""Rows at a time in a pass without gradients, where nothing speaks for fewer."""

_POOL = 50  # batches whose rows are sorted by length together
# On a CPU larger batches leave its caches: MiniLM takes up to 2.5 times as long, EfficientNet-Lite0 1.3 times.
_CPU_TOKENS = 512


def epoch_batches(data: EncodedData, batch_size: int, seed: int, epoch: int) -> list[npt.NDArray[np.int64]]:
    """Row numbers of each batch of one epoch, in order; the last batch drawn may be smaller.

    Texts of like length come together, so that little is padded: rows are drawn at random, sorted by length
    within pools of some batches, and the batches are shuffled again.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(data.n)
    if data.lengths is None:
        return [order[start : start + batch_size] for start in range(0, data.n, batch_size)]
    batches = []
    for start in range(0, data.n, _POOL * batch_size):
        pool = order[start : start + _POOL * batch_size]
        pool = pool[np.argsort(data.lengths[pool], kind="stable")]
        batches += [pool[at : at + batch_size] for at in range(0, len(pool), batch_size)]
    return [batches[place] for place in random.permutation(len(batches))]


def evaluation_order(data: EncodedData) -> npt.NDArray[np.int64]:
    """All rows, int64 [n]: texts with the longest first, so that little is padded; images as they stand."""
    if data.lengths is None:
        return np.arange(data.n)
    return np.argsort(data.lengths, kind="stable")[::-1].copy()


def composition(data: EncodedData, batch_size: int, seed: int | None) -> tuple[npt.NDArray[np.int64], int]:
    """An order of all rows, int64 [n], and a batch size of at most ``batch_size``: other ones for each ``seed``.

    Whoever counts again takes another seed: what depends on the rows beside a row then gives another count.
    """
    if seed is None:
        return evaluation_order(data), batch_size
    random = np.random.default_rng(seed)
    return random.permutation(data.n), int(random.integers(max(1, batch_size // 2), batch_size + 1))


def evaluation_batches(
    data: EncodedData, rows: npt.NDArray[np.int64], batch_size: int, device: torch.device
) -> Iterator[npt.NDArray[np.int64]]:
    """``rows`` in pieces for a pass without gradients: at most ``batch_size`` each, and on a CPU what its caches hold.

    Texts in one piece have the same number of tokens. So nothing is padded, and no model can see in its row how long
    the rows beside it are: some ignore the mask (FNet), others let padding move what they compute (ConvBERT).

    Args:
        rows: row numbers in any order; texts of one length keep it among themselves, the longest go first.
    """
    if data.lengths is None:
        yield from _pieces(
            rows, min(batch_size, images_at_once(data.side)) if device.type == "cpu" else batch_size
        )
        return
    lengths = data.lengths[rows]
    together = np.argsort(-lengths, kind="stable")
    for group in np.split(together, np.flatnonzero(np.diff(lengths[together])) + 1):
        tokens = max(1, int(lengths[group[0]])) if len(group) else 1
        size = min(batch_size, max(1, _CPU_TOKENS // tokens)) if device.type == "cpu" else batch_size
        yield from _pieces(rows[group], size)


def _pieces(rows: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
