"""A subspace of one last module that reads vectors: whether its input is all that it needs to know of an example."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import functional_call

from transferbound.data.encoded import EncodedData
from transferbound.features.file_layout import Layout
from transferbound.features.part import Part, close, first_inputs_of, other_values
from transferbound.subspace import SubspaceModel

__all__ = ["find_head"]

_TOLERANCE = 1e-5  # of the head's output, against the model's


@torch.inference_mode()
def find_head(
    model: SubspaceModel, data: EncodedData, few: npt.NDArray[np.int64], device: torch.device
) -> Part | None:
    """The module that holds all that the subspace trains, if the model's output is its output.

    That is tried out on the rows ``few``, with other values in the module: a new head of zeros would agree
    with anything.
    """
    name = _module_of_trainable(model)
    if not name:
        return None
    network, head = model.model, model.model.get_submodule(name)
    batch = data.batch(few, device)
    started = time.monotonic()
    with first_inputs_of(head, alone=True) as seen:
        network(**batch)
        other = other_values(dict(head.named_parameters()))
        expected = functional_call(network, {f"{name}.{key}": v for key, v in other.items()}, kwargs=batch)
    seconds = (time.monotonic() - started) / (2 * len(few))
    if len(seen) != 2 or any(x is None for x in seen):
        return None
    before, after = seen
    if before.dtype != torch.float32 or before.dim() != 2 or len(before) != len(few):
        return None
    # Features that move with the head's parameters (tied weights) are not a function of the prior.
    if not close(before, after, _TOLERANCE):
        return None
    found = functional_call(head, other, (after,))
    if not isinstance(found, Tensor) or not isinstance(expected, Tensor) or found.shape != expected.shape:
        return None
    if not close(found, expected, _TOLERANCE):
        return None
    layout = Layout.of(before, data.n)
    return Part(name, head, layout, layout.even(before, few), lambda features, _: head(features), seconds)


def _module_of_trainable(model: SubspaceModel) -> str:
    """Name of the module whose parameters are just the trainable ones; empty if there is none."""
    specs = model.projection.layout.specs
    names = [specs[i].name for i in model.projection.trainable]
    common: list[str] = []
    for parts in zip(*(name.split(".")[:-1] for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    parameters = dict(model.model.named_parameters())
    held = {id(p) for p in model.model.get_submodule(".".join(common)).parameters()}
    is_all = len(held) == len(parameters)
    return "" if is_all or held != {id(parameters[name]) for name in names} else ".".join(common)
