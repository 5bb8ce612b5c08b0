"""From the hidden states of a text's tokens to one vector: the modes of sentence-transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from transferbound.errors import PriorError
from transferbound.priors.checkpoint.json_files import read_object

__all__ = ["POOLINGS", "declared_pooling", "pool"]

POOLINGS = ("cls", "lasttoken", "max", "mean", "mean_sqrt_len_tokens", "weightedmean")
_FLAGS = {
    "cls_token": "cls",
    "mean_tokens": "mean",
    "max_tokens": "max",
    "weightedmean_tokens": "weightedmean",
}
"""What the older form of the file, a flag a mode, calls some of them."""


def pool(hidden: torch.Tensor, attention_mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """[B, T, H] and a right-padded mask [B, T] -> [B, H]; ``pooling`` is one of :data:`POOLINGS`."""
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "lasttoken":
        last = attention_mask.long().sum(1).clamp(min=1) - 1
        return hidden[torch.arange(hidden.shape[0], device=hidden.device), last]
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    if pooling == "max":
        return hidden.masked_fill(mask == 0, float("-inf")).amax(1)
    if pooling == "weightedmean":
        mask = mask * torch.arange(1, hidden.shape[1] + 1, device=hidden.device).view(1, -1, 1)
    total = (hidden * mask).sum(1)
    weight = mask.sum(1).clamp(min=1)
    return total / (weight.sqrt() if pooling == "mean_sqrt_len_tokens" else weight)


def declared_pooling(folder: Path, name: str, config: Any, architecture: str) -> str:
    """What ``1_Pooling/config.json`` says; without it the last token of a decoder, the mean of an encoder.

    Args:
        folder, name: of the checkpoint.
        config: its transformers configuration.
        architecture: the class that it names first, or "".

    Raises:
        PriorError: the file cannot be read, or names no mode, several, or one that is not known.
    """
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        return "lasttoken" if _is_decoder(config, architecture) else "mean"
    declared = read_object(path, name)
    modes = [declared["pooling_mode"]] if "pooling_mode" in declared else []
    for key, value in declared.items():
        if key.startswith("pooling_mode_") and value is True:
            mode = key.removeprefix("pooling_mode_")
            modes.append(_FLAGS.get(mode, mode))
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise PriorError(f"the prior {name} pools by {modes}; one of {', '.join(POOLINGS)} is supported")
    return str(modes[0])


def _is_decoder(config: Any, architecture: str) -> bool:
    causal = config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return architecture.endswith(("ForCausalLM", "LMHeadModel")) or (causal and not masked)
