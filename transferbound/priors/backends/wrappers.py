"""The modules that ``Prior.build`` returns: one call signature for every source, logits out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from transferbound.errors import PriorError
from transferbound.priors.backends.pooling import pool

__all__ = ["ImageClassifier", "LanguageModel", "PooledTextClassifier", "TextClassifier"]


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
        """Token ids and mask, int64 [B, L], to logits [B, C]."""
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
        """Token ids and mask, int64 [B, L], to logits [B, C]. Raises PriorError: no hidden states."""
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        try:
            output = self.network(input_ids=input_ids, attention_mask=attention_mask, **extra)
            hidden: torch.Tensor = output.last_hidden_state
        except (AttributeError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise PriorError(
                f"{type(self.network).__name__} gives no hidden states for texts alone ({reason}); name a text encoder "
                "or decoder"
            ) from error
        features = pool(hidden, attention_mask, self.pooling)
        for layer in self.dense.values():
            features = layer(features)
        logits: torch.Tensor = self.head(features)
        return logits


class LanguageModel(nn.Module):
    """A causal language model: ``forward(input_ids, attention_mask) -> log2-probabilities of the tokens [B, L]``.

    The rows of ``input_ids`` [B, S + L] begin with the ``start`` tokens S; where there are none, with the first token
    of the document, which is given and not predicted. Tokens that the mask leaves out, at the end, get 0. The network
    does not see the mask: no token depends on those behind it.

    Args:
        network: a transformers module, whose output has ``logits``.
        start: number of tokens S before each document.
        prompt: ids [P] that stand behind the start and before the document; none where it is empty.
    """

    prompt: torch.Tensor

    def __init__(self, network: nn.Module, start: int, prompt: Sequence[int] = ()) -> None:
        super().__init__()
        self.network = network
        self.start = start
        self.register_buffer("prompt", torch.tensor(list(prompt), dtype=torch.int64), persistent=False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.scored(input_ids, attention_mask)[0]

    def judged(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, margin: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What ``forward`` gives, and bool [B, L]: is the token's logit above every other's?

        Args:
            margin: as a part of the largest logit; what is nearer to a tie than that is no answer.
        """
        bits, logits, targets = self.scored(input_ids, attention_mask)
        largest = logits.amax(2)
        is_top = logits.gather(2, targets[:, :, None]).squeeze(2) == largest
        rivals = logits[is_top].topk(2, dim=1).values  # only of those that can be right
        is_top[is_top.clone()] = rivals[:, 0] - rivals[:, 1] > margin * rivals[:, 0].abs()
        return bits, is_top

    def scored(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What ``forward`` gives, the logits [B, L, V] that it is made from, and the tokens predicted, int64 [B, L]."""
        given = max(1, self.start)
        targets, mask = input_ids[:, given:], attention_mask[:, given:]
        if len(self.prompt):
            prompt = self.prompt.expand(len(input_ids), -1)
            input_ids = torch.cat([input_ids[:, : self.start], prompt, input_ids[:, self.start :]], dim=1)
            given += len(self.prompt)
        logits = self.network(input_ids=input_ids[:, :-1]).logits[:, given - 1 :]
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        chosen = logits.log_softmax(2).gather(2, targets[:, :, None]).squeeze(2)
        bits = chosen * (mask.to(chosen.dtype) / math.log(2.0))
        return bits, logits, targets
