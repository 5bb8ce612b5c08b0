"""What a message costs, item by item. K = -log2 of its prior mass; nothing is ever subtracted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferbound.errors import ArgumentError
from transferbound.message.field_codes import Choice, choice_bits
from transferbound.message.header import Header, field_codes
from transferbound.message.kinds import SHORT_FIELDS, VERSION_BITS
from transferbound.message.symbols import Ints, SymbolModel
from transferbound.wording import as_lines

__all__ = [
    "Cost",
    "cheapest",
    "checked_contexts",
    "checked_symbols",
    "empirical_entropy_bits",
    "format_costs",
    "header_bits",
    "header_choices",
    "header_costs",
    "itemize",
    "message_bits",
    "symbol_bits",
]

_PER_BIT = 1_000_000


@dataclass(frozen=True)
class Cost:
    """One line of the account: ``field`` took ``value`` and paid ``bits`` under ``code``."""

    field: str
    value: object
    bits: float
    code: str


class _Meter:
    """Adds up ideal costs instead of coding."""

    def __init__(self) -> None:
        self.costs: list[float] = []

    def code(self, probabilities: NDArray[np.float64], bits: Ints | None) -> Ints:
        assert bits is not None
        return bits

    def cost(self, bits: float) -> None:
        self.costs.append(bits)


def _round_up(bits: float) -> float:
    """Up to a millionth of a bit, past any error of the float sums."""
    return math.ceil(bits * (1 + 1e-12) * _PER_BIT) / _PER_BIT


def _total(costs: Sequence[Cost]) -> float:
    """Sum of costs that are whole millionths of a bit, without the dust of binary fractions."""
    return round(math.fsum(cost.bits for cost in costs), 6)


def checked_symbols(symbols: ArrayLike, levels: int) -> Ints:
    """``symbols`` as (d,) int64. Raises ArgumentError unless they are integers of the grid."""
    array = np.asarray(symbols)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ArgumentError(
            f"symbols have shape {array.shape} and type {array.dtype}; give a vector of integers"
        )
    if len(array) == 0:
        raise ArgumentError("there are no symbols; give at least one")
    maximum = (levels - 1) // 2
    low, high = int(array.min()), int(array.max())
    if low < -maximum or high > maximum:
        raise ArgumentError(f"symbols reach {low}..{high}; {levels} levels allow {-maximum}..{maximum}")
    return array.astype(np.int64)


def checked_contexts(contexts: ArrayLike | None, dim: int) -> Ints | None:
    """``contexts`` as (d,) int64, or None. Raises ArgumentError unless they are d integers >= 0."""
    if contexts is None:
        return None
    array = np.asarray(contexts)
    if (
        array.shape != (dim,)
        or array.dtype.kind not in "iu"
        or int(array.min()) < 0
        or int(array.max()) >= 2**31
    ):
        raise ArgumentError(
            f"contexts have shape {array.shape} and type {array.dtype}; give {dim} integers in 0..2^31-1"
        )
    return array.astype(np.int64)


def header_choices(header: Header) -> list[tuple[str, list[Choice]]]:
    """The choices that code each field of the header, in stream order."""
    known = _known(header)
    return [(name, code(known).write(known[name])) for name, code in field_codes()]


def _known(header: Header) -> dict[str, object]:
    names = [name for name, _ in field_codes()]
    return {name: getattr(header, name) for name in [*names, "candidates", "classes", "version"]}


def header_costs(header: Header) -> list[Cost]:
    """One ``Cost`` for each field of the header, in stream order; fields that do not apply cost 0.

    Versions 2 and 3 of the format are paid for; version 1 costs nothing and is not listed. Nor are fields that a
    version does not have: what a certificate states of an old message stays as it is.
    """
    known = _known(header)
    costs = []
    if header.version > 1:
        bits = _round_up(VERSION_BITS[header.version])
        costs.append(Cost("version", header.version, bits, "of the mass that version 1 leaves"))
    for name, code_of in field_codes():
        if name in SHORT_FIELDS and header.version < 3:
            continue
        code = code_of(known)
        bits = _round_up(choice_bits(code.write(known[name])))
        costs.append(Cost(name, known[name], bits, code.describe(known[name])))
    return costs


def header_bits(header: Header) -> float:
    """-log2 of the header's prior mass, rounded up, in bits."""
    return _total(header_costs(header))


def symbol_bits(
    symbols: ArrayLike, levels: int, contexts: ArrayLike | None = None, *, adaptive_signs: bool = False
) -> float:
    """-log2 of the prior mass of ``symbols`` (d,) given d and ``levels``, rounded up, in bits.

    Raises:
        ArgumentError: symbols that are not integers of the grid, or contexts of another length.
    """
    array = checked_symbols(symbols, levels)
    meter = _Meter()
    SymbolModel(len(array), levels, checked_contexts(contexts, len(array)), adaptive_signs).run(meter, array)
    return _round_up(math.fsum(meter.costs))


def itemize(header: Header, symbols: ArrayLike, contexts: ArrayLike | None = None) -> list[Cost]:
    """The account of a whole message: the header's costs and the symbols' cost.

    Args:
        header: the header.
        symbols: (d,) integers.
        contexts: (d,) context ids, fixed by the header alone; needed, and used, when
            ``header.contexts`` is true.

    Raises:
        ArgumentError: the symbols or contexts do not fit the header.
    """
    array = checked_symbols(symbols, header.levels)
    if len(array) != header.dim:
        raise ArgumentError(f"{len(array)} symbols for a header of dim {header.dim}; the two must agree")
    if header.kind == "constant" and array.any():
        raise ArgumentError("kind 'constant' has no integers: its one symbol must be 0")
    if header.contexts and contexts is None:
        raise ArgumentError("the header says contexts=True but no contexts are given; pass the context ids")
    if header.kind == "constant":
        return [*header_costs(header), Cost("symbols", "none", 0.0, "the class says all")]
    used = contexts if header.contexts else None
    bits = symbol_bits(array, header.levels, used, adaptive_signs=header.adaptive_signs)
    code = f"adaptive counts, {np.count_nonzero(array)} of {len(array)} not zero"
    return [*header_costs(header), Cost("symbols", f"{len(array)} on {header.levels} levels", bits, code)]


def message_bits(header: Header, symbols: ArrayLike, contexts: ArrayLike | None = None) -> float:
    """K = -log2 of the message's prior mass, rounded up, in bits. Arguments as for ``itemize``.

    >>> round(message_bits(Header("film", dim=10), [0, 1, 0, 0, -1, 0, 0, 0, 0, 0]), 1)
    34.3
    """
    return _total(itemize(header, symbols, contexts))


def cheapest(header: Header, symbols: ArrayLike, contexts: ArrayLike | None = None) -> Header:
    """``header`` with the values of ``contexts`` and ``adaptive_signs`` that make K smallest.

    The bound holds for all messages at once, so an encoder may pick among them freely. Without
    ``contexts`` (d,) the header's own field is set to false.
    """
    if header.kind == "constant":
        return header
    options = [
        replace(header, contexts=separate, adaptive_signs=signs)
        for separate in ([False] if contexts is None else [False, True])
        for signs in (False, True)
    ]
    return min(options, key=lambda option: message_bits(option, symbols, contexts))


def format_costs(costs: Sequence[Cost]) -> str:
    """One line for each item that costs something, and the total."""
    lines = [
        f"{cost.bits:10.1f} bits: {cost.field} = {cost.value} ({cost.code})" for cost in costs if cost.bits
    ]
    return as_lines([*lines, f"{_total(costs):10.1f} bits: total"])


def empirical_entropy_bits(symbols: ArrayLike) -> float:
    """d times the entropy of the symbols' own frequencies, in bits: for comparison, not a code length."""
    _, counts = np.unique(np.asarray(symbols), return_counts=True)
    return float(-(counts * np.log2(counts / counts.sum())).sum()) + 0.0
