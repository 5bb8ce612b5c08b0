"""The order of the examples: a function of seed and epoch alone, so that a resumed run repeats it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transferbound.data.encoded import EncodedData

__all__ = ["epoch_batches"]

_POOL = 50  # batches whose rows are sorted by length together


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
