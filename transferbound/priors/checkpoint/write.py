"""Writing a prior as a checkpoint in Hub layout, complete or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from transferbound.errors import OutputError
from transferbound.storage.files import write_json, write_text
from transferbound.storage.folders import new_folder

__all__ = ["new_checkpoint", "timm_config", "write_checkpoint", "write_tensors"]


def write_checkpoint(
    folder: Path, tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any], card: str
) -> Path:
    """Writes ``model.safetensors``, ``config.json`` and the card ``README.md``; returns ``folder``.

    Args:
        folder: where to; it must not hold anything.
        tensors: a state dict. Views and transposed tensors are written as what they hold.
        config: plain JSON: timm's, with an ``architecture``, or transformers'.
        card: Markdown, with its YAML block.

    Raises:
        OutputError: ``folder`` holds something, or cannot be written.
    """
    with new_checkpoint(folder, card) as partial:
        write_tensors(partial / "model.safetensors", tensors)
        write_json(partial / "config.json", dict(config))
    return folder


def timm_config(architecture: str, network: Any, *, num_classes: int, tag: str) -> dict[str, Any]:
    """``config.json`` of a timm network of ours, which takes pictures of any size as they are.

    Args:
        architecture: its name in timm.
        network: as timm made it: what its pictures are scaled by, and what its head is called.
        num_classes: outputs of its head.
        tag: what its weights are.
    """
    kept = ("input_size", "interpolation", "mean", "std", "classifier")
    said = {name: network.pretrained_cfg[name] for name in kept} | {
        "tag": tag,
        "custom_load": False,
        "fixed_input_size": False,
        "crop_pct": 1.0,
        "crop_mode": "squash",
        "num_classes": num_classes,
    }
    return {"architecture": architecture, "num_classes": num_classes, "pretrained_cfg": said}


@contextmanager
def new_checkpoint(folder: Path, card: str) -> Iterator[Path]:
    """A folder for a checkpoint whose own library writes its files: the card comes last, then the folder's name.

    Raises:
        OutputError: ``folder`` holds something, or cannot be written.
    """
    with new_folder(folder) as partial:
        yield partial
        write_text(partial / "README.md", card)  # last: a library may have written one of its own


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Writes a safetensors file that says, as timm and transformers ask, that it is PyTorch's.

    Raises:
        OutputError: tensors share memory, or the file cannot be written.
    """
    held = {name: value.detach().contiguous() for name, value in tensors.items()}
    try:
        save_file(held, str(path), metadata={"format": "pt"})
    except (RuntimeError, SafetensorError) as error:
        raise OutputError(f"{path} cannot be written ({error})") from error
