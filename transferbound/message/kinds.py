"""The kinds of subspace that a message can name, and the header fields that each has to itself.

The lists are part of the message format. Version 1 names the first eight, and its code of them is complete: a ninth
name in it would change what every message costs. Further kinds are named by version 2, and those that stand alone and
say little beside their integers by version 3 (docs/message-format.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = [
    "FURTHER_KINDS",
    "KINDS",
    "SHORT_FIELDS",
    "SHORT_KINDS",
    "VERSION_BITS",
    "Kind",
    "further_names",
    "has_field",
    "is_short",
    "kinds_with",
    "known_kinds",
    "version_of",
]


@dataclass(frozen=True)
class Kind:
    """A kind's name, and the header fields that not every kind has but it. Its P is in ``subspace/kinds``."""

    name: str
    fields: tuple[str, ...] = ()


_FIRST_KINDS = (
    Kind("dense"),
    Kind("kron-sum"),
    Kind("kron"),
    Kind("hashed"),
    Kind("film"),
    Kind("head"),
    Kind("modules", fields=("modules",)),
    Kind("lora", fields=("rank",)),
)

FURTHER_KINDS: tuple[Kind, ...] = ()
"""A new kind goes to the end of this list; a place once given is never given again."""

KINDS: tuple[str, ...] = tuple(kind.name for kind in _FIRST_KINDS)
"""The kinds of version 1; the order is part of the message format."""

SHORT_KINDS: tuple[Kind, ...] = (
    Kind("sparse", fields=("features", "components")),
    Kind("constant", fields=("answer",)),
)
"""The kinds of version 3, which stand alone: no sum names them. A bit tells the two apart, so there is no third."""

SHORT_FIELDS: tuple[str, ...] = tuple(field for kind in SHORT_KINDS for field in kind.fields)
"""Fields that versions 1 and 2 do not have."""

_FREE = 255 / 2048
"""The mass that version 1 gives to no message.

In version 1 the chance of kinds that include ``modules`` is 255/1024, and that of an empty pattern then 1/2; a header
that says both is refused.
"""

VERSION_BITS = {1: 0.0, 2: -math.log2(_FREE / 16), 3: -math.log2(_FREE * 15 / 16)}
"""What a message pays for its version: 2 and 3 share the mass that 1 leaves, one part in sixteen and the rest."""


def further_names() -> tuple[str, ...]:
    """The names of ``FURTHER_KINDS``, in order."""
    return tuple(kind.name for kind in FURTHER_KINDS)


def known_kinds() -> dict[str, Kind]:
    """Every kind by its name, those of version 1 first."""
    return {kind.name: kind for kind in (*_FIRST_KINDS, *FURTHER_KINDS, *SHORT_KINDS)}


def is_short(kind: str) -> bool:
    """Whether ``kind`` is one of version 3."""
    return kind in {short.name for short in SHORT_KINDS}


def has_field(kind: str, field: str) -> bool:
    """Whether ``field`` applies to ``kind``, which may be a sum such as "film+lora"."""
    known = known_kinds()
    return any(field in known[name].fields for name in kind.split("+") if name in known)


def kinds_with(field: str) -> str:
    """The kinds to which ``field`` applies, as people read them."""
    return " or ".join(name for name, kind in known_kinds().items() if field in kind.fields)


def version_of(kind: str) -> int:
    """The version of the format whose messages name ``kind``, a sum of known ones."""
    if is_short(kind):
        return 3
    return 1 if set(kind.split("+")) <= set(KINDS) else 2
