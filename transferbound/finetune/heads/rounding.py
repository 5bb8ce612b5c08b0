"""From real numbers to the grid: one number after another is fixed, and the others make up for it.

What the rounding of one costs, and what the others can make up, is read off the curvature of the loss among the
numbers that are not zero (Hassibi and Stork 1992; for quantization Frantar and Alistarh 2022, "Optimal brain
compression", and, with a fixed order and one Cholesky factor for all, Frantar et al. 2022, arXiv 2210.17323). What a
point of the grid costs in bits can have its say too, as in rate-distortion optimized quantization.
"""

from __future__ import annotations

import math
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
    used = w != 0
    curvature = _curvature(fit, w, used).double()
    curvature += _DAMPING * curvature.diagonal().mean() * torch.eye(len(curvature), dtype=torch.float64)
    order = curvature.diagonal().argsort(descending=True, stable=True)  # the most sensitive first
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(curvature[order][:, order]))
    factor = torch.linalg.cholesky(inverse, upper=True).numpy()
    pairs = np.array([(step, weight) for weight in bit_weights for step in steps])
    numbers = _fix(w[used][order].double().numpy(), factor, pairs, largest, w.numel())
    found = np.zeros((len(pairs), w.numel()), dtype=np.int64)
    found[:, used.flatten().nonzero().squeeze(1)[order].numpy()] = numbers
    return found.reshape(-1, *w.shape)


def _fix(start: Floats, factor: Floats, pairs: Floats, largest: int, every: int) -> Floats:
    """Fixes one number after another, for all pairs of step and bit weight at once: [pairs, numbers]."""
    steps, weights = pairs.T
    position = np.tile(start, (len(pairs), 1))
    numbers = np.zeros_like(position)
    share = (len(start) + 0.5) / (every + 1.0)
    zero, other = -math.log2(max(1.0 - share, 0.01)), 1.0 - math.log2(share)
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


def _curvature(fit: Fit, w: Tensor, used: Tensor) -> Tensor:
    """Second derivatives of the mean cross-entropy among the numbers that are used, class by class."""
    count = int(used.sum())
    some = min(fit.problem.n, _ROWS, max(_ROWS // 2, _ROWS_A_NUMBER * count))
    rows = torch.arange(some) * fit.problem.n // some
    inputs, weights = fit.problem.inputs[rows], fit.weights[rows] / fit.weights[rows].sum()
    shares = fit.shares(w, rows)
    together = count <= _TOGETHER
    blocks, columns = [], []
    for of_class, share in zip(used, shares, strict=True):
        own = inputs[:, of_class]
        weight = weights * share * (1.0 if together else 1.0 - share)
        blocks.append((own * weight[:, None]).T @ own)
        if together:
            columns.append(own * (weights.sqrt() * share)[:, None])
    whole: Tensor = torch.block_diag(*blocks)
    if together:
        between = torch.cat(columns, 1)
        whole -= between.T @ between
    return whole
