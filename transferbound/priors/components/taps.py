"""What a network holds at some of its depths, for one forward pass that goes no further than needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from transferbound.errors import PriorError
from transferbound.priors.components.family import FeatureChoice

__all__ = ["HEAD_INPUT", "layers_of", "seen_at", "taps_of"]

HEAD_INPUT = ""
"""Among the names of taps: what enters the head, not what leaves a layer."""


_MANY = 5


class _EnoughError(Exception):
    """Nothing further of the network is needed."""


def layers_of(network: nn.Module) -> tuple[str, ...]:
    """Names of a network's layers or stages in order; none where no list of them is found.

    The outermost list of at least five modules of one type, else what timm says ends its stages, else any such list.
    """
    inner = getattr(network, "network", network)
    prefix = "network." if inner is not network else ""
    lists = {
        name: len(module)
        for name, module in inner.named_modules()
        if isinstance(module, nn.ModuleList | nn.Sequential)
        and len(module) >= 2
        and len({type(part) for part in module}) == 1
    }
    outermost = sorted(lists, key=lambda name: (name.count("."), -lists[name], name))
    long = [name for name in outermost if lists[name] >= _MANY]
    if not long and (stages := _stages(inner)):
        return tuple(prefix + name for name in stages)
    for name in (*long, *outermost):
        return tuple(f"{prefix}{name}.{place}" for place in range(lists[name]))
    return ()


def _stages(network: nn.Module) -> list[str]:
    """The modules that end the stages of a timm network, as far as it says so."""
    info = getattr(network, "feature_info", None)
    known = {name for name, _ in network.named_modules()}
    try:
        named = [str(stage["module"]) for stage in info or ()]
    except (TypeError, KeyError):
        return []
    found = [name for name in dict.fromkeys(named) if name in known]
    return found if len(found) >= 2 else []


def taps_of(network: nn.Module, choice: FeatureChoice) -> tuple[str, ...]:
    """The modules whose outputs ``choice`` looks at, in the network's order.

    Raises:
        PriorError: the network has no list of layers to look between.
    """
    if not choice.depths:
        return (HEAD_INPUT,)
    layers = layers_of(network)
    if not layers:
        raise PriorError(f"{type(network).__name__} has no list of layers whose outputs could be looked at")
    count = len(layers)
    places = [min(count, max(1, math.floor(depth * count + 0.5))) for depth in choice.depths]
    return tuple(layers[place - 1] for place in dict.fromkeys(places))


def seen_at(
    network: nn.Module, taps: Sequence[str], head: str, batch: Mapping[str, Any], *, whole: bool = False
) -> tuple[dict[str, torch.Tensor], torch.Tensor | None]:
    """What the network holds at ``taps``, and its own answer where ``whole``; otherwise it stops after the last tap."""
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str, value: Any) -> None:
        value = value[0] if isinstance(value, tuple | list) else value
        value = getattr(value, "last_hidden_state", value)
        if not isinstance(value, torch.Tensor):
            raise PriorError(
                f"{name or head} of {type(network).__name__} gives no tensor that could be looked at"
            )
        seen[name] = value
        if not whole and len(seen) == len(set(taps)):
            raise _EnoughError

    handles = []
    try:
        for tap in set(taps):
            if tap == HEAD_INPUT:
                hook = network.get_submodule(head).register_forward_pre_hook(
                    lambda module, inputs: keep(HEAD_INPUT, inputs[0])
                )
            else:
                hook = network.get_submodule(tap).register_forward_hook(
                    lambda module, inputs, output, tap=tap: keep(tap, output)
                )
            handles.append(hook)
        try:
            answer = network(**batch)
        except _EnoughError:
            return seen, None
    finally:
        for handle in handles:
            handle.remove()
    return seen, answer
