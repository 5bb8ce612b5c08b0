"""Sizes in a checkpoint's config, held against the tensors that are there, before anything is built of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from transferbound.errors import PriorError

__all__ = ["check_config", "check_network"]

_REPEATED = re.compile(r"layer|depth|block|stage|stack|expert", re.IGNORECASE)
_CLASSES = re.compile(r"num_(labels|classes)|num_features", re.IGNORECASE)
_MOST_CLASSES = 100_000
_MOST_REPEATED = 4096
_SPARE = 2**24
"""Parameters that a network may have beyond its checkpoint's: a pooler, a head, position tables that are computed."""
_REMOTE = ("auto_map", "custom_pipelines")


def check_config(config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Refuses what would be built in a loop over a number that the tensors do not bear out, and code from elsewhere.

    Args:
        config: ``config.json`` as it was read.
        tensors: the checkpoint's.
        name: the prior's, for errors.

    Raises:
        PriorError: names the key and its value.
    """
    most_layers = max(_MOST_REPEATED, len(tensors))
    most_classes = max([_MOST_CLASSES, *(max(value.shape, default=0) for value in tensors.values())])
    for path, key, value in _walk(config, ""):
        if key in _REMOTE and value:
            raise PriorError(
                f"the prior {name} needs remote code (config.json: {path}), and transferbound runs none"
            )
        if key == "quantization_config" and value:
            raise PriorError(
                f"the prior {name} is quantized (config.json: {path}); choose the checkpoint it was made from"
            )
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if _CLASSES.search(key) and not -1 <= value <= most_classes:
            raise PriorError(
                f"the prior {name}: config.json has {path} {value}, more than any of its tensors has"
            )
        if (
            _REPEATED.search(key)
            and value > most_layers
            and not key.endswith(("size", "dim", "eps", "rate", "range"))
        ):
            raise PriorError(
                f"the prior {name}: config.json has {path} {value}, and the checkpoint {len(tensors)} tensors in all"
            )


def _walk(value: Any, path: str, key: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every value with the path and the key that it stands under; items of lists stand under the list's key."""
    yield path, key, value
    if isinstance(value, Mapping):
        for inner, item in value.items():
            yield from _walk(item, f"{path}.{inner}" if path else str(inner), str(inner))
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, path, key)


def check_network(empty: nn.Module, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Refuses a network, built without memory (on torch's meta device), that is far larger than its checkpoint.

    Raises:
        PriorError: with both sizes.
    """
    wanted = sum(value.numel() for value in (*empty.parameters(), *empty.buffers()))
    there = sum(value.numel() for value in tensors.values())
    if wanted > 2 * there + _SPARE:
        raise PriorError(
            f"the prior {name}: its config asks for {wanted:,} numbers, and the checkpoint holds {there:,}; "
            "they do not belong together"
        )
