"""A frozen network, the principal components of what it holds at some depths, and a linear head on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from transferbound.errors import PriorError
from transferbound.priors.components.taps import HEAD_INPUT, seen_at

__all__ = ["ComponentClassifier", "pooled"]

HEAD = "head"


class ComponentClassifier(nn.Module):
    """``forward(**batch) -> logits [B, C]``: ``head(components(features))``, and the body's own answer.

    Args:
        body: what ``Prior.build`` gives.
        taps: names of modules of the body, or ``HEAD_INPUT``.
        own_head: name of the module of the body whose input ``HEAD_INPUT`` stands for.
        places: side of the map that image features are averaged to.
        components: linear layer [at least K, F]; None where neither head nor ``start`` reads any.
        classes: C.
        adds_own: whether the body's own answer is added.
        count: K, the leading components that the head reads; None: all. With 0 it has biases alone.
        start: [C, K'], weights on the leading components whose answer is added; None: there is none.
    """

    start: torch.Tensor | None

    def __init__(
        self,
        body: nn.Module,
        taps: Sequence[str],
        own_head: str,
        places: int,
        components: nn.Linear | None,
        classes: int,
        adds_own: bool,
        count: int | None = None,
        start: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        self.taps, self.own_head, self.places, self.adds_own = tuple(taps), own_head, places, adds_own
        self.components = components
        every = 0 if components is None else components.out_features
        self.count = every if count is None else count
        self.register_buffer("start", start)
        self.head = _Head(self.count, classes)

    def forward(self, **batch: Any) -> torch.Tensor:
        own, features = self.answer_and_components(batch)
        logits: torch.Tensor = self.head(features)
        return logits if own is None else own + logits

    def answer_and_components(self, batch: Mapping[str, Any]) -> tuple[torch.Tensor | None, torch.Tensor]:
        """What the head's answer is added to, [B, C], where there is such, and the components [B, K] that it reads."""
        rows = len(next(iter(batch.values())))
        if self.components is None:
            own = self.body(**batch) if self.adds_own else None
            like = next(self.head.parameters())
            return own, like.new_zeros((rows, 0))
        seen, own = seen_at(self.body, self.taps, self.own_head, batch, whole=self.adds_own)
        return self.from_seen(seen, own if self.adds_own else None, batch)

    def from_seen(
        self, seen: Mapping[str, torch.Tensor], own: torch.Tensor | None, batch: Mapping[str, Any]
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """:meth:`answer_and_components` of what was seen at the taps; ``own`` is the body's answer, where it counts."""
        assert self.components is not None
        components = self.components(pooled(seen, self.taps, self.places, batch))
        if self.start is not None:
            started = nn.functional.linear(components[:, : self.start.shape[1]], self.start)
            own = started if own is None else own + started
        return own, components[:, : self.count]


class _Head(nn.Module):
    """A linear layer that starts from zero; it may read nothing."""

    def __init__(self, count: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, count)) if count else None
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if self.weight is None:
            return self.bias.expand(len(features), -1)
        return nn.functional.linear(features, self.weight, self.bias)


def pooled(
    seen: Mapping[str, torch.Tensor], taps: Sequence[str], places: int, batch: Mapping[str, Any]
) -> torch.Tensor:
    """[B, F]: what was seen at each tap, averaged over tokens or to ``places`` x ``places``, side by side."""
    return torch.cat([_pool(seen[tap], places, batch, tap) for tap in taps], 1)


def _pool(value: torch.Tensor, places: int, batch: Mapping[str, Any], tap: str) -> torch.Tensor:
    if value.dim() == 2:
        return value
    if value.dim() == 4:
        if value.shape[1] == value.shape[2] != value.shape[3]:  # [B, H, W, C]: Swin and others
            value = value.permute(0, 3, 1, 2)
        return nn.functional.adaptive_avg_pool2d(value, places).flatten(1)
    if value.dim() != 3:
        raise PriorError(
            f"{tap or HEAD_INPUT!r} gives a tensor of shape {tuple(value.shape)}, which is not understood"
        )
    mask = batch.get("attention_mask")
    if mask is None or mask.shape != value.shape[:2]:
        return value.mean(1)
    weights = mask.to(value.dtype).unsqueeze(-1)
    mean: torch.Tensor = (value * weights).sum(1) / weights.sum(1)
    return mean
