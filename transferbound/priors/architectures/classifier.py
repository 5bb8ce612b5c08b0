"""What timm asks of an image classifier."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

__all__ = ["Classifier"]


class Classifier(nn.Module, ABC):
    """Features, then a linear head ``fc``. A subclass sets ``num_features`` and calls :meth:`reset_classifier`."""

    num_features: int
    num_classes: int

    def get_classifier(self) -> nn.Module:
        """The head."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new head of ``num_classes`` outputs; the pooling is part of the architecture."""
        self.num_classes = num_classes
        self.fc: nn.Module = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    @abstractmethod
    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, S, S] to [B, num_features]."""

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """[B, num_features] to logits [B, num_classes], or itself where ``pre_logits``."""
        return x if pre_logits else self.fc(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, S, S] to logits [B, num_classes]."""
        return self.forward_head(self.forward_features(x))
