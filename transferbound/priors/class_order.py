"""A checkpoint's own head, its classes matched by name to those of the data: a function of both declarations alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

__all__ = ["match_classes", "names_agree", "own_names", "reordered"]

_APART = re.compile(r"[\s_\-]+")
# LABEL_0, class 3, 7: a number and no name.
_NUMBERED = re.compile(r"(label|class)?\d+")


def own_names(names: Any, num_classes: int) -> tuple[str, ...] | None:
    """The names of a head's classes in its order, as a config declares them (a list, or by number); None without.

    Args:
        names: what stands in the config.
        num_classes: how many classes the head has.
    """
    if isinstance(names, Mapping):
        try:
            numbered = {int(key): value for key, value in names.items()}
        except (TypeError, ValueError):
            return None
        names = (
            [numbered.get(place) for place in range(num_classes)] if len(numbered) == num_classes else None
        )
    if not isinstance(names, list | tuple) or len(names) != num_classes:
        return None
    return tuple(names) if all(isinstance(name, str) for name in names) else None


def match_classes(own: Sequence[str] | None, wanted: Sequence[str] | None) -> tuple[int, ...] | None:
    """For each class of the data, its place among the head's own classes. Case, spaces and underscores do not count.

    Where either side has numbers for names the order stands as it is. None: both sides have names, and others.

    Args:
        own: names of the head's classes, None where it has none.
        wanted: names of the data's classes, None where they are not known; as many.
    """
    if own is None or wanted is None:
        return tuple(range(len(own or wanted or ())))
    here, there = [_plain(name) for name in own], [_plain(name) for name in wanted]
    if here == there:  # also where two classes share a name, as in ImageNet
        return tuple(range(len(own)))
    if len(set(here)) == len(here) and set(here) == set(there):
        return tuple(here.index(name) for name in there)
    if all(map(_NUMBERED.fullmatch, here)) or all(map(_NUMBERED.fullmatch, there)):
        return tuple(range(len(own)))
    return None


def names_agree(own: Sequence[str] | None, wanted: Sequence[str] | None) -> bool:
    """Whether both sides name the same classes, in whatever order."""
    if own is None or wanted is None:
        return False
    return sorted(map(_plain, own)) == sorted(map(_plain, wanted))


def reordered(
    values: Mapping[str, torch.Tensor], shapes: Mapping[str, torch.Size], order: Sequence[int]
) -> dict[str, torch.Tensor]:
    """A head's tensors with their classes in another order.

    Args:
        values: the head's parameters, by name.
        shapes: those of the same parameters in a head of one class more: what differs counts classes.
        order: for each class its place in ``values``.
    """
    found = {}
    for name, value in values.items():
        for axis, (here, there) in enumerate(zip(value.shape, shapes[name], strict=True)):
            if here != there:
                value = value.index_select(axis, torch.tensor(order))
        found[name] = value
    return found


def _plain(name: str) -> str:
    return _APART.sub("", name).casefold()
