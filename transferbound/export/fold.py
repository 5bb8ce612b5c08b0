"""A certified predictor as a network with one linear head: components and head become one layer, in float64."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from transferbound.predictor import DecodedPredictor
from transferbound.priors.components.classifier import ComponentClassifier
from transferbound.priors.components.constant import ConstantClassifier
from transferbound.priors.components.read import head_module
from transferbound.priors.components.taps import HEAD_INPUT

__all__ = ["CannotFoldError", "folded"]


class CannotFoldError(Exception):
    """There is no such network; says why."""


def folded(decoded: DecodedPredictor, class_names: Sequence[str]) -> nn.Module:
    """The decoded module itself where it is one network with its head; else a new module that answers alike.

    ``W2 (B x + b) + c`` is one linear layer of the features x, with the weights ``W2 B`` and ``W2 b + c``, to which the
    head that the network has of its own is added where the predictor adds it. They are computed in float64 and rounded
    once to float32.

    Raises:
        CannotFoldError: it reads other parts of the network than the input of one linear head.
    """
    module = decoded.module
    if isinstance(module, ConstantClassifier):
        return _constant(decoded, module.logits.detach(), class_names)
    if not isinstance(module, ComponentClassifier):
        return module
    if module.components is not None and module.taps != (HEAD_INPUT,):
        places = f"{len(module.taps)} places" if len(module.taps) > 1 else "a place"
        raise CannotFoldError(
            f"its head reads {places} inside the network ({', '.join(module.taps)}), where an ordinary checkpoint has "
            "one linear head on the last features"
        )
    bias = module.head.bias.detach().double()
    if module.components is None:
        if not module.adds_own:
            return _constant(decoded, bias, class_names)
        return _with_head(decoded, class_names, None, bias, adds_own=True)
    head = torch.zeros(len(bias), module.components.out_features, dtype=torch.float64)
    for part in (module.head.weight, module.start):
        if part is not None:
            head[:, : part.shape[1]] += part.detach().double()
    weight = head @ module.components.weight.detach().double()
    bias = bias + head @ module.components.bias.detach().double()
    return _with_head(decoded, class_names, weight, bias, adds_own=module.adds_own)


def _constant(decoded: DecodedPredictor, logits: Tensor, class_names: Sequence[str]) -> nn.Module:
    """A head of weights zero: whatever the features are, the logits are its bias."""
    return _with_head(decoded, class_names, None, logits.double(), adds_own=False)


def _with_head(
    decoded: DecodedPredictor,
    class_names: Sequence[str],
    weight: Tensor | None,
    bias: Tensor,
    *,
    adds_own: bool,
) -> nn.Module:
    """The checkpoint's network with this head [C, F], [C]; None: zeros."""
    prior = decoded.prior
    module = prior.build(len(class_names), input_size=decoded.header.input_size, class_names=class_names)
    place = head_module(prior)
    layer = module.get_submodule(place)
    parameters = {f"{place}.{name}" for name, _ in layer.named_parameters()}
    if not isinstance(layer, nn.Linear) or set(prior.head_parameters(2)) != parameters:
        raise CannotFoldError(
            f"the head of {prior.architecture} ({place}, {type(layer).__name__}) is not one linear layer"
        )
    if layer.bias is None:
        raise CannotFoldError(
            f"the head of {prior.architecture} ({place}) has no bias, which the predictor needs"
        )
    if weight is not None and weight.shape != layer.weight.shape:
        raise CannotFoldError(
            f"its head reads {weight.shape[1]} features and that of {prior.architecture} {layer.weight.shape[1]}"
        )
    with torch.no_grad():
        own = (layer.weight.double(), layer.bias.double()) if adds_own else (0.0, 0.0)
        moved = torch.zeros_like(layer.weight, dtype=torch.float64) if weight is None else weight
        layer.weight.copy_((own[0] + moved).float())
        layer.bias.copy_((own[1] + bias).float())
    return module.eval()
