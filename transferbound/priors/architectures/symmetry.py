"""Small image networks that differ in the symmetry that is built in, registered with timm; for studies.

``transferbound_c1``, ``_c2``, ``_c4`` and ``_d4``: convolutions that commute with rotations by 180 and 90 degrees, and
with reflections (Cohen and Welling 2016, "Group equivariant convolutional networks"). All have the same number of maps
and so the same compute; a larger group has fewer weights. ``_c1_few`` has as few weights as ``_c4``, and less compute.
``transferbound_local`` has the places of ``_c1`` but no two of them share a weight; ``transferbound_dense`` has no
places at all.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from timm.models import build_model_with_cfg, register_model
from torch import nn

from transferbound.priors.architectures.classifier import Classifier

__all__ = ["GROUPS", "Dense", "GroupConv", "GroupNet", "Local", "Locally"]

Element = tuple[int, int]
"""Turns by 90 degrees, after that many reflections (0 or 1)."""

GROUPS: dict[str, tuple[Element, ...]] = {
    "c1": ((0, 0),),
    "c2": ((0, 0), (2, 0)),
    "c4": tuple((turns, 0) for turns in range(4)),
    "d4": tuple((turns, flips) for flips in range(2) for turns in range(4)),
}
_SIDE = 28
_KERNELS = (5, 3, 3, 3)
_POOLED = 2  # after so many of the first layers pictures are halved


class GroupConv(nn.Module):
    """A convolution that commutes with a group; without a bias.

    Args:
        inputs, outputs: maps for each element of the group; a picture's channels in the first layer.
        kernel: side, odd.
        group: elements.
        first: whether the input is a picture, which the group acts on by moving its pixels alone.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, group: Sequence[Element], first: bool) -> None:
        super().__init__()
        self.group, self.kernel, self.first = tuple(group), kernel, first
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 1 if first else len(group), kernel, kernel))
        self._sources = [
            [0] if first else [self.group.index(_product(_inverse(g), h)) for h in self.group]
            for g in self.group
        ]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, inputs |G|, S, S] (the elements fastest) to [B, outputs |G|, S, S]."""
        turned = [
            _moved(self.weight[:, :, sources], element)
            for element, sources in zip(self.group, self._sources, strict=True)
        ]
        weight = torch.stack(turned, 1).flatten(2, 3).flatten(0, 1)
        return nn.functional.conv2d(x, weight, padding=self.kernel // 2)


class GroupNet(Classifier):
    """Four convolutions that commute with a group, then the mean over places and elements, and a linear head.

    What the head sees does not move if the picture is moved by an element of the group.

    Args:
        num_classes: outputs.
        in_chans: channels of the picture.
        group: a key of :data:`GROUPS`.
        maps: of each layer, over all elements together.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_chans: int = 1,
        group: str = "c1",
        maps: Sequence[int] = (16, 32, 32, 64),
        **_: Any,
    ) -> None:
        super().__init__()
        elements = GROUPS[group]
        self.order = len(elements)
        widths = [max(1, count // self.order) for count in maps]
        ends = itertools.pairwise([in_chans, *widths])
        self.convs = nn.ModuleList(
            GroupConv(first, second, kernel, elements, place == 0)
            for place, ((first, second), kernel) in enumerate(zip(ends, _KERNELS, strict=True))
        )
        self.norms = nn.ModuleList(_Norm(width, self.order) for width in widths)
        self.num_features = widths[-1]
        self.reset_classifier(num_classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, S, S] to [B, features]."""
        for place, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = conv(x)
            if place < _POOLED:
                x = nn.functional.max_pool2d(x, 2)
            x = torch.relu(norm(x))
        means: torch.Tensor = x.unflatten(1, (-1, self.order)).mean((2, 3, 4))
        return means


class _Norm(nn.Module):
    """Normalizes all maps of a row together; scale and shift are the same for all elements of the group."""

    def __init__(self, width: int, order: int) -> None:
        super().__init__()
        self.order = order
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.group_norm(x, 1)
        weight, bias = (p.repeat_interleave(self.order)[:, None, None] for p in (self.weight, self.bias))
        moved: torch.Tensor = x * weight + bias
        return moved


class Locally(nn.Module):
    """What a convolution is without shared weights: each place has its own; no bias.

    Args:
        inputs, outputs: maps.
        kernel: side, odd.
        side: of the maps, in pixels.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, side: int) -> None:
        super().__init__()
        self.kernel, self.side = kernel, side
        # A random start takes all axes but the first for fan-in.
        self.weight = nn.Parameter(torch.empty(side * side * outputs, inputs * kernel * kernel))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, inputs, S, S] to [B, outputs, S, S]."""
        seen = nn.functional.unfold(x, self.kernel, padding=self.kernel // 2)
        weight = self.weight.unflatten(0, (self.side * self.side, -1))
        out = torch.einsum("bip,poi->bop", seen, weight)
        return out.reshape(*out.shape[:2], self.side, self.side)


class Local(Classifier):
    """The layers of :class:`GroupNet` for ``c1``, with :class:`Locally` for its convolutions, for 28 x 28 pixels."""

    def __init__(
        self, num_classes: int = 10, in_chans: int = 1, maps: Sequence[int] = (8, 16, 16, 32), **_: Any
    ) -> None:
        super().__init__()
        sides = [_SIDE // 2 ** min(place, _POOLED) for place in range(len(maps))]
        ends = itertools.pairwise([in_chans, *maps])
        self.convs = nn.ModuleList(
            Locally(first, second, kernel, side)
            for (first, second), kernel, side in zip(ends, _KERNELS, sides, strict=True)
        )
        self.norms = nn.ModuleList(_Norm(width, 1) for width in maps)
        self.num_features = maps[-1]
        self.reset_classifier(num_classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, 28, 28] to [B, features]."""
        for place, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = conv(x)
            if place < _POOLED:
                x = nn.functional.max_pool2d(x, 2)
            x = torch.relu(norm(x))
        return x.mean((2, 3))


class Dense(Classifier):
    """Two layers that see every pixel, of 28 x 28, each with layer normalization and ReLU; and a linear head."""

    def __init__(
        self, num_classes: int = 10, in_chans: int = 1, widths: Sequence[int] = (64, 64), **_: Any
    ) -> None:
        super().__init__()
        ends = itertools.pairwise([in_chans * _SIDE**2, *widths])
        self.layers = nn.ModuleList(nn.Linear(first, second, bias=False) for first, second in ends)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.num_features = widths[-1]
        self.reset_classifier(num_classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, 28, 28] to [B, widths[-1]]."""
        x = x.flatten(1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = torch.relu(norm(layer(x)))
        return x


def _product(first: Element, second: Element) -> Element:
    """``first`` after ``second``."""
    turns = first[0] + (-second[0] if first[1] else second[0])
    return turns % 4, (first[1] + second[1]) % 2


def _inverse(element: Element) -> Element:
    return element if element[1] else (-element[0] % 4, 0)


def _moved(weight: torch.Tensor, element: Element) -> torch.Tensor:
    """The last two axes of ``weight`` moved by an element."""
    turns, flips = element
    return torch.rot90(weight.flip(-1) if flips else weight, turns, (-2, -1))


def _register(name: str, model: type[Classifier], first: str, **arguments: Any) -> None:
    config = {
        "input_size": (1, _SIDE, _SIDE),
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "mean": (0.5,),
        "std": (0.5,),
        "first_conv": first,
        "classifier": "fc",
    }

    def make(pretrained: bool = False, **given: Any) -> nn.Module:
        overlay = given.pop("pretrained_cfg", None) or config
        network: nn.Module = build_model_with_cfg(
            model, name, pretrained, pretrained_cfg=overlay, **(arguments | given)
        )
        return network

    make.__name__ = f"transferbound_{name}"
    make.__module__ = __name__
    register_model(make)


for _group in GROUPS:
    _register(_group, GroupNet, "convs.0", group=_group)
_register("c1_few", GroupNet, "convs.0", maps=[round(count / math.sqrt(4)) for count in (16, 32, 32, 64)])
_register("local", Local, "convs.0")
_register("dense", Dense, "layers.0")
