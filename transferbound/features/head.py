"""Which module a subspace trains, and whether its input is all that it needs to know of an example."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from transferbound.subspace import SubspaceModel

__all__ = ["close", "inputs_of", "module_of_touched", "try_out"]

_TOLERANCE = 1e-5  # of the head's output, against the model's


def module_of_touched(model: SubspaceModel) -> str:
    """Name of the module whose parameters are just those that the subspace touches; empty if there is none."""
    specs = model.projection.layout.specs
    names = [specs[i].name for i in model.projection.touched]
    common: list[str] = []
    for parts in zip(*(name.split(".")[:-1] for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    parameters = dict(model.model.named_parameters())
    held = {id(p) for p in model.model.get_submodule(".".join(common)).parameters()}
    is_all = len(held) == len(parameters)
    return "" if is_all or held != {id(parameters[name]) for name in names} else ".".join(common)


@torch.inference_mode()
def try_out(network: nn.Module, name: str, head: nn.Module, batch: dict[str, Tensor]) -> Tensor | None:
    """The head's input [B, F], if it is all that the model's output depends on besides the head."""
    with inputs_of(head) as seen:
        network(**batch)
        # A new head of zeros would agree with anything, so other values stand in for the head's.
        other = _other_values(head)
        expected = functional_call(network, {f"{name}.{key}": v for key, v in other.items()}, kwargs=batch)
    if len(seen) != 2 or any(x is None for x in seen):
        return None
    before, after = seen
    rows = len(next(iter(batch.values())))
    if before.dtype != torch.float32 or before.dim() != 2 or len(before) != rows:
        return None
    # Features that move with the head's parameters (tied weights) are not a function of the prior.
    if not close(before, after, _TOLERANCE):
        return None
    found = functional_call(head, other, (after,))
    if not isinstance(found, Tensor) or not isinstance(expected, Tensor) or found.shape != expected.shape:
        return None
    return before if close(found, expected, _TOLERANCE) else None


def _other_values(head: nn.Module) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(0)
    return {
        key: value
        + torch.randn(value.shape, generator=random).to(value) / math.sqrt(math.prod(value.shape[1:]))
        for key, value in head.named_parameters()
    }


@contextmanager
def inputs_of(module: nn.Module) -> Iterator[list[Any]]:
    """Collects what enters ``module`` at each call: its single positional tensor, or None."""
    seen: list[Any] = []

    def look(_: nn.Module, args: Any, kwargs: Any) -> None:
        single = len(args) == 1 and not kwargs and isinstance(args[0], Tensor)
        seen.append(args[0] if single else None)

    handle = module.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    size = max(float(b.abs().max()), 1e-30)
    return a.shape == b.shape and bool(((a - b).abs().max() <= tolerance * size).item())
