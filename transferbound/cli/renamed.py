"""Old names of options: understood for one release, with a note on standard error."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from transferbound.finetune.settings import FORMER_NAMES

__all__ = ["by_present_names", "note_renamed"]


def by_present_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the options, those of old names under the new ones."""
    present = {name: value for name, value in given.items() if name not in FORMER_NAMES}
    for old, new in FORMER_NAMES.items():
        if given[old] is not None:
            note_renamed(*(f"--{name.replace('_', '-')}" for name in (old, new)))
            present[new] = given[old]
    return present


def note_renamed(old: str, new: str) -> None:
    """One line on standard error."""
    print(f"transferbound: {old} is now {new}; the old name goes with the next release", file=sys.stderr)
