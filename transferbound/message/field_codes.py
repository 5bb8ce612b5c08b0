"""Prefix codes for the integers and names of a message's header.

A code turns a value into a short list of choices, each one of ``size`` equally likely outcomes, and
back. Its cost is the sum of ``log2(size)``, so a code is a probability distribution by construction:
the masses of all its values sum to at most one (Kraft). It is less than one where a few strings of
choices stand for no value; reading those raises ``MessageError``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from transferbound.errors import ArgumentError, MessageError

__all__ = [
    "Arrangement",
    "Choice",
    "Code",
    "Draw",
    "EliasDelta",
    "EliasGamma",
    "Extended",
    "Fixed",
    "Listed",
    "Mapped",
    "OpenList",
    "Optional",
    "Text",
    "Uniform",
    "choice_bits",
]

Choice = tuple[int, int]
"""(outcome, size): outcome number ``outcome`` of ``size`` equally likely ones."""

Draw = Callable[[int], int]
"""Given a size, the next outcome in ``range(size)``."""


_MAX_PLACE = 2**16


def choice_bits(choices: Sequence[Choice]) -> float:
    """Cost of a list of choices, in bits."""
    return math.fsum(math.log2(size) for _, size in choices)


class Code(Protocol):
    """A prior over a set of values."""

    def write(self, value: Any) -> list[Choice]:
        """The choices that stand for ``value``. Raises ArgumentError where it has none."""

    def read(self, draw: Draw) -> Any:
        """The value that the next outcomes stand for. Raises MessageError where they have none."""

    def describe(self, value: Any) -> str:
        """What the code says of ``value``, in words."""


@dataclass(frozen=True)
class Fixed:
    """A constant: costs nothing."""

    value: Any

    def write(self, value: Any) -> list[Choice]:
        if value != self.value:
            raise ArgumentError(f"{value!r} has no code here; it must be {self.value!r}")
        return []

    def read(self, draw: Draw) -> Any:
        return self.value

    def describe(self, value: Any) -> str:
        return "does not apply"


@dataclass(frozen=True)
class Uniform:
    """The integers of ``range(size)``, equally likely."""

    size: int

    def write(self, value: int) -> list[Choice]:
        if not 0 <= value < self.size:
            raise ArgumentError(f"{value} is not in range({self.size})")
        return [(int(value), self.size)] if self.size > 1 else []

    def read(self, draw: Draw) -> int:
        return draw(self.size) if self.size > 1 else 0

    def describe(self, value: int) -> str:
        return f"one of {self.size}"


@dataclass(frozen=True)
class EliasGamma:
    """Integers 1 .. ``maximum``: 2 floor(log2 v) + 1 bits (Elias 1975)."""

    maximum: int

    def write(self, value: int) -> list[Choice]:
        _check_range(value, self.maximum)
        length = value.bit_length()
        return [(0, 2)] * (length - 1) + [(1, 2)] + _binary(value, length - 1)

    def read(self, draw: Draw) -> int:
        length = 1
        while not draw(2):
            length += 1
            if length > self.maximum.bit_length():
                raise MessageError(f"an integer of the header exceeds its limit {self.maximum}")
        return _within(_read_binary(draw, 1, length - 1), self.maximum)

    def describe(self, value: int) -> str:
        return "Elias gamma code"


@dataclass(frozen=True)
class EliasDelta:
    """Integers 1 .. ``maximum``: floor(log2 v) bits after the Elias gamma code of v's length."""

    maximum: int

    def write(self, value: int) -> list[Choice]:
        _check_range(value, self.maximum)
        length = value.bit_length()
        return EliasGamma(self.maximum.bit_length()).write(length) + _binary(value, length - 1)

    def read(self, draw: Draw) -> int:
        length = EliasGamma(self.maximum.bit_length()).read(draw)
        return _within(_read_binary(draw, 1, length - 1), self.maximum)

    def describe(self, value: int) -> str:
        return "Elias delta code"


@dataclass(frozen=True)
class Mapped:
    """``code`` applied to a value after a one-to-one map to the integers that it codes."""

    code: Code
    forward: Callable[[Any], int]
    backward: Callable[[int], Any]

    def write(self, value: Any) -> list[Choice]:
        return self.code.write(self.forward(value))

    def read(self, draw: Draw) -> Any:
        return self.backward(self.code.read(draw))

    def describe(self, value: Any) -> str:
        return self.code.describe(self.forward(value))


@dataclass(frozen=True)
class Listed:
    """Declared values, equally likely, and an escape that is as likely as each, then ``other``."""

    values: tuple[int, ...]
    other: Code
    noun: str

    def write(self, value: int) -> list[Choice]:
        size = len(self.values) + 1
        if value in self.values:
            return [(self.values.index(value), size)]
        return [(size - 1, size), *self.other.write(value)]

    def read(self, draw: Draw) -> int:
        outcome = draw(len(self.values) + 1)
        return self.values[outcome] if outcome < len(self.values) else self.other.read(draw)

    def describe(self, value: int) -> str:
        if value in self.values:
            return f"one of {len(self.values)} declared {self.noun}"
        return f"escape from {len(self.values)} declared {self.noun}, then {self.other.describe(value)}"


@dataclass(frozen=True)
class OpenList:
    """Places 0 .. ``maximum`` - 1 of a list that may grow at its end: Elias delta of the place counted from 1.

    What a place costs does not depend on how long the list is or will be.
    """

    maximum: int

    def write(self, value: int) -> list[Choice]:
        return EliasDelta(self.maximum).write(value + 1)

    def read(self, draw: Draw) -> int:
        return EliasDelta(self.maximum).read(draw) - 1

    def describe(self, value: int) -> str:
        return f"number {value + 1} of a list that may grow, Elias delta code"


@dataclass(frozen=True)
class Optional:
    """One bit for the usual value; one bit and ``other`` for the rest."""

    usual: Any
    other: Code

    def write(self, value: Any) -> list[Choice]:
        return [(0, 2)] if value == self.usual else [(1, 2), *self.other.write(value)]

    def read(self, draw: Draw) -> Any:
        return self.other.read(draw) if draw(2) else self.usual

    def describe(self, value: Any) -> str:
        return (
            "the usual value" if value == self.usual else f"not the usual value; {self.other.describe(value)}"
        )


@dataclass(frozen=True)
class Arrangement:
    """An ordered choice of distinct ``names``, joined by ``+``: k of them have mass about 2^-k."""

    names: tuple[str, ...]

    def write(self, value: str) -> list[Choice]:
        """Which of those left comes next, and after each whether another does."""
        parts = value.split("+")
        if len(set(parts)) != len(parts) or not set(parts) <= set(self.names):
            raise ArgumentError(f"{value!r} is not a sum of distinct names of {', '.join(self.names)}")
        choices: list[Choice] = []
        left = list(self.names)
        for position, part in enumerate(parts):
            choices.append((left.index(part), len(left)))
            left.remove(part)
            if left:
                choices.append((int(position + 1 < len(parts)), 2))
        return [choice for choice in choices if choice[1] > 1]

    def read(self, draw: Draw) -> str:
        left = list(self.names)
        parts = []
        more = 1
        while more and left:
            parts.append(left.pop(draw(len(left)) if len(left) > 1 else 0))
            more = draw(2) if left else 0
        return "+".join(parts)

    def describe(self, value: str) -> str:
        return f"{value.count('+') + 1} of {len(self.names)} kinds, in order"


@dataclass(frozen=True)
class Extended:
    """Distinct names, joined by ``+``, some of a list that may grow: what is coded does not depend on its length.

    For each name a bit tells its list; one of ``names`` is equally likely as another, one of ``further`` has its
    place in Elias gamma; a bit tells whether another name follows.
    """

    names: tuple[str, ...]
    further: tuple[str, ...]

    def write(self, value: str) -> list[Choice]:
        """For each name its list, its place there, and whether another follows."""
        parts = value.split("+")
        if len(set(parts)) != len(parts) or not set(parts) <= {*self.names, *self.further}:
            raise ArgumentError(f"{value!r} is not a sum of distinct names")
        choices: list[Choice] = []
        for position, part in enumerate(parts):
            if part in self.further:
                choices += [(1, 2), *EliasGamma(_MAX_PLACE).write(self.further.index(part) + 1)]
            else:
                choices += [(0, 2), (self.names.index(part), len(self.names))]
            choices.append((int(position + 1 < len(parts)), 2))
        return choices

    def read(self, draw: Draw) -> str:
        parts = [self._read_name(draw)]
        while draw(2):
            parts.append(self._read_name(draw))
        return "+".join(parts)

    def _read_name(self, draw: Draw) -> str:
        if not draw(2):
            return self.names[draw(len(self.names))]
        place = EliasGamma(_MAX_PLACE).read(draw)
        if place > len(self.further):
            raise MessageError(
                f"the message names kind {place} beyond the first ones, which is not known here"
            )
        return self.further[place - 1]

    def describe(self, value: str) -> str:
        return f"{value.count('+') + 1} kinds, in order, some of a list that may grow"


@dataclass(frozen=True)
class Text:
    """UTF-8 text of at most ``maximum`` bytes: its length in Elias gamma, then 8 bits a byte."""

    maximum: int

    def write(self, value: str) -> list[Choice]:
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise ArgumentError(f"{value!r} cannot be written as UTF-8; remove the lone surrogate") from error
        if len(data) > self.maximum:
            raise ArgumentError(f"text of {len(data)} bytes; at most {self.maximum} can be coded")
        return EliasGamma(self.maximum + 1).write(len(data) + 1) + [(byte, 256) for byte in data]

    def read(self, draw: Draw) -> str:
        length = EliasGamma(self.maximum + 1).read(draw) - 1
        data = bytes(draw(256) for _ in range(length))
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise MessageError("the header's name pattern is not valid UTF-8") from error

    def describe(self, value: str) -> str:
        return f"{len(value.encode())} bytes"


def _check_range(value: int, maximum: int) -> None:
    if not 1 <= value <= maximum:
        raise ArgumentError(f"{value} is not in 1..{maximum}")


def _within(value: int, maximum: int) -> int:
    if value > maximum:
        raise MessageError(f"an integer of the header is {value}, over its limit {maximum}")
    return value


def _binary(value: int, width: int) -> list[Choice]:
    return [(value >> shift & 1, 2) for shift in reversed(range(width))]


def _read_binary(draw: Draw, value: int, width: int) -> int:
    for _ in range(width):
        value = 2 * value + draw(2)
    return value
