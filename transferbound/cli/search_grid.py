"""``--search KEY=V1,V2,...``: the grid that these options span."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from transferbound.certification.search import MAX_POINTS
from transferbound.cli.renamed import note_renamed
from transferbound.errors import ArgumentError
from transferbound.finetune.settings import FORMER_NAMES

__all__ = ["DECODER_KEYS", "ENCODER_KEYS", "parse_grid"]

DECODER_KEYS: dict[str, Callable[[str], Any]] = {
    "dim": int,
    "levels": int,
    "kind": str,
    "head-scale": int,
    "input-size": int,
    "seed": int,
    "head-seed": int,
    "rank": int,
}
"""What the decoder needs: each is a field of the message's header, with underscores, and is paid for there."""

ENCODER_KEYS: dict[str, Callable[[str], Any]] = {
    "learning-rate": float,
    "batch-size": int,
    "bit-weight": float,
    "training-seed": int,
    "threshold": float,
    "initial-density": float,
    "step-rate": float,
    "quantize-from": float,
    "fix-until": float,
    "settle-from": float,
}
"""What only the encoder uses: it costs no bits."""

_KINDS = DECODER_KEYS | ENCODER_KEYS
_FORMER = {old.replace("_", "-"): new.replace("_", "-") for old, new in FORMER_NAMES.items()}


def parse_grid(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The points of the grid, each from field names (with underscores) to values; the last key varies fastest.

    Raises:
        ArgumentError: an unknown key, a key or a value given twice, an empty or malformed value, or more than
            ``MAX_POINTS`` points. Ranges are for the settings themselves to check.
    """
    axes: dict[str, list[Any]] = {}
    for text in texts:
        key, values = _parse(text)
        if key in axes:
            raise ArgumentError(
                f"search names {key} twice; write all its values in one option: {key}=V1,V2,..."
            )
        axes[key] = values
    size = math.prod(len(values) for values in axes.values())
    if size > MAX_POINTS:
        sizes = " x ".join(str(len(values)) for values in axes.values())
        raise ArgumentError(
            f"search spans {sizes} = {size} points; name fewer values: at most {MAX_POINTS} points are tried"
        )
    fields = [key.replace("-", "_") for key in axes]
    return [dict(zip(fields, values, strict=True)) for values in product(*axes.values())]


def _parse(text: str) -> tuple[str, list[Any]]:
    key, equals, rest = text.partition("=")
    key = key.strip()
    if not equals:
        raise ArgumentError(f"search is {text!r}; write KEY=V1,V2,..., for example dim=500,1000")
    if key in _FORMER:
        note_renamed(f"--search {key}=", f"--search {_FORMER[key]}=")
        key = _FORMER[key]
    if key not in _KINDS:
        raise ArgumentError(f"search names the unknown key {key!r}; known are {', '.join(_KINDS)}")
    if not rest.strip():
        raise ArgumentError(f"search {text!r} names no values; write {key}=V1,V2,...")
    values = [_value(key, part.strip(), text) for part in rest.split(",")]
    if len(set(values)) < len(values):
        raise ArgumentError(f"search {text!r} names a value twice; name each once")
    return key, values


def _value(key: str, part: str, text: str) -> Any:
    kind = _KINDS[key]
    try:
        if part:
            return kind(part)
    except ValueError:
        pass
    wanted = {int: "whole numbers", float: "numbers"}.get(kind, "names")  # type: ignore[call-overload]
    raise ArgumentError(f"search {text!r} has the value {part!r}; {key} takes {wanted}, separated by commas")
