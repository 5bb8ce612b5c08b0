"""``--candidate I/N``: which variant of a declared list a run is."""

from __future__ import annotations

import re

from transferbound.errors import ArgumentError
from transferbound.message import OPEN_LIST

__all__ = ["parse_candidate"]

_CANDIDATE = re.compile(r"(?P<i>\d{1,9})/(?P<n>\d{1,9}|open)", re.ASCII)


def parse_candidate(text: str) -> tuple[int, int]:
    """``"I/N"`` as two integers, ``"I/open"`` as I and ``OPEN_LIST``. Raises ArgumentError."""
    match = _CANDIDATE.fullmatch(text)
    if match is None or (match["n"] != "open" and not int(match["i"]) < int(match["n"])):
        raise ArgumentError(
            f"candidate is {text!r}; write I/N with 0 <= I < N, for example 2/5, or I/open for a list that may grow"
        )
    return int(match["i"]), OPEN_LIST if match["n"] == "open" else int(match["n"])
