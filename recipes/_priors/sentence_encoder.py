"""A text encoder with mean pooling and, if wanted, a linear layer, written as sentence-transformers writes one."""

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
    layer: tuple[torch.Tensor, torch.Tensor] | None,
    card: str,
) -> None:
    """The checkpoint of the mean of the network's hidden states, [H]: times a weight [C, H], plus a bias [C], if any.

    Raises:
        OutputError: ``target`` holds something, or cannot be written.
    """
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(_MODULES if layer else _MODULES[:2])
    ]
    width = int(network.config.hidden_size)
    with new_checkpoint(target, card) as partial:
        network.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        write_json(partial / "modules.json", modules)
        pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
        _write_config(partial / "1_Pooling", pooling)
        if layer:
            weight, bias = layer
            dense = {
                "in_features": width,
                "out_features": len(weight),
                "bias": True,
                "activation_function": "torch.nn.modules.linear.Identity",
            }
            _write_config(partial / "2_Dense", dense)
            tensors = {"linear.weight": weight, "linear.bias": bias}
            write_tensors(partial / "2_Dense" / "model.safetensors", tensors)


def _write_config(folder: Path, content: dict[str, object]) -> None:
    folder.mkdir()
    write_json(folder / "config.json", content)
