"""The decoder's path: integers to weights, the same bits on every machine.

P q is a sum of integers below 2**53, so float64 holds it exactly whatever the order of summation; what
follows is elementwise and correctly rounded. Hence neither threads, nor libraries, nor devices matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferbound.errors import SubspaceError
from transferbound.subspace.build import build_projection
from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.layout import build_layout
from transferbound.subspace.projection import ExactTerm, Projection

__all__ = ["add_offset_", "decode_offset_"]

_EXACT = 1 << 53


def decode_offset_(
    module: nn.Module,
    config: SubspaceConfig,
    integers: npt.ArrayLike | Tensor,
    step: float,
    head: Sequence[str] = (),
) -> None:
    """Writes theta = float32(theta0 + scale_t * step * (P q)) into a fresh checkpoint, in place.

    Args:
        module: a model that holds the prior's weights; they are theta0.
        config: the subspace.
        integers: q, shape [config.dim], of an integer type.
        step: the grid's step, positive and finite.
        head: names of the head's parameters, as for ``SubspaceModel``.

    A parameter in half precision gets the float32 value rounded once more; one in float64 keeps float64.

    Raises:
        SubspaceError: the integers do not fit the config, or are too large to be decoded exactly.
    """
    add_offset_(module, build_projection(config, build_layout(module, head)), integers, step)


def add_offset_(
    module: nn.Module, projection: Projection, integers: npt.ArrayLike | Tensor, step: float
) -> None:
    """``decode_offset_`` with the ``projection`` that was built from this ``module``."""
    q = _check_integers(integers, projection.dim)
    if not (isinstance(step, float | int) and math.isfinite(step) and step > 0):
        raise SubspaceError(f"step must be positive and finite, not {step!r}")
    if projection.exact_bound(q) >= _EXACT:
        raise SubspaceError(
            f"the largest coordinate, {int(np.abs(q).max())}, is too large to decode exactly: "
            "use a larger step"
        )
    q64 = torch.from_numpy(q).to(torch.float64)
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for index in projection.trainable:
            name = projection.layout.specs[index].name
            _add_to(parameters[name], name, projection.exact(q64, index), float(step))


def _add_to(parameter: nn.Parameter, name: str, terms: list[ExactTerm], step: float) -> None:
    theta = parameter.detach().to(device="cpu", dtype=torch.float64).reshape(-1)
    theta = _add_exact(theta, terms, step)
    if parameter.dtype != torch.float64:
        theta = theta.to(torch.float32)
    if not bool(torch.isfinite(theta).all()):
        raise SubspaceError(f"step={step!r} moves {name} out of the range of float32")
    parameter.copy_(theta.view(parameter.shape))


def _add_exact(theta: Tensor, terms: list[ExactTerm], step: float) -> Tensor:
    for factor, power, integers in terms:
        # Two operations, each rounded on its own: a fused one would round differently.
        theta = theta + integers * (factor * step**power if power == 1 else factor * step * step)
    return theta


def _check_integers(integers: npt.ArrayLike | Tensor, dim: int) -> npt.NDArray[np.int64]:
    q = integers.detach().cpu().numpy() if isinstance(integers, Tensor) else np.asarray(integers)
    if q.dtype.kind not in "iu":
        raise SubspaceError(f"the coordinates must be integers, not {q.dtype}")
    if q.shape != (dim,):
        raise SubspaceError(f"the subspace has dim={dim} coordinates, not shape {q.shape}")
    if q.size and (int(q.max()) >= _EXACT or int(q.min()) <= -_EXACT):
        raise SubspaceError("a coordinate exceeds 2**53 in absolute value")
    return q.astype(np.int64)
