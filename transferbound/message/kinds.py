"""The kinds of subspace that a message can name, and the header fields that each has to itself.

Both lists are part of the message format. Version 1 names the first eight, and its code of them is complete: a ninth
name in it would change what every message costs. Further kinds are named by version 2 (docs/message-format.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = [
    "FURTHER_KINDS",
    "KINDS",
    "VERSION_2_BITS",
    "Kind",
    "further_names",
    "has_field",
    "kinds_with",
    "known_kinds",
    "version_of",
]


@dataclass(frozen=True)
class Kind:
    """A kind's name, and those of ``rank`` and ``modules`` that apply to it. Its P is in ``subspace/kinds``."""

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

VERSION_2_BITS = math.log2(2048 / 255)
"""What a message of version 2 pays for being one: -log2 of the mass that version 1 gives to no message.

In version 1 the chance of kinds that include ``modules`` is 255/1024, and that of an empty pattern then 1/2; a header
that says both is refused.
"""


def further_names() -> tuple[str, ...]:
    """The names of ``FURTHER_KINDS``, in order."""
    return tuple(kind.name for kind in FURTHER_KINDS)


def known_kinds() -> dict[str, Kind]:
    """Every kind by its name, those of version 1 first."""
    return {kind.name: kind for kind in (*_FIRST_KINDS, *FURTHER_KINDS)}


def has_field(kind: str, field: str) -> bool:
    """Whether ``field`` applies to ``kind``, which may be a sum such as "film+lora"."""
    known = known_kinds()
    return any(field in known[name].fields for name in kind.split("+") if name in known)


def kinds_with(field: str) -> str:
    """The kinds to which ``field`` applies, as people read them."""
    return " or ".join(name for name, kind in known_kinds().items() if field in kind.fields)


def version_of(kind: str) -> int:
    """The version of the format whose messages name ``kind``, a sum of known ones."""
    return 1 if set(kind.split("+")) <= set(KINDS) else 2
