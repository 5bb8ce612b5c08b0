"""What is bounded: a loss, the units it is averaged over, and the bounds that hold for its mean.

Each risk is a file. ``RISKS`` is the list of them: the one line to change for a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from transferbound.errors import ArgumentError

if TYPE_CHECKING:
    from transferbound.risks.risk import Risk

__all__ = ["DEFAULT_RISK", "RISKS", "risk_named", "risk_of"]

RISKS = {"zero_one": "transferbound.risks.zero_one:ZeroOne"}
"""Names, as certificates state them, and where the classes are; loaded when they are asked for."""

DEFAULT_RISK = "zero_one"
"""The risk of a certificate that names none."""


def risk_named(name: str) -> type[Risk]:
    """The class of a risk. Raises ArgumentError for an unknown name.

    >>> risk_named("zero_one").words.quantity
    'error'
    """
    if name not in RISKS:
        raise ArgumentError(f"the risk is {name[:60]!r}; known are {', '.join(RISKS)}")
    module, attribute = RISKS[name].split(":")
    found: type[Risk] = getattr(import_module(module), attribute)
    return found


def risk_of(content: Mapping[str, Any]) -> type[Risk]:
    """The class of the risk that a certificate's content bounds. Raises ArgumentError for an unknown name."""
    return risk_named(content.get("loss", DEFAULT_RISK))
