"""Tensors in a safetensors file, written atomically and opened once: one that is replaced meanwhile is read as it was
or as it is, never half and half."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from transferbound.storage.files import Refusal, parse_json, read_limited, write_bytes

__all__ = ["load_tensors", "save_tensors"]

_MAX_BYTES = 2**33
_LENGTH = 8  # bytes, in which a file says how long its header is


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Writes them so that ``path`` holds all of it or what it held before. For small tensors: they are copied once.

    Raises:
        OSError: the file cannot be written.
    """
    write_bytes(path, save(dict(tensors), dict(metadata)))


def load_tensors(path: Path, error: Refusal) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors, on the CPU, and metadata.

    Raises:
        TransferboundError: ``error``, where the file is missing, damaged or no safetensors file.
    """
    data = read_limited(path, _MAX_BYTES, error)
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError) as reason:
        raise error(f"{path} is truncated or not a safetensors file ({reason})") from reason
    length = int.from_bytes(data[:_LENGTH], "little")
    header = parse_json(data[_LENGTH : _LENGTH + length], f"the header of {path}", error)
    return tensors, header.get("__metadata__", {})
