"""From real numbers to the grid: some are fixed, the others make up for it, until all are."""

from __future__ import annotations

import torch
from torch import Tensor

from transferbound.finetune.heads.fit import Fit

__all__ = ["rounded"]

_ROUNDS = 4
_STEPS = 25
_PENALTY = 0.3  # of that of the fit: what is to be zero is so already


def rounded(fit: Fit, w: Tensor, penalties: Tensor, step: float, largest: int, *, deadline: float) -> Tensor:
    """Integers int64 [C - 1, K + 1] in -largest..largest, of ``w`` in units of ``step``; zeros stay zeros.

    The numbers nearest to the grid are fixed first, half of those left in each round, and the others are fitted
    again (incremental quantization: Zhou et al. 2017, arXiv 1702.03044, section 3).
    """
    free = w != 0
    for turn in range(_ROUNDS):
        left = int(free.sum())
        if not left:
            break
        position = w / step
        grid = position.round().clamp(-largest, largest)
        distance = torch.where(free, (position - grid).abs(), torch.inf)
        count = left if turn == _ROUNDS - 1 else -(-left // 2)
        chosen = distance.flatten().argsort(stable=True)[:count]
        w = w.clone()
        w.view(-1)[chosen] = grid.view(-1)[chosen] * step
        free.view(-1)[chosen] = False
        if turn < _ROUNDS - 1:
            w = fit.minimize(w, _PENALTY * penalties, _STEPS, free=free, deadline=deadline)
    return (w / step).round().clamp(-largest, largest).long()
