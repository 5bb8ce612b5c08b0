"""From real numbers to the grid: one number after another is fixed, and the others make up for it.

What the rounding of one costs, and what the others can make up, is read off the curvature of the loss among the
numbers that are not zero (Hassibi and Stork 1992; for quantization Frantar and Alistarh 2022, "Optimal brain
compression", and, with a fixed order and one Cholesky factor for all, Frantar et al. 2022, arXiv 2210.17323). What a
point of the grid costs in bits can have its say too, as in rate-distortion optimized quantization.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound.finetune.heads.fit import Fit

__all__ = ["rounded"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_DAMPING = 0.01  # of the mean curvature
_DENSEST = 0.4  # share of numbers that are not zero, at which a zero is still the cheaper one
_ROWS = 8192  # at most, from which the curvature is taken
_ROWS_A_NUMBER = 8
_TOGETHER = 2000  # numbers up to which the curvature between classes is looked at


def rounded(fit: Fit, w: Tensor, steps: Sequence[float], largest: int, bit_weights: Sequence[float]) -> Ints:
    """Integers in -largest..largest of ``w``, for each step and bit weight: [steps x weights, C - 1, K + 1].

    Args:
        fit: the loss; ``w`` is near its minimum among the numbers that are not zero.
        w: [C - 1, K + 1], not all zero; zeros stay zeros.
        steps: lattice steps.
        largest: integer.
        bit_weights: what a bit is worth in units of the loss, each tried with each step.
    """
    pairs = np.array([(step, weight) for weight in bit_weights for step in steps])
    found = np.zeros((len(pairs), w.numel()), dtype=np.int64)
    kept = [float((w.abs() >= step / 2).float().mean()) for step in pairs[:, 0]]
    share = np.clip(kept, 0.5 / w.numel(), _DENSEST)
    for places, curvature in _curvatures(fit, w):
        own = curvature.double()
        own += _DAMPING * own.diagonal().mean() * torch.eye(len(own), dtype=torch.float64)
        order = own.diagonal().argsort(descending=True, stable=True)  # the most sensitive first
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(own[order][:, order]))
        factor = torch.linalg.cholesky(inverse, upper=True).numpy()
        ordered = places[order]
        start = w.flatten()[ordered].double().numpy()
        found[:, ordered.numpy()] = _fix(start, factor, pairs, largest, share)
    return found.reshape(-1, *w.shape)


def _fix(start: Floats, factor: Floats, pairs: Floats, largest: int, share: Floats) -> Floats:
    """Fixes one number after another, for all pairs of step and bit weight at once: [pairs, numbers].

    About a ``share`` [pairs] of all numbers will not be zero.
    """
    steps, weights = pairs.T
    position = np.tile(start, (len(pairs), 1))
    numbers = np.zeros_like(position)
    zero, other = -np.log2(1.0 - share), 1.0 - np.log2(share)
    rows = np.arange(len(pairs))
    for i in range(len(start)):
        own = factor[i, i]
        below = np.floor(position[:, i] / steps)
        points = np.stack([below, below + 1.0, np.zeros(len(pairs))]).clip(-largest, largest)
        bits = np.where(points == 0, zero, other + 2.0 * np.log2(np.maximum(np.abs(points), 1.0)))
        cost = 0.5 * ((points * steps - position[:, i]) / own) ** 2 + weights * bits
        numbers[:, i] = points[cost.argmin(0), rows]
        error = (position[:, i] - numbers[:, i] * steps) / own
        position[:, i + 1 :] -= error[:, None] * factor[i, i + 1 :]
    return numbers


def _curvatures(fit: Fit, w: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Places of numbers that are not zero, and the second derivatives of the mean cross-entropy among them.

    Of all of them, or, where those are many, of each class's on their own.
    """
    used = w != 0
    count = int(used.sum())
    some = min(fit.problem.n, _ROWS, max(_ROWS // 2, _ROWS_A_NUMBER * count))
    rows = torch.arange(some) * fit.problem.n // some
    inputs, weights = fit.problem.inputs[rows], fit.weights[rows] / fit.weights[rows].sum()
    shares = fit.shares(w, rows)
    together = count <= _TOGETHER
    places = torch.arange(w.numel()).view_as(w)
    blocks, columns = [], []
    for of_class, share in zip(used, shares, strict=True):
        own = inputs[:, of_class]
        weight = weights * share * (1.0 if together else 1.0 - share)
        blocks.append((own * weight[:, None]).T @ own)
        if together:
            columns.append(own * (weights.sqrt() * share)[:, None])
    if together:
        between = torch.cat(columns, 1)
        return [(places[used], torch.block_diag(*blocks) - between.T @ between)]
    return [
        (place[own], block) for place, own, block in zip(places, used, blocks, strict=True) if bool(own.any())
    ]
