"""Out of a local optimum: some numbers are changed for the worse, the polish climbs again, and the better head stays.

Source: iterated local search, Lourenco, Martin and Stuetzle 2003, "Iterated local search".
"""

from __future__ import annotations

import numpy as np

from transferbound.finetune.heads.polish import Ints, Polished, Search

__all__ = ["shaken"]

_MOST_CHANGED = 3
_TO_ZERO, _BY_SOME = 0.6, 0.25  # how often numbers that are not zero become so, and how often any are moved
_FARTHEST = 3
_NEAR = 1.01  # bounds up to so many times the best are worth a look at all classes


def shaken(search: Search, patience: int) -> Polished:
    """The best head that is found near where ``search`` stands, never a worse one; none is begun after its deadline.

    Args:
        search: the rows, integers to begin with, and what they are judged by.
        patience: trials in a row without a smaller bound, after which it ends.
    """
    random = np.random.default_rng(0)
    best, failures = search.result(), 0
    while failures < patience and not search.late():
        trial, touched = _moved(best.integers, search.largest, random)
        search.go_to(trial)
        search.climb(touched, near=True)
        if search.bound < _NEAR * best.bound and len(touched) < len(search.labels):
            search.climb(near=True)
        failures += 1
        if search.bound <= best.bound:
            failures = failures if search.bound == best.bound else 0
            best = search.result()
    return best


def _moved(integers: Ints, largest: int, random: np.random.Generator) -> tuple[Ints, set[int]]:
    """Integers of which some are other ones, and the classes that they belong to."""
    moved, count = integers.copy(), int(random.integers(1, _MOST_CHANGED + 1))
    used = np.argwhere(integers != 0)
    how = random.random()
    if how < _TO_ZERO and len(used):
        places = used[random.permutation(len(used))[:count]]
        moved[tuple(places.T)] = 0
    else:
        if how < _TO_ZERO + _BY_SOME or not len(used):
            places = np.stack([random.integers(size, size=count) for size in integers.shape], 1)
        else:
            places = used[random.permutation(len(used))[: count + 2]]
        by = random.integers(1, _FARTHEST + 1, len(places)) * random.choice([-1, 1], len(places))
        moved[tuple(places.T)] = np.clip(moved[tuple(places.T)] + by, -largest, largest)
    return moved, {int(place) + 1 for place in places[:, 0]}
