"""A part of the model that can be trained by itself, and what two outputs must share to be called equal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferbound.features.file_layout import Layout

__all__ = ["Part", "close", "first_inputs_of", "other_values"]


@dataclass(frozen=True)
class Part:
    """What the subspace trains and all that follows it.

    Attributes:
        name: of the place in the model and of the file's layout, for the file's fingerprint.
        module: what enters it first in a forward pass are the features.
        layout: how they are kept.
        fresh: those of the examples on which the part was tried out, by ``layout.even``.
        run: logits [B, C] from features and row numbers.
        seconds: of one example's forward pass through the whole model.
    """

    name: str
    module: nn.Module
    layout: Layout
    fresh: Tensor
    run: Callable[[Tensor, npt.NDArray[np.int64]], Tensor]
    seconds: float


@contextmanager
def first_inputs_of(module: nn.Module, alone: bool = False) -> Iterator[list[Any]]:
    """Collects a copy of the first positional argument at each call; None if it is no tensor.

    Args:
        alone: None also where it is not the only argument.
    """
    seen: list[Any] = []

    def look(_: nn.Module, args: Any, kwargs: Any) -> None:
        fits = bool(args) and isinstance(args[0], Tensor) and not (alone and (kwargs or len(args) > 1))
        # A copy: the module may write to its input.
        seen.append(args[0].detach().clone() if fits else None)

    handle = module.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def other_values(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Random values of the size of a layer's start around the present ones."""
    random = torch.Generator().manual_seed(0)
    return {
        key: value.detach()
        + torch.randn(value.shape, generator=random).to(value) / math.sqrt(math.prod(value.shape[1:]))
        for key, value in parameters.items()
    }


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Whether the largest difference is within ``tolerance`` of the largest entry of ``b``."""
    size = max(float(b.abs().max()), 1e-30)
    return a.shape == b.shape and bool(((a - b).abs().max() <= tolerance * size).item())
