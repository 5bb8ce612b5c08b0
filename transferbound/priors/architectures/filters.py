"""A fixed map of features, no weight of which was ever trained: ``transferbound_filters``, registered with timm.

Gabor energies, as cells of the primary visual cortex are modelled by (Adelson and Bergen 1985; Daugman 1985): the
response to a wave and to the same wave a quarter of its length further, squared, added, and its root taken, says that
there is an edge or a line of one direction, whichever its sign and wherever exactly it lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from timm.models import build_model_with_cfg, register_model
from torch import nn

from transferbound.priors.architectures.align import MomentAlignment
from transferbound.priors.architectures.classifier import Classifier

__all__ = ["Filters", "gabor_bank"]

_SIDE, _PLACES, _ORIENTATIONS = 28, 7, 8
_BANKS = ((7, 1.3, 3.2), (11, 2.4, 6.0))
"""Of each bank: side of the filters, standard deviation of their window and length of their waves, in pixels."""
_PICTURE_WEIGHT = 2.0
_HIDDEN = 256
_GRAIN = 2.0**20
"""Weights are multiples of its inverse."""


class Filters(Classifier):
    """Two banks of Gabor filters in eight directions, what they answer averaged in 7 x 7 places, and a linear head.

    For a picture of 28 x 28 pixels from 0 (the ground) to 1: sqrt(c^2 + s^2 + 1e-6), averaged over 6 x 6 pixels every 4
    of them, and the square root of that, 2 x 8 x 49 numbers; and 2 x the picture averaged over 4 x 4 pixels, 49. Larger
    pictures are averaged down to as many places. Colours are averaged first.

    Args:
        num_classes: outputs.
        in_chans: channels of the picture.
        align: centre and deskew each picture first (:class:`MomentAlignment`): for writing, light on black.
        hidden: units of a layer with ReLU between the map and the head, which is to be trained; 0 for none.
    """

    def __init__(
        self, num_classes: int = 10, in_chans: int = 1, align: bool = False, hidden: int = 0, **_: Any
    ) -> None:
        super().__init__()
        self.align = MomentAlignment() if align else None
        self.banks = nn.ModuleList(
            nn.Conv2d(1, 2 * _ORIENTATIONS, side, padding=side // 2, bias=False) for side, _, _ in _BANKS
        )
        with torch.no_grad():
            for weight, constants in zip(self.banks.parameters(), _BANKS, strict=True):
                weight.copy_(gabor_bank(*constants))
        self.num_features = (len(_BANKS) * _ORIENTATIONS + 1) * _PLACES**2
        self.hidden = nn.Linear(self.num_features, hidden) if hidden else None
        self.num_features = hidden or self.num_features
        self.reset_classifier(num_classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, S, S], from 0 to 1, to [B, 833], or to what the hidden layer makes of it."""
        x = self.fixed_features(x)
        return x if self.hidden is None else torch.relu(self.hidden(x))

    def fixed_features(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, S, S], from 0 to 1, to [B, 833]: the map, in which nothing is trained."""
        x = x.mean(1, keepdim=True)
        if self.align is not None:
            x = (self.align(2 * x - 1) + 1) / 2
        maps = []
        for bank in self.banks:
            cosine, sine = bank(x).square().chunk(2, dim=1)
            energy = nn.functional.avg_pool2d((cosine + sine + 1e-6).sqrt(), 6, 4, padding=1)
            maps.append(energy.sqrt())
        maps.append(_PICTURE_WEIGHT * nn.functional.avg_pool2d(x, 4))
        return torch.cat([nn.functional.adaptive_avg_pool2d(map_, _PLACES).flatten(1) for map_ in maps], 1)


def gabor_bank(side: int, deviation: float, wavelength: float) -> torch.Tensor:
    """Filters [16, 1, side, side]: eight directions of the cosine, then of the sine, of mean zero and norm one.

    Args:
        side: of a filter, odd.
        deviation: of its round Gaussian window, in pixels.
        wavelength: of the wave under it, in pixels.
    """
    centred = np.arange(side, dtype=np.float64) - side // 2
    down, right = np.meshgrid(centred, centred, indexing="ij")
    window = np.exp(-(down**2 + right**2) / (2 * deviation**2))
    filters = []
    for wave in (np.cos, np.sin):
        for step in range(_ORIENTATIONS):
            angle = np.pi * step / _ORIENTATIONS
            along = right * np.cos(angle) + down * np.sin(angle)
            filter_ = window * wave(2 * np.pi * along / wavelength)
            filter_ -= filter_.mean()
            filters.append(filter_ / np.sqrt((filter_**2).sum()))
    # What should be zero is rounding otherwise, and another machine rounds another way.
    filters = [np.round(filter_ * _GRAIN) / _GRAIN for filter_ in filters]
    return torch.from_numpy(np.stack(filters)[:, None].astype(np.float32))


@register_model
def transferbound_filters(pretrained: bool = False, **given: Any) -> nn.Module:
    """:class:`Filters`, whose weights are what they are from the start."""
    return _make("filters", pretrained, **given)


@register_model
def transferbound_filters_aligned(pretrained: bool = False, **given: Any) -> nn.Module:
    """:class:`Filters` of aligned pictures."""
    return _make("filters_aligned", pretrained, align=True, **given)


@register_model
def transferbound_filters_hidden(pretrained: bool = False, **given: Any) -> nn.Module:
    """:class:`Filters` of aligned pictures, and a layer of 256 units after them."""
    return _make("filters_hidden", pretrained, align=True, hidden=_HIDDEN, **given)


def _make(name: str, pretrained: bool, **given: Any) -> nn.Module:
    overlay = given.pop("pretrained_cfg", None) or {
        "input_size": (1, _SIDE, _SIDE),
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "mean": (0.0,),
        "std": (1.0,),
        "first_conv": "banks.0",
        "classifier": "fc",
    }
    network: nn.Module = build_model_with_cfg(Filters, name, pretrained, pretrained_cfg=overlay, **given)
    return network
