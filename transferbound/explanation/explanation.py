"""``Explanation``: what each part of a message buys, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Coordinate", "Cut", "Explanation", "Part"]


@dataclass(frozen=True)
class Coordinate:
    """One integer of the message that is not zero, and what it is worth where all others stay.

    Attributes:
        place: in the message, from 0.
        value: the integer.
        where: what it moves.
        bits: by which the message would be shorter with a zero there; near a border of the code it may be longer.
        errors: rows that are wrong without it, less those that are wrong with it.
        bound: with a zero there; None where not all rows were looked at.
    """

    place: int
    value: int
    where: str
    bits: float
    errors: int
    bound: float | None = None

    @property
    def errors_per_bit(self) -> float:
        """Errors that it buys for each bit; a coordinate that costs nothing has all of them."""
        return self.errors / max(self.bits, 1e-3)


@dataclass(frozen=True)
class Part:
    """Some of the coordinates, or of the tensors that they move.

    Attributes:
        name: of a class, of components, or of a module.
        coordinates: that are not zero in it; None where each moves other parts too.
        bits: by which the message would be shorter with zeros there; None as above.
        errors: rows that are wrong without it, less those that are wrong with it.
    """

    name: str
    coordinates: int | None
    bits: float | None
    errors: int


@dataclass(frozen=True)
class Cut:
    """The message with some coordinates set to zero, those that buy least for each bit first.

    Attributes:
        coordinates: that are left.
        bits: of the whole message that is left.
        errors: of the rows that were looked at.
        changed: rows that get another answer than from the whole message.
        bound: None where not all rows were looked at.
    """

    coordinates: int
    bits: float
    errors: int
    changed: int
    bound: float | None = None


@dataclass(frozen=True)
class Explanation:
    """What was found of one certificate.

    Attributes:
        kind: of the subspace.
        nonzero, dim: coordinates that are not zero, and all.
        bits, header_bits: of the message, and of that what is said beside the integers.
        rows, counted: rows that were looked at, and that the certificate counts.
        errors: of the rows that were looked at, as counted here.
        stated_errors: what the certificate states of all rows.
        exact: whether every coordinate was tried on all rows; otherwise some were, on some rows.
        coordinates: those that were tried.
        parts: groupings by their name, each with its parts.
        cuts: from the whole message down to none of its integers.
        order: by what the coordinates were ranked for the cuts.
        agreement: where that is an estimate, its rank correlation with the errors of those that were tried.
        notes: what a reader has to know.
    """

    kind: str
    nonzero: int
    dim: int
    bits: float
    header_bits: float
    rows: int
    counted: int
    errors: int
    stated_errors: int
    exact: bool
    coordinates: tuple[Coordinate, ...]
    parts: dict[str, tuple[Part, ...]]
    cuts: tuple[Cut, ...]
    order: str
    agreement: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def half(self) -> Cut | None:
        """The longest cut of at most half of the message's bits; None where the header alone takes more."""
        fit = [cut for cut in self.cuts if cut.bits <= self.bits / 2]
        return max(fit, key=lambda cut: cut.bits) if fit else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON; with ``half`` and each coordinate's ``errors_per_bit``."""
        found = asdict(self)
        for plain, coordinate in zip(found["coordinates"], self.coordinates, strict=True):
            plain["errors_per_bit"] = coordinate.errors_per_bit
        return found | {"half": None if self.half is None else asdict(self.half)}
