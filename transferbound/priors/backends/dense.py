"""Dense layers that a sentence-transformers checkpoint puts between its pooling and whatever reads its vectors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from transferbound.errors import PriorError
from transferbound.priors.checkpoint.json_files import read_json, read_object
from transferbound.priors.checkpoint.weights import read_tensors, weight_files

__all__ = ["DenseLayer", "check_widths", "dense_layers", "dense_tensors", "split_dense"]

#: The activations by the names that sentence-transformers writes.
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "torch.nn.modules.activation.GELU": nn.GELU,
    "torch.nn.modules.activation.ReLU": nn.ReLU,
    "torch.nn.modules.activation.Sigmoid": nn.Sigmoid,
    "torch.nn.modules.activation.Tanh": nn.Tanh,
    "torch.nn.modules.linear.Identity": nn.Identity,
}
_LARGEST = 1 << 16
_PLACE = re.compile(r"^([0-9]{1,3})_[A-Za-z0-9_-]+$")


@dataclass(frozen=True)
class DenseLayer:
    """One layer [in_features] -> [out_features]; ``place`` is its folder, and the first part of its tensors' names."""

    place: str
    in_features: int
    out_features: int
    bias: bool
    activation: str

    def build(self) -> nn.Module:
        """The untrained layer, with the names that its checkpoint uses."""
        layer = nn.Sequential()
        layer.add_module("linear", nn.Linear(self.in_features, self.out_features, bias=self.bias))
        layer.add_module("activation", _ACTIVATIONS[self.activation]())
        return layer

    def to_dict(self) -> dict[str, Any]:
        """What the decoder needs to know beside the tensors."""
        return {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "activation": self.activation,
        }


def dense_layers(folder: Path, name: str) -> tuple[DenseLayer, ...]:
    """The dense layers that ``modules.json`` names, in order; none where there is no such file.

    Raises:
        PriorError: the file cannot be read, or a layer is not one that can be built.
    """
    path = folder / "modules.json"
    if not path.is_file():
        return ()
    modules = read_json(path, name)
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise PriorError(f"the prior {name}: modules.json is not a list of modules")
    dense = [module for module in modules if str(module.get("type", "")).rsplit(".", 1)[-1] == "Dense"]
    layers = tuple(_layer(folder, str(module.get("path", "")), name) for module in dense)
    # The fingerprint covers the names of the tensors, not this file: the names alone must give the order.
    numbers = [int(layer.place.split("_", 1)[0]) for layer in layers]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise PriorError(
            f"the prior {name}: modules.json has its dense layers out of the order of their numbers"
        )
    return layers


def dense_tensors(folder: Path, source: Path, name: str) -> dict[str, torch.Tensor]:
    """The tensors of the dense layers, under ``PLACE.linear.weight`` and ``PLACE.linear.bias``.

    Raises:
        PriorError: weights are missing, unreadable or of another shape than their config says.
    """
    tensors: dict[str, torch.Tensor] = {}
    for layer in dense_layers(folder, name):
        files = weight_files(source / layer.place)
        if not files:
            raise PriorError(f"the prior {name} has no weights for its dense layer {layer.place}")
        found = read_tensors(files)
        shapes = {key: list(value.shape) for key, value in found.items()}
        with torch.device("meta"):  # sizes are the checkpoint's word until they are compared
            skeleton = layer.build()
        expected = {key: list(value.shape) for key, value in skeleton.state_dict().items()}
        if shapes != expected:
            raise PriorError(
                f"the prior {name}: the dense layer {layer.place} holds {shapes}, expected {expected}"
            )
        tensors |= {f"{layer.place}.{key}": value.float() for key, value in found.items()}
    return tensors


def check_widths(layers: tuple[DenseLayer, ...], width: int, name: str) -> int:
    """The number of features after all ``layers``, of which the first reads ``width``.

    Raises:
        PriorError: a layer reads another number of features than come before it.
    """
    for layer in layers:
        if layer.in_features != width:
            raise PriorError(
                f"the prior {name}: the dense layer {layer.place} reads {layer.in_features} features, "
                f"and {width} come before it"
            )
        width = layer.out_features
    return width


def split_dense(
    layers: tuple[DenseLayer, ...], tensors: dict[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The tensors of the dense layers, as :func:`dense_tensors` names them, and the others."""
    places = tuple(f"{layer.place}." for layer in layers)
    dense = {key: value for key, value in tensors.items() if key.startswith(places)}
    return dense, {key: value for key, value in tensors.items() if key not in dense}


def _layer(folder: Path, place: str, name: str) -> DenseLayer:
    if not _PLACE.match(place):
        raise PriorError(
            f"the prior {name}: modules.json puts a dense layer at {place!r}; give a plain folder name such as 2_Dense"
        )
    path = folder / place / "config.json"
    if not path.is_file():
        raise PriorError(f"the prior {name} has no {place}/config.json for its dense layer")
    config = read_object(path, name)
    sizes = [
        _size(config.get(key), f"{place}/config.json has {key}", name)
        for key in ("in_features", "out_features")
    ]
    activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    if activation not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise PriorError(
            f"the prior {name}: {place} has the activation {activation!r}; one of {known} is supported"
        )
    return DenseLayer(place, sizes[0], sizes[1], config.get("bias") is not False, activation)


def _size(value: object, where: str, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST:
        raise PriorError(f"the prior {name}: {where} {value!r}; it must be 1 to {_LARGEST}")
    return value
