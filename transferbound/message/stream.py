"""Messages as bytes: a header and integers in one range-coded stream, and back.

The format is docs/message-format.md; the probabilities are those of ``costs``. A message decodes from
its bytes and constants fixed in advance alone, and only from the bytes that ``encode`` writes for it.
"""

from __future__ import annotations

from collections.abc import Callable

import constriction
import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferbound.errors import ArgumentError, MessageError
from transferbound.message.costs import checked_contexts, checked_symbols, header_choices
from transferbound.message.header import MAX_CANDIDATES, OPEN_LIST, Header, field_codes
from transferbound.message.kinds import further_names
from transferbound.message.short_codes import MAX_CLASSES, MIN_CLASSES
from transferbound.message.symbols import Ints, SymbolModel

__all__ = ["MAGIC", "MAX_BYTES", "decode", "decode_header", "encode"]

MAGIC = b"TB\x01"
"""First bytes of a message: name and version of the format."""

_MAGIC_2 = b"TB\x02"
"""Of one that names a kind beyond the first eight."""

_MAGIC_3 = b"TB\x03"
"""Of one of the kinds that stand alone."""

_MAGIC_OF = {1: MAGIC, 2: _MAGIC_2, 3: _MAGIC_3}

MAX_BYTES = 2**20
"""No message is longer (eight million bits say nothing of any data set at hand); more is refused unread."""

_DEFAULT_MAX_DIM = 2**20
_BIT = constriction.stream.model.Bernoulli(perfect=False)
_INVALID = "the message is not a stream that an encoder wrote"


class _Encoder:
    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def choose(self, outcome: int, size: int) -> None:
        self._coder.encode(outcome, constriction.stream.model.Uniform(size))

    def code(self, probabilities: NDArray[np.float64], bits: Ints | None) -> Ints:
        assert bits is not None
        self._coder.encode(bits.astype(np.int32), _BIT, probabilities)
        return bits

    def cost(self, bits: float) -> None:
        pass

    def finish(self) -> bytes:
        """The fewest bytes of which every continuation decodes to what was encoded.

        Those are a prefix-free code: the intervals of distinct messages are disjoint.
        """
        words = self._coder.get_compressed()
        position, (lower, width) = self._coder.pos()
        total = 32 * position + 64
        sealed = int.from_bytes(words.astype(">u4").tobytes()) << (total - 32 * len(words))
        # The words name one point of the final interval; the state says how far it is from its start.
        low = sealed - (sealed - lower) % 2**64
        for count in range(max(0, (total - width.bit_length()) // 8), total // 8 + 1):
            unit = total - 8 * count
            start = -(-low >> unit)
            if (start + 1) << unit <= low + width:
                return bytes(start.to_bytes(count))
        raise AssertionError("a range coder's interval is at least one unit wide")


class _Decoder:
    """Reads a stream; what stands past its end is zero."""

    def __init__(self, stream: bytes) -> None:
        padded = stream + bytes(-len(stream) % 4)
        self._coder = constriction.stream.queue.RangeDecoder(
            np.frombuffer(padded, dtype=">u4").astype(np.uint32)
        )
        # No stream holds much more information than bits; the slack covers the coder's 24-bit probabilities.
        self._budget = 8.4 * len(stream) + 128

    def choose(self, size: int) -> int:
        self.cost(float(np.log2(size)))
        try:
            return int(self._coder.decode(constriction.stream.model.Uniform(size)))
        except AssertionError as error:
            raise MessageError(_INVALID) from error

    def code(self, probabilities: NDArray[np.float64], bits: Ints | None) -> Ints:
        try:
            return np.asarray(self._coder.decode(_BIT, probabilities), dtype=np.int64)
        except AssertionError as error:
            raise MessageError(_INVALID) from error

    def cost(self, bits: float) -> None:
        self._budget -= bits
        if self._budget < 0:
            raise MessageError("the message is truncated: it ends before all its symbols")


def encode(header: Header, symbols: ArrayLike, contexts: ArrayLike | None = None) -> bytes:
    """The message that says ``header`` and ``symbols``.

    Args:
        header: the header.
        symbols: (d,) integers in [-(L-1)/2, (L-1)/2].
        contexts: (d,) context ids, a function of the header alone; used when ``header.contexts``.

    Raises:
        ArgumentError: symbols or contexts do not fit the header, or the message exceeds ``MAX_BYTES``.
    """
    header.validate()
    array = checked_symbols(symbols, header.levels)
    if len(array) != header.dim:
        raise ArgumentError(f"{len(array)} symbols for a header of dim {header.dim}; the two must agree")
    if header.kind == "constant" and array.any():
        raise ArgumentError("kind 'constant' has no integers: its one symbol must be 0")
    if header.contexts and contexts is None:
        raise ArgumentError("the header says contexts=True but no contexts are given; pass the context ids")
    encoder = _Encoder()
    for _, choices in header_choices(header):
        for outcome, size in choices:
            encoder.choose(outcome, size)
    if header.kind != "constant":
        _model(header, contexts).run(encoder, array)
    data = _MAGIC_OF[header.version] + encoder.finish()
    if len(data) > MAX_BYTES:
        raise ArgumentError(
            f"the message takes {len(data)} bytes; use fewer symbols: at most {MAX_BYTES} fit"
        )
    return data


def decode(
    data: bytes,
    *,
    candidates: int = 1,
    classes: int = 0,
    contexts: Callable[[Header], ArrayLike | None] | None = None,
    max_dim: int = _DEFAULT_MAX_DIM,
) -> tuple[Header, Ints]:
    """Header and (d,) int64 symbols of a message.

    Args:
        data: the message, whole.
        candidates: the number of variants on the list, or ``OPEN_LIST``; fixed in advance.
        classes: number of classes, 2 .. 2^16, fixed in advance; messages of version 3 need it, others do not look.
        contexts: gives the (d,) context ids of a header; asked only when the header uses contexts.
        max_dim: refuse more coordinates than this, before anything is allocated for them.

    Raises:
        MessageError: the bytes are not exactly what ``encode`` writes for some message.
        ArgumentError: ``candidates`` is out of range.

        >>> header, symbols = decode(encode(Header("film", dim=5), [0, 1, 0, 0, -1]))
        >>> header.kind, symbols.tolist()
        ('film', [0, 1, 0, 0, -1])
    """
    decoder, header = _open(data, candidates, classes)
    if header.dim > max_dim:
        raise MessageError(f"the message has {header.dim} coordinates; at most {max_dim} are expected here")
    ids: ArrayLike | None = None
    if header.contexts:
        ids = contexts(header) if contexts is not None else None
        if ids is None:
            raise MessageError("the message uses contexts, but its subspace defines none")
    nothing = header.kind == "constant"
    symbols = np.zeros(1, dtype=np.int64) if nothing else _model(header, ids).run(decoder)
    again = encode(header, symbols, ids)
    if again != data:
        raise MessageError(_difference(data, again))
    return header, symbols


def decode_header(data: bytes, candidates: int = 1, classes: int = 0) -> Header:
    """The header alone, without the check that the whole message is canonical.

    Raises:
        MessageError: the bytes do not begin with a message's header.
    """
    return _open(data, candidates, classes)[1]


def _open(data: bytes, candidates: int, classes: int) -> tuple[_Decoder, Header]:
    """A decoder that has read the header."""
    if type(candidates) is not int or not OPEN_LIST <= candidates <= MAX_CANDIDATES:
        raise ArgumentError(
            f"candidates is {candidates!r}; it must be an integer in 1..{MAX_CANDIDATES}, or {OPEN_LIST} for a list "
            "that may grow"
        )
    if len(data) > MAX_BYTES:
        raise MessageError(f"the message has {len(data)} bytes; at most {MAX_BYTES} are allowed")
    versions = {magic: version for version, magic in _MAGIC_OF.items()}
    version = versions.get(data[: len(MAGIC)])
    if version is None or (version == 2 and not further_names()):
        raise MessageError(
            f"the message begins with {data[:3]!r}, not with {MAGIC!r}: not a transferbound message"
        )
    decoder = _Decoder(data[len(MAGIC) :])
    if version == 3 and (type(classes) is not int or not MIN_CLASSES <= classes <= MAX_CLASSES):
        raise MessageError(
            f"a message of version 3 is about {MIN_CLASSES} to {MAX_CLASSES} classes, not {classes!r}"
        )
    return decoder, _read_header(decoder, version, candidates, classes if version == 3 else 0)


def _read_header(decoder: _Decoder, version: int, candidates: int, classes: int) -> Header:
    known: dict[str, object] = {"candidates": candidates, "version": version, "classes": classes}
    for name, code in field_codes():
        known[name] = code(known).read(decoder.choose)
    del known["version"]
    try:
        header = Header(**known)  # type: ignore[arg-type]
    except ArgumentError as error:
        raise MessageError(f"the message's header does not hold: {error}") from error
    if header.version != version:
        raise MessageError(f"kind {header.kind!r} is not named by version {version} of the format")
    return header


def _model(header: Header, contexts: ArrayLike | None) -> SymbolModel:
    ids = checked_contexts(contexts, header.dim) if header.contexts else None
    return SymbolModel(header.dim, header.levels, ids, header.adaptive_signs)


def _difference(data: bytes, canonical: bytes) -> str:
    if data.startswith(canonical):
        return f"the message has {len(data) - len(canonical)} bytes after its end"
    if canonical.startswith(data):
        return f"the message is truncated: {len(data)} bytes of {len(canonical)}"
    return "the message is not in canonical form: what it decodes to is written in other bytes"
