"""The modules that ``Prior.build`` returns: one call signature for every source, logits out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from transferbound.priors.backends.pooling import pool

__all__ = ["ImageClassifier", "PooledTextClassifier", "TextClassifier"]


class ImageClassifier(nn.Module):
    """``forward(pixel_values [B, C, S, S]) -> logits [B, num_classes]``."""

    def __init__(self, network: nn.Module, **arguments: Any) -> None:
        super().__init__()
        self.network = network
        self._arguments = arguments

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        output = self.network(pixel_values, **self._arguments)
        if isinstance(output, torch.Tensor):
            return output
        if isinstance(output, tuple | list):  # distilled models in train mode: one entry a head
            return torch.stack(list(output)).mean(0)
        logits: torch.Tensor = output.logits
        return logits


class TextClassifier(nn.Module):
    """A transformers sequence classifier: ``forward(input_ids, attention_mask) -> logits``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        output = self.network(input_ids=input_ids, attention_mask=attention_mask, **extra)
        logits: torch.Tensor = output.logits
        return logits


class PooledTextClassifier(nn.Module):
    """An encoder without a classifier of its own: pooled hidden states [B, H], dense layers, then a linear head."""

    def __init__(
        self,
        network: nn.Module,
        hidden_size: int,
        num_classes: int,
        pooling: str,
        dense: Mapping[str, nn.Module],
    ) -> None:
        super().__init__()
        self.network = network
        self.dense = nn.ModuleDict(dense)
        self.head = nn.Linear(hidden_size, num_classes)
        self.pooling = pooling

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        hidden = self.network(input_ids=input_ids, attention_mask=attention_mask, **extra).last_hidden_state
        features = pool(hidden, attention_mask, self.pooling)
        for layer in self.dense.values():
            features = layer(features)
        logits: torch.Tensor = self.head(features)
        return logits
