"""What is imported on first use: torch takes seconds, and neither bounds nor help need it; and rooms import one way."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["later", "on_first_use"]


def on_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` for ``package`` (PEP 562).

    Args:
        package: its name.
        homes: from the names to the modules below it where they stand; a name that is its own home is that module.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = importlib.import_module(f"{package}.{homes[name]}")
        return home if homes[name] == name else getattr(home, name)

    return find


def later(module: str) -> Any:
    """A module of a later room, for a method that stands where users look for it: it imports the room when called.

    Args:
        module: its name below the package. ``tests/test_architecture.py`` lists who may ask for which.
    """
    return importlib.import_module(f"{__package__}.{module}")
