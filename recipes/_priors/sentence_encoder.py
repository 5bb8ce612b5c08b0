"""A text encoder with mean pooling and a linear layer, written as sentence-transformers writes one."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from transferbound.priors.checkpoint.write import new_checkpoint, write_tensors
from transferbound.storage.files import write_json

_MODULES = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"))


def write_sentence_encoder(
    target: Path,
    network: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    weight: torch.Tensor,
    bias: torch.Tensor,
    card: str,
) -> None:
    """The checkpoint of ``weight`` [C, H] times the mean of the network's hidden states, plus ``bias`` [C].

    Raises:
        OutputError: ``target`` holds something, or cannot be written.
    """
    components, width = weight.shape
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(_MODULES)
    ]
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
    dense = {
        "in_features": width,
        "out_features": components,
        "bias": True,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    with new_checkpoint(target, card) as partial:
        network.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        write_json(partial / "modules.json", modules)
        for path, content in (("1_Pooling", pooling), ("2_Dense", dense)):
            (partial / path).mkdir()
            write_json(partial / path / "config.json", content)
        write_tensors(
            partial / "2_Dense" / "model.safetensors", {"linear.weight": weight, "linear.bias": bias}
        )
