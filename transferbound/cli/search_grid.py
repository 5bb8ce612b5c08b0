"""``--search KEY=V1,V2,...``: the grid that these options span."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

from transferbound.certification.settings import MAX_POINTS, CertifySettings
from transferbound.cli.options import options_of
from transferbound.cli.renamed import note_renamed
from transferbound.errors import ArgumentError
from transferbound.finetune.settings import FORMER_NAMES, FinetuneSettings
from transferbound.subspace.config import SubspaceConfig

__all__ = ["DECODER_KEYS", "ENCODER_KEYS", "parse_grid"]

_PAID = {
    option.key: option
    for settings in (SubspaceConfig, CertifySettings)
    for option in options_of(settings, "")
    if option.searched
}
_FREE = {option.key: option for option in options_of(FinetuneSettings, "") if option.searched}
_KEYS = _PAID | _FREE

DECODER_KEYS = tuple(_PAID)
"""What the decoder needs: each is a field of the message's header, with underscores, and is paid for there."""

ENCODER_KEYS = tuple(_FREE)
"""What only the encoder uses: it costs no bits."""

_FORMER = {old.replace("_", "-"): new.replace("_", "-") for old, new in FORMER_NAMES.items()}


def parse_grid(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The points of the grid, each from names of options (with underscores) to values; the last key varies fastest.

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
    names = [_KEYS[key].name for key in axes]
    return [dict(zip(names, values, strict=True)) for values in product(*axes.values())]


def _parse(text: str) -> tuple[str, list[Any]]:
    key, equals, rest = text.partition("=")
    key = key.strip()
    if not equals:
        raise ArgumentError(f"search is {text!r}; write KEY=V1,V2,..., for example dim=500,1000")
    if key in _FORMER:
        note_renamed(f"--search {key}=", f"--search {_FORMER[key]}=")
        key = _FORMER[key]
    if key not in _KEYS:
        raise ArgumentError(f"search names the unknown key {key!r}; known are {', '.join(_KEYS)}")
    if not rest.strip():
        raise ArgumentError(f"search {text!r} names no values; write {key}=V1,V2,...")
    values = [_value(key, part.strip(), text) for part in rest.split(",")]
    if len(set(values)) < len(values):
        raise ArgumentError(f"search {text!r} names a value twice; name each once")
    return key, values


def _value(key: str, part: str, text: str) -> Any:
    kind = _KEYS[key].scalar
    try:
        if part:
            return kind(part)
    except ValueError:
        pass
    wanted = {int: "whole numbers", float: "numbers"}.get(kind, "names")
    raise ArgumentError(f"search {text!r} has the value {part!r}; {key} takes {wanted}, separated by commas")
