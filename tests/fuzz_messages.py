"""Random and mutated messages of all versions and kinds, and random choices for the codes of the header.

One clear error, or a message in canonical form: never anything else.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from transferbound.errors import ArgumentError, MessageError
from transferbound.message import OPEN_LIST, Header, kinds
from transferbound.message.costs import header_choices
from transferbound.message.field_codes import Choice, choice_bits
from transferbound.message.header import field_codes
from transferbound.message.kinds import Kind
from transferbound.message.short_codes import COMPONENTS, sparse_dim
from transferbound.message.stream import decode, encode
from transferbound.subspace.kinds.sparse import sparse_contexts

MAGICS = (b"TB\x01", b"TB\x02", b"TB\x03")
FURTHER = (Kind("prompt"), Kind("factors", fields=("rank", "modules")))
"""Kinds that version 2 names; without any it has no message."""

CANDIDATES = (1, 7, OPEN_LIST)
CLASSES = (2, 3, 10, 300, 0, 2**16)
_SELDOM = 4000  # strings of which one may take long
_FEW, _MANY = 2**9, 2**20  # coordinates that a reader expects at most


@dataclass(frozen=True)
class Told:
    """A message, and the constants that its reader has to be told."""

    data: bytes
    candidates: int = 1
    classes: int = 0
    max_dim: int = _FEW


def contexts_of(header: Header) -> np.ndarray:
    """A decoder's contexts: any function of the header will do where the kind has none of its own."""
    if header.kind == "sparse":
        return sparse_contexts(header.components, header.classes)
    return np.arange(header.dim) % (header.seed % 40 + 1)


@contextlib.contextmanager
def further_kinds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "FURTHER_KINDS", FURTHER)
        yield


_SHAPES: tuple[tuple[str, int, int, float, dict[str, Any]], ...] = (
    ("hashed", 1, 3, 0.5, {}),
    ("film+kron", 150, 3, 0.2, {"seed": 9}),
    ("head", 90, 7, 0.6, {"head_seed": 77, "contexts": True, "seed": 2}),
    ("lora+modules", 60, 255, 1.0, {"rank": 4, "modules": "attn.*é", "adaptive_signs": True}),
    ("kron-sum", 20, 4095, 1.0, {"step": 200, "candidate": 3, "candidates": 7}),
    ("film", 40, 3, 0.5, {"candidate": 59, "candidates": OPEN_LIST}),
    ("prompt", 20, 5, 0.5, {"seed": 3}),
    ("film+factors", 31, 7, 0.3, {"rank": 3, "modules": "*", "contexts": True}),
)
_SHORT: tuple[tuple[int, int, int, float, dict[str, Any]], ...] = (
    (2, 8, 7, 0.4, {}),
    (3, 16, 15, 0.5, {"contexts": True, "features": 15}),
    (10, 48, 31, 0.2, {"adaptive_signs": True, "input_size": 47}),
    (2, 200, 63, 0.9, {"contexts": True, "adaptive_signs": True, "candidate": 6, "candidates": 7}),
    (300, 0, 7, 0.1, {"candidate": 59, "candidates": OPEN_LIST, "step": -18}),
)
_LONG: tuple[tuple[str, int, int, float, dict[str, Any]], ...] = (
    ("hashed", 60_000, 3, 0.01, {"contexts": True, "seed": 38}),
    ("dense", 2**20, 3, 0.0, {}),
)


def _told(header: Header, density: float, stream: np.random.Generator) -> Told:
    sizes = stream.integers(1, (header.levels - 1) // 2 + 1, header.dim)
    signs = stream.choice([-1, 1], header.dim)
    symbols = np.where(stream.random(header.dim) < density, sizes * signs, 0)
    return Told(encode(header, symbols, contexts_of(header)), header.candidates, header.classes)


def honest_messages() -> list[Told]:
    """Valid messages of all versions and shapes, cheap and dear; the last two take long to decode."""
    stream = np.random.default_rng(0)
    made = [
        _told(Header(kind, dim, levels=n, **more), share, stream) for kind, dim, n, share, more in _SHAPES
    ]
    for classes, components, levels, share, more in _SHORT:
        dim = sparse_dim(classes, components)
        header = Header("sparse", dim, levels=levels, components=components, classes=classes, **more)
        made.append(_told(header, share, stream))
    for classes in (2, 10, 2**16):
        made.append(_told(Header("constant", 1, answer=classes - 1, classes=classes), 0.0, stream))
    return made + [
        _told(Header(kind, dim, levels=n, **more), share, stream) for kind, dim, n, share, more in _LONG
    ]


def mutate(data: bytes, other: bytes, stream: np.random.Generator) -> bytes:
    """One to three changes: bits, bytes, cuts, insertions, another message's end."""
    out = bytearray(data)
    for _ in range(int(stream.integers(1, 4))):
        at = int(stream.integers(0, len(out) + 1))
        match int(stream.integers(0, 7)):
            case 0 if at < len(out):
                out[at] ^= 1 << int(stream.integers(0, 8))
            case 1 if at < len(out):
                out[at] = int(stream.integers(0, 256))
            case 2:
                del out[at:]
            case 3:
                out[at:at] = stream.bytes(int(stream.integers(1, 9)))
            case 4:
                del out[at : at + int(stream.integers(1, 9))]
            case 5:
                out[at:] = other[at:]
            case _:
                out += stream.bytes(int(stream.integers(1, 40)))
    return bytes(out)


def fresh(stream: np.random.Generator) -> Told:
    """Another message: random fields, few integers."""
    place = int(stream.integers(0, 3))
    more: dict[str, Any] = {
        "candidates": CANDIDATES[place],
        "candidate": int(stream.integers(0, (1, 7, 9)[place])),
    }
    classes = CLASSES[int(stream.integers(0, 3))]
    match int(stream.integers(0, 3)):
        case 0:
            more |= {"answer": int(stream.integers(0, classes)), "classes": classes}
            return _told(Header("constant", 1, **more), 0.0, stream)
        case 1:
            components = COMPONENTS[int(stream.integers(0, 4))]
            more |= {"features": int(stream.integers(0, 16)), "step": int(stream.integers(-18, 14))}
            more |= {"components": components, "classes": classes, "contexts": bool(stream.integers(0, 2))}
            header = Header("sparse", sparse_dim(classes, components), levels=15, **more)
        case _:
            more |= {"seed": int(stream.integers(0, 2**40)), "step": int(stream.integers(-256, 257))}
            header = Header(
                "hashed", int(stream.integers(1, 40)), head_scale=int(stream.integers(-64, 65)), **more
            )
    return _told(header, float(stream.random()), stream)


def messages(count: int, seed: int) -> Iterator[Told]:
    """``count`` strings, with what their reader is told: mostly the truth."""
    stream = np.random.default_rng(seed)
    honest = honest_messages()
    for number in range(count):
        seldom = number % _SELDOM == 0
        first, second = stream.integers(0, len(honest) - (0 if seldom else 2), 2)
        one, size = honest[first], int(stream.integers(0, 200))
        match number % 4:
            case 0:
                data = mutate(one.data, honest[second].data, stream)
            case 1:
                data = MAGICS[int(stream.integers(0, 3))] + stream.bytes(size)
            case 2:
                data = (
                    stream.bytes(size) if number % 8 == 2 else mutate(one.data, honest[second].data, stream)
                )
            case _:
                one = fresh(stream)
                data = one.data if number % 8 == 3 else mutate(one.data, honest[second].data, stream)
        if stream.random() < 0.25:
            one = Told(b"", CANDIDATES[stream.integers(0, 3)], CLASSES[stream.integers(0, len(CLASSES))])
        yield Told(data, one.candidates, one.classes, _MANY if seldom else _FEW)


def feed_messages(count: int, seed: int) -> Counter[str]:
    """What came of ``count`` strings in the decoder: refused, or decoded to what is written in the same bytes."""
    outcomes: Counter[str] = Counter()
    with further_kinds():
        for told in messages(count, seed):
            try:
                header, symbols = decode(
                    told.data,
                    candidates=told.candidates,
                    classes=told.classes,
                    contexts=contexts_of,
                    max_dim=told.max_dim,
                )
            except MessageError:
                outcomes["refused"] += 1
            else:
                assert encode(header, symbols, contexts_of(header)) == told.data
                outcomes[f"decoded, version {header.version}"] += 1
    return outcomes


def feed_codes(count: int, seed: int) -> Counter[str]:
    """What came of ``count`` strings of random choices, read as headers.

    A header that is read is written in the same choices, or in cheaper ones: then the string was not canonical, and
    the decoder refuses it.
    """
    stream = np.random.default_rng(seed)
    outcomes: Counter[str] = Counter()
    with further_kinds():
        for number in range(count):
            version = number % 3 + 1
            known: dict[str, object] = {
                "candidates": CANDIDATES[stream.integers(0, len(CANDIDATES))],
                "classes": CLASSES[stream.integers(0, len(CLASSES))] or 2 if version == 3 else 0,
                "version": version,
            }
            outcomes[_read_choices(known, stream)] += 1
    return outcomes


def _read_choices(known: dict[str, object], stream: np.random.Generator) -> str:
    """Reads one header out of random choices; asserts what must hold of it."""
    version = known["version"]
    drawn: list[Choice] = []
    # Small outcomes begin short values: with some streams most headers are ordinary, with others extreme.
    bias = (0.0, 0.3, 0.9)[int(stream.integers(0, 3))]

    def draw(size: int) -> int:
        outcome = int(stream.integers(0, size)) if stream.random() >= bias else size - 1
        drawn.append((outcome, size))
        return outcome

    try:
        for name, code in field_codes():
            known[name] = code(known).read(draw)
        header = Header(**{name: value for name, value in known.items() if name != "version"})  # type: ignore[arg-type]
    except (MessageError, ArgumentError):
        return "refused"
    if header.version != version:
        return "refused"
    written = [choice for _, choices in header_choices(header) for choice in choices]
    if written == drawn:
        return f"read, version {version}"
    assert choice_bits(written) <= choice_bits(drawn)
    return "not canonical"
