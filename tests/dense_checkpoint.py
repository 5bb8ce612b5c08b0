"""An encoder with a dense layer after its pooling, as sentence-transformers saves it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

__all__ = ["TANH", "with_dense"]

TANH = "torch.nn.modules.activation.Tanh"


def with_dense(bert: Path, folder: Path, *, path: str = "2_Dense", **changes: Any) -> Path:
    """A copy of an encoder as sentence-transformers saves it with one dense layer."""
    shutil.copytree(bert, folder)
    width = json.loads((folder / "config.json").read_text())["hidden_size"]
    kinds = {"": "Transformer", "1_Pooling": "Pooling", path: "Dense", "3_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": where, "type": f"sentence_transformers.models.{kind}"}
        for i, (where, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (folder / "2_Dense").mkdir()
    config = {"in_features": width, "out_features": 5, "bias": True, "activation_function": TANH} | changes
    (folder / "2_Dense" / "config.json").write_text(json.dumps(config))
    random = torch.Generator().manual_seed(0)
    tensors = {"linear.weight": torch.randn(5, width, generator=random), "linear.bias": torch.ones(5)}
    save_file(tensors, folder / "2_Dense" / "model.safetensors")
    return folder
