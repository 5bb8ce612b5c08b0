"""What is given as an object and not by a name: what a certificate calls it, and that no name leads to it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["called", "in_memory", "is_in_memory", "missing_path"]

_MARK = "(in memory)"
_UNNAMED = "unnamed"
_MOST = 120  # characters


def in_memory(own: str | None) -> str:
    """The name in a certificate of an object that calls itself ``own``, or nothing: neither a Hub id nor a path.

    >>> in_memory("imdb"), in_memory(None)
    ('imdb (in memory)', 'unnamed (in memory)')
    """
    return f"{(own or '').strip()[:_MOST] or _UNNAMED} {_MARK}"


def is_in_memory(name: str) -> bool:
    """Whether a name is one of :func:`in_memory`."""
    return name.endswith(_MARK)


def called(name: str) -> str:
    """The object's own name, or ``""`` where it has none; any other name as it is.

    >>> called("imdb (in memory)"), called("unnamed (in memory)"), called("stanfordnlp/imdb")
    ('imdb', '', 'stanfordnlp/imdb')
    """
    if not is_in_memory(name):
        return name
    own = name.removesuffix(_MARK).strip()
    return "" if own == _UNNAMED else own


def missing_path(place: object) -> str | None:
    """A path where nothing is: a ``Path`` is no Hub id, and is not looked for there. None: it is something else."""
    if not isinstance(place, os.PathLike) or Path(place).expanduser().exists():
        return None
    return str(os.fspath(place))
