"""Small image networks for priors without pretraining, registered with timm under ``transferbound_NAME``.

They are written, read, built and bounded like any other timm checkpoint; :mod:`transferbound.priors.random_start`
makes their random weights. No layer keeps running statistics: with a random start there are none worth
freezing, and group normalization (Wu and He 2018) sees one example at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from timm.models import build_model_with_cfg, register_model
from torch import nn

from transferbound.priors.architectures.align import MomentAlignment
from transferbound.priors.architectures.classifier import Classifier

__all__ = ["ConvNet", "LeNet5"]

_SIDE = 28


class LeNet5(Classifier):
    """LeNet-5 (LeCun et al. 1998, figure 2) with ReLU and max pooling, as the 2022 paper uses it; 61,706 parameters.

    Args:
        num_classes: outputs.
        in_chans: channels of the image.
    """

    def __init__(self, num_classes: int = 10, in_chans: int = 1, **_: Any) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.num_features = 84
        self.reset_classifier(num_classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        for conv in (self.conv1, self.conv2):
            x = torch.nn.functional.max_pool2d(torch.relu(conv(x)), 2)
        return torch.relu(self.fc2(torch.relu(self.fc1(x.flatten(1)))))


class ConvNet(Classifier):
    """Three or more convolutions, each with max pooling (but the last), group normalization and ReLU.

    The first kernel is 5 x 5, the others 3 x 3. The last map (7 x 7 pixels after two poolings) is averaged down to
    ``grid`` x ``grid`` places, which the linear head sees.

    Args:
        num_classes: outputs.
        in_chans: channels of the image.
        widths: channels of each convolution.
        groups: groups of each normalization.
        grid: side of the pooled map that the head sees.
        align: centre and deskew each image first (:class:`MomentAlignment`).
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_chans: int = 1,
        widths: Sequence[int] = (16, 32, 32),
        groups: int = 4,
        grid: int = 3,
        align: bool = False,
        **_: Any,
    ) -> None:
        super().__init__()
        ends = [in_chans, *widths]
        kernels = [5] + [3] * (len(widths) - 1)
        self.align = MomentAlignment() if align else nn.Identity()
        self.convs = nn.ModuleList(
            nn.Conv2d(first, second, kernel, padding=kernel // 2, bias=False)
            for (first, second), kernel in zip(itertools.pairwise(ends), kernels, strict=True)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(groups, width) for width in widths)
        self.grid = grid
        self.num_features = widths[-1] * grid**2
        self.reset_classifier(num_classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, S, S] to [B, widths[-1] grid^2]."""
        x = self.align(x)
        last = len(self.convs) - 1
        for place, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = conv(x)
            if place < last:
                x = nn.functional.max_pool2d(
                    x, 2
                )  # before the norm: a quarter of the work, and it is monotone
            x = torch.relu(norm(x))
        return nn.functional.adaptive_avg_pool2d(x, self.grid).flatten(1)


def _register(name: str, model: type[Classifier], **arguments: Any) -> None:
    config = {
        "input_size": (1, _SIDE, _SIDE),
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "mean": (0.5,),
        "std": (0.5,),
        "first_conv": "convs.0" if model is ConvNet else "conv1",
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


_register("lenet5", LeNet5)
_register("convnet", ConvNet)
_register("convnet_aligned", ConvNet, align=True)
_register("convnet_wide", ConvNet, widths=(32, 64, 64))
_register("convnet_wide_aligned", ConvNet, widths=(32, 64, 64), align=True)
for _width in (4, 8, 32, 64, 128):
    _register(f"convnet_{_width}", ConvNet, widths=(_width, 2 * _width, 2 * _width))
