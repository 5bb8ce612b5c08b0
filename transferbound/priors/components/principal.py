"""Principal components of reference inputs: a linear layer that gives a head few and telling directions.

The reference inputs are no rows of the task: a prior may hold what is computed of them, and costs no bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from transferbound.errors import ArgumentError

__all__ = ["POWER", "Directions", "principal", "principal_directions"]

POWER = 0.5
"""A component of standard deviation s keeps the share s^0.5 of it: between whitening and none."""


@dataclass(frozen=True)
class Directions:
    """The directions in which N reference inputs differ most, the largest first, each in float64.

    Attributes:
        vectors: [R, F], of length one; the largest entry (in absolute value) of each is positive.
        deviations: [R], standard deviation of the inputs along each.
        mean: [F].
    """

    vectors: torch.Tensor
    deviations: torch.Tensor
    mean: torch.Tensor

    def layer(self, count: int, power: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight [C, F] and bias [C], float32, as :func:`principal` gives them.

        Raises:
            ArgumentError: there are fewer than ``count`` directions.
        """
        if not 1 <= count <= len(self.deviations):
            raise ArgumentError(
                f"count is {count}; the reference inputs with {len(self.mean)} features span {len(self.deviations)} "
                f"directions: choose 1 to {len(self.deviations)} components, or more inputs"
            )
        deviations = self.deviations[:count]
        wanted = self.scaled(count, power)
        weight = self.vectors[:count] * (wanted / deviations)[:, None]
        return weight.float(), -(weight @ self.mean).float()

    def scaled(self, count: int, power: float) -> torch.Tensor:
        """float64 [C]: the deviations of the components over the inputs, as :meth:`layer` gives them."""
        wanted = self.deviations[:count] ** power
        wanted /= wanted.square().mean().sqrt()
        return wanted


def principal(features: torch.Tensor, count: int, power: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """The linear layer that turns features to their ``count`` leading principal components, each of mean zero.

    A component with the standard deviation s over ``features`` is given the standard deviation c s^power, with the one
    c for which the mean variance of all components is one. Computed in float64.

    Args:
        features: [N, F], what N reference inputs look like to a network.
        count: C, how many components.
        power: 0 makes all components alike (whitening), 1 leaves to each its share of the variance.

    Returns:
        Weight [C, F] and bias [C], float32.

    Raises:
        ArgumentError: the features are not finite, or span fewer than ``count`` directions.
    """
    return principal_directions(features).layer(count, power)


def principal_directions(features: torch.Tensor, most: int | None = None) -> Directions:
    """The directions of ``features`` [N, F], at most ``most``; those that are rounding alone are none.

    Raises:
        ArgumentError: the features are not finite.
    """
    features = features.double()
    if not bool(torch.isfinite(features).all()):
        raise ArgumentError(
            "the features of the reference inputs are not all finite; check the network's input"
        )
    mean = features.mean(0)
    centred = features - mean
    rows, columns = centred.shape
    few = rows < columns  # then the inner products of rows are the smaller matrix
    values, vectors = torch.linalg.eigh(
        (centred @ centred.T if few else centred.T @ centred) / max(rows - 1, 1)
    )
    smallest = values[-1] * max(rows, columns) * torch.finfo(values.dtype).eps
    rank = int((values > smallest).sum())
    kept = rank if most is None else min(rank, most)
    values, vectors = values.flip(0)[:kept], vectors.flip(1)[:, :kept]
    if few:
        vectors = centred.T @ vectors
        vectors = vectors / vectors.norm(dim=0)
    vectors = vectors.T
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True)) if kept else vectors[:, :1]
    return Directions(vectors * largest.sign(), values.sqrt(), mean)
