"""A pretrained image network cut short and told where to look: ``transferbound_trunk``, registered with timm.

The last blocks of an ImageNet network say what ImageNet's classes are; the ones before say what pictures are made of,
and where. A linear layer turns what they see to a few components, so that a small head on them goes a long way.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.models import build_model_with_cfg, register_model
from torch import nn

from transferbound.priors.architectures.classifier import Classifier

__all__ = ["Trunk"]

_MOST_COMPONENTS, _MOST_PLACES = 4096, 16


class Trunk(Classifier):
    """The stem and first ``blocks`` of a timm EfficientNet, ``grid`` x ``grid`` places, ``components``, a linear head.

    The map after the last block kept, [B, C, H, W], is averaged down to ``grid`` x ``grid`` places; the linear layer
    ``components`` turns these C * grid^2 numbers to what the head ``fc`` sees. Nothing comes between the two: what the
    layer adds is only which directions a subspace of the head moves in, and how far.

    Args:
        num_classes: outputs.
        in_chans: channels of the image.
        backbone: timm name of an EfficientNet (one with ``conv_stem``, ``bn1`` and ``blocks``).
        blocks: how many of its stages are kept.
        grid: side of the pooled map.
        components: outputs of the linear layer.

    Raises:
        ValueError: no such network, or a size out of range.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_chans: int = 3,
        backbone: str = "tf_efficientnet_lite0",
        blocks: int = 5,
        grid: int = 3,
        components: int = 100,
        **_: Any,
    ) -> None:
        super().__init__()
        _check("components", components, _MOST_COMPONENTS)
        _check("grid", grid, _MOST_PLACES)
        whole = timm.create_model(backbone, in_chans=in_chans, num_classes=0)
        if not all(hasattr(whole, part) for part in ("conv_stem", "bn1", "blocks")):
            raise ValueError(f"backbone is {backbone!r}; it must be an EfficientNet of timm's")
        _check("blocks", blocks, len(whole.blocks))
        self.conv_stem, self.bn1, self.blocks = whole.conv_stem, whole.bn1, whole.blocks[:blocks]
        self.grid = grid
        self.components = nn.Linear(_channels(self.blocks) * grid**2, components)
        self.num_features = components
        self.reset_classifier(num_classes)

    def forward_map(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, S, S] to the pooled map [B, channels * grid^2] that the components are taken of."""
        x = self.blocks(self.bn1(self.conv_stem(x)))
        return nn.functional.adaptive_avg_pool2d(x, self.grid).flatten(1)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        turned: torch.Tensor = self.components(self.forward_map(x))
        return turned


def _channels(blocks: nn.Module) -> int:
    """Channels of the last map: each block ends in a normalization."""
    return [module for module in blocks.modules() if isinstance(module, nn.BatchNorm2d)][-1].num_features


def _check(name: str, value: object, largest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        raise ValueError(f"{name} is {value!r}; it must be an integer from 1 to {largest}")


@register_model
def transferbound_trunk(pretrained: bool = False, **given: Any) -> nn.Module:
    """A :class:`Trunk`; its arguments are the ``model_args`` of a checkpoint's ``config.json``."""
    overlay = given.pop("pretrained_cfg", None) or {
        "input_size": (3, 224, 224),
        "first_conv": "conv_stem",
        "classifier": "fc",
    }
    network: nn.Module = build_model_with_cfg(Trunk, "trunk", pretrained, pretrained_cfg=overlay, **given)
    return network
