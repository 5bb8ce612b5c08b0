"""Principal components of reference inputs: a linear layer that gives a head few and telling directions.

The reference inputs are no rows of the task: a prior may hold what is computed of them, and costs no bits.
"""

from __future__ import annotations

import torch

from transferbound.errors import ArgumentError

__all__ = ["principal"]


def principal(features: torch.Tensor, count: int, power: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """The linear layer that turns features to their ``count`` leading principal components, each of mean zero.

    A component with the standard deviation s over ``features`` is given the standard deviation c s^power, with the one
    c for which the mean variance of all components is one. Computed in float64. The sign of a component is
    whatever the eigenvalue routine gives: another machine may turn it, and then its checkpoint is another prior.

    Args:
        features: [N, F], what N reference inputs look like to a network.
        count: C, how many components.
        power: 0 makes all components alike (whitening), 1 leaves to each its share of the variance.

    Returns:
        Weight [C, F] and bias [C], float32.

    Raises:
        ArgumentError: the features are not finite, or span fewer than ``count`` directions.
    """
    features = features.double()
    if not bool(torch.isfinite(features).all()):
        raise ArgumentError(
            "the features of the reference inputs are not all finite; check the network's input"
        )
    mean = features.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((features - mean).T))
    _check_count(count, values, len(features))
    deviations = values[-count:].flip(0).sqrt()
    wanted = deviations**power
    wanted /= wanted.square().mean().sqrt()
    weight = (vectors[:, -count:].flip(1) * (wanted / deviations)).T
    return weight.float(), -(weight @ mean).float()


def _check_count(count: int, variances: torch.Tensor, rows: int) -> None:
    """``variances`` [F] in ascending order; those that are rounding alone give no direction."""
    smallest = variances[-1] * len(variances) * torch.finfo(variances.dtype).eps
    rank = int((variances > smallest).sum())
    if not 1 <= count <= rank:
        raise ArgumentError(
            f"count is {count}; {rows} reference inputs with {len(variances)} features span {rank} directions: "
            f"choose 1 to {rank} components, or more inputs"
        )
