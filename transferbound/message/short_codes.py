"""The header's codes in messages of version 3: little is said beside the integers, for integers that are few.

Kind ``sparse``: a linear head on principal components of what the checkpoint sees (transferbound.priors.components).
Kind ``constant``: one class for every input, and no integers that say anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from transferbound.errors import ArgumentError
from transferbound.message.field_codes import Code, EliasDelta, Fixed, Listed, Mapped, Optional, Uniform
from transferbound.message.kinds import SHORT_KINDS

__all__ = [
    "COMPONENTS",
    "FEATURES",
    "MAX_CLASSES",
    "MIN_CLASSES",
    "SPARSE_LEVELS",
    "SPARSE_STEPS",
    "short_code",
    "sparse_dim",
]

COMPONENTS: tuple[int, ...] = (0, 8, 16, 24, 32, 48, 64, 80, 100, 128, 160, 200, 256, 320, 400, 512)
"""The declared numbers of components K; with 0 a head moves by its biases alone."""

FEATURES = 16
"""Places on the list of features, transferbound.priors.components.family, that a message can name."""

SPARSE_LEVELS: tuple[int, ...] = (7, 15, 31, 63)
SPARSE_STEPS = range(-18, 14)
MIN_CLASSES = 2
MAX_CLASSES = 2**16

Known = Mapping[str, object]


def sparse_dim(classes: int, components: int) -> int:
    """Coordinates of kind ``sparse``: K weights and a bias for each class but the first."""
    return (classes - 1) * (components + 1)


def short_code(name: str, known: Known, input_sizes: tuple[int, ...], largest_input: int) -> Code:
    """The code of the field ``name``, given the fields before it."""
    if name == "kind":
        names = tuple(kind.name for kind in SHORT_KINDS)
        return Mapped(Uniform(len(names)), names.index, lambda place: names[place])
    own = _SPARSE if known["kind"] == "sparse" else _CONSTANT
    if name == "input_size" and known["kind"] == "sparse":
        return Optional(0, Listed(input_sizes, EliasDelta(largest_input), "sizes"))
    return own[name](known) if name in own else Fixed(_UNUSED[name])


def _listed(values: Sequence[int]) -> Code:
    return Mapped(Uniform(len(values)), partial(_place, values), lambda place: values[place])


def _place(values: Sequence[int], value: int) -> int:
    if value not in values:
        raise ArgumentError(f"{value} is not declared; use one of {', '.join(map(str, values))}")
    return values.index(value)


def _flag(_: Known) -> Code:
    return Mapped(Uniform(2), int, bool)


def _dim(known: Known) -> Code:
    return Fixed(sparse_dim(int(str(known["classes"])), int(str(known["components"]))))


_SPARSE: dict[str, Callable[[Known], Code]] = {
    "features": lambda known: Uniform(FEATURES),
    "components": lambda known: _listed(COMPONENTS),
    "dim": _dim,
    "levels": lambda known: _listed(SPARSE_LEVELS),
    "step": lambda known: _listed(SPARSE_STEPS),
    "contexts": _flag,
    "adaptive_signs": _flag,
}
_CONSTANT: dict[str, Callable[[Known], Code]] = {"answer": lambda known: Uniform(int(str(known["classes"])))}
_UNUSED: dict[str, object] = {
    **dict.fromkeys(("features", "components", "answer", "seed", "step", "input_size", "head_seed"), 0),
    "head_scale": 0,
    "rank": 0,
    "modules": "",
    "dim": 1,
    "levels": 3,
    "contexts": False,
    "adaptive_signs": False,
}
