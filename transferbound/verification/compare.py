"""Two pieces of plain data, stated and computed: every place where they differ."""

from __future__ import annotations

import math
from collections.abc import Callable

from transferbound.wording import printable, shortened

__all__ = ["compare", "differs"]

_RELATIVE = 1e-9
"""Floats are recomputed to this relative difference: libraries' logarithms differ in their last digits."""

_LONGEST_KEY = 60
_MOST_INTEGER = 2**1000


def compare(
    stated: object, computed: object, path: str = "", slack: Callable[[str], float] = lambda path: 0.0
) -> list[str]:
    """Every place in which two pieces of plain data differ, a line each.

    Args:
        stated, computed: plain data.
        path: where it stands.
        slack: by how much the numbers at a path may differ, absolutely, because machines round in other ways.
    """
    if isinstance(stated, dict) and isinstance(computed, dict):
        found = []
        for key in [*stated, *(k for k in computed if k not in stated)]:
            inner = _inside(path, key)
            if key not in computed:
                found.append(f"{inner} is stated but has no meaning here")
            elif key not in stated:
                found.append(f"{inner} is missing")
            else:
                found += compare(stated[key], computed[key], inner, slack)
        return found
    if isinstance(stated, list) and isinstance(computed, list) and len(stated) == len(computed):
        return [
            line
            for place, (a, b) in enumerate(zip(stated, computed, strict=True))
            for line in compare(a, b, f"{path}[{place}]", slack)
        ]
    return [] if _same(stated, computed, slack(path)) else [differs(path, stated, computed)]


def _inside(path: str, key: str) -> str:
    """A key of another's making is quoted: it is no part of the sentence."""
    if not (key.isidentifier() and len(key) <= _LONGEST_KEY):
        key = repr(shortened(printable(key), _LONGEST_KEY))
    return f"{path}.{key}" if path else key


def _same(stated: object, computed: object, slack: float) -> bool:
    if isinstance(stated, bool) or isinstance(computed, bool):
        return stated is computed
    if isinstance(computed, int):  # and not "nearly": of a long seed the last digits would be free
        return type(stated) is int and stated == computed
    if isinstance(stated, float | int) and isinstance(computed, float):
        if isinstance(stated, int) and abs(stated) > _MOST_INTEGER:  # no float holds it
            return False
        return math.isclose(stated, computed, rel_tol=_RELATIVE, abs_tol=slack)
    return type(stated) is type(computed) and bool(stated == computed)


def differs(path: str, stated: object, computed: object) -> str:
    return f"{path} is stated as {_short(stated)}, computed as {_short(computed)}"


def _short(value: object) -> str:
    return shortened(repr(value))
