"""Writing a prior as a checkpoint in timm's Hub layout, complete or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def write_checkpoint(
    target: Path, tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any], card: str
) -> None:
    """``model.safetensors``, ``config.json`` and the card ``README.md`` in the new folder ``target``."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(
        {name: value.contiguous() for name, value in tensors.items()},
        str(partial / "model.safetensors"),
        metadata={"format": "pt"},
    )
    (partial / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    (partial / "README.md").write_text(card, encoding="utf-8")
    partial.rename(target)
