"""Messages of version 3 that do not hold: what is refused, and by what name."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from short_messages import PREFIX, constant, contexts_of, draw, read, sparse

from transferbound.errors import ArgumentError, MessageError
from transferbound.message import (
    Header,
    itemize,
    message_bits,
)
from transferbound.message.short_codes import (
    MAX_CLASSES,
    sparse_dim,
)
from transferbound.message.stream import decode, decode_header, encode


@pytest.mark.parametrize(
    ("base", "change", "named"),
    [
        ("sparse", {"kind": "sparse+film"}, "stands alone"),
        ("sparse", {"kind": "film+constant"}, "stands alone"),
        ("sparse", {"kind": "sparse+constant"}, "stands alone"),
        (
            "sparse",
            {"components": 7},
            r"^components=7 does not go with kind 'sparse': .* use one of 0, 8, 16",
        ),
        ("sparse", {"components": 513}, r"components is 513; it must be an integer in 0\.\.512"),
        ("sparse", {"components": True}, "components is True"),
        ("sparse", {"components": 8}, "^dim=34 .* must be 18"),
        ("sparse", {"dim": 33}, "^dim=33 .* must be 34"),
        ("sparse", {"features": 16}, r"features is 16; it must be an integer in 0\.\.15"),
        ("sparse", {"features": -1}, "features is -1"),
        ("sparse", {"levels": 3}, "^levels=3 .* use one of 7, 15, 31, 63"),
        ("sparse", {"levels": 8}, "levels is 8"),
        ("sparse", {"step": 14}, "^step=14 does not go"),
        ("sparse", {"step": -19}, "^step=-19 does not go"),
        ("sparse", {"input_size": 2**16 + 1}, "input_size is 65537"),
        ("sparse", {"seed": 1}, "^seed=1 does not go"),
        ("sparse", {"head_seed": 1}, "^head_seed=1 does not go"),
        ("sparse", {"head_scale": 1}, "^head_scale=1 does not go"),
        ("sparse", {"rank": 1}, "^rank=1 goes with kind lora only"),
        ("sparse", {"modules": "*"}, r"^modules='\*' goes with kind modules only"),
        ("sparse", {"answer": 1}, "^answer=1 goes with kind constant only"),
        ("sparse", {"candidate": 1}, "candidate is 1"),
        ("sparse", {"contexts": 1}, "contexts is 1"),
        ("sparse", {"classes": 0}, r"^classes=0 does not go with kind 'sparse', .* 2\.\.65536"),
        ("sparse", {"classes": 1}, "^classes=1 does not go"),
        ("sparse", {"classes": 4}, "^dim=34 .* must be 51"),
        ("sparse", {"classes": 2**16 + 1}, "classes is 65537"),
        ("sparse", {"classes": 2**15, "components": 512}, "dim"),
        ("constant", {"answer": 3}, "^answer=3 does not go with kind 'constant': 3 is not in"),
        ("constant", {"answer": -1}, "answer is -1"),
        ("constant", {"answer": False}, "answer is False"),
        ("constant", {"classes": 1, "answer": 0}, "^classes=1 does not go with kind 'constant'"),
        ("constant", {"classes": 0, "answer": 0}, "^classes=0 does not go"),
        ("constant", {"features": 1}, "^features=1 goes with kind sparse only"),
        ("constant", {"components": 8}, "^components=8 goes with kind sparse only"),
        ("constant", {"dim": 2}, "^dim=2 does not go"),
        ("constant", {"levels": 7}, "^levels=7 does not go"),
        ("constant", {"step": 1}, "^step=1 does not go"),
        ("constant", {"input_size": 28}, "^input_size=28 does not go"),
        ("constant", {"contexts": True}, "^contexts=True does not go"),
        ("constant", {"adaptive_signs": True}, "^adaptive_signs=True does not go"),
        ("film", {"classes": 2}, "^classes=2 goes with kind sparse or constant only, not with 'film'"),
        ("film", {"features": 1}, "^features=1 goes with"),
        ("film", {"components": 8}, "^components=8 goes with"),
        ("film", {"answer": 1}, "^answer=1 goes with"),
    ],
)
def test_bad_headers_are_named(base: str, change: dict[str, Any], named: str) -> None:
    bases: dict[str, dict[str, Any]] = {
        "sparse": {"dim": 34, "levels": 7, "components": 16, "classes": 3},
        "constant": {"dim": 1, "answer": 2, "classes": 3},
        "film": {"dim": 10},
    }
    choice = {"kind": base, **bases[base]}
    Header(**choice)
    with pytest.raises(ArgumentError, match=named):
        Header(**choice | change)


def test_a_constant_has_no_integers() -> None:
    for refuses in (encode, itemize, message_bits):
        with pytest.raises(ArgumentError, match="has no integers"):
            refuses(constant(), [1])
        with pytest.raises(ArgumentError, match="2 symbols for a header of dim 1"):
            refuses(constant(), [0, 0])


def some_messages() -> list[tuple[Header, np.ndarray, bytes]]:
    chosen = [
        constant(1, 2),
        constant(776, 1000),
        sparse(2, 0, step=13),
        sparse(3, 0, features=4),
        sparse(2, 16, levels=15, input_size=300, contexts=True, adaptive_signs=True),
    ]
    drawn = [(header, draw(number, header, 0.15)) for number, header in enumerate(chosen)]
    return [(header, symbols, encode(header, symbols, contexts_of(header))) for header, symbols in drawn]


def other_or_none(data: bytes, classes: int, header: Header, symbols: np.ndarray) -> bool:
    """Whether ``data`` is a message; it is another one then, and the only spelling of it."""
    try:
        other, integers = read(data, classes)
    except MessageError:
        return False
    assert other != header or integers.tolist() != symbols.tolist()
    assert encode(other, integers, contexts_of(other)) == data
    assert other.classes == (classes if data.startswith(PREFIX) else 0)
    return True


def test_a_wrong_number_of_classes_gives_another_message_or_none() -> None:
    """Never the same one: the header holds the number, and so do the predictor and the certificate."""
    found = set()
    for header, symbols, data in some_messages():
        for classes in (*range(2, 25), 999, 1001, MAX_CLASSES):
            if classes != header.classes:
                found.add(other_or_none(data, classes, header, symbols))
        for wrong in (0, 1, -1, MAX_CLASSES + 1, True, 3.0, None, "3"):
            for reads in (decode, decode_header):
                with pytest.raises(MessageError, match=f"about 2 to 65536 classes, not {wrong!r}"):
                    reads(data, classes=wrong)  # type: ignore[operator]
    assert found == {True, False}  # both happen


def test_other_versions_do_not_look_at_the_classes() -> None:
    header = Header("film", 4)
    data = encode(header, [0, 1, 0, -1])
    for classes in (0, 1, 2, 1000, 2**20):
        assert decode(data, classes=classes)[0] == decode_header(data, classes=classes) == header


def test_every_changed_byte_changes_the_message_or_is_refused() -> None:
    found = set()
    for header, symbols, data in some_messages():
        for place, value in itertools.product(range(len(data)), range(256)):
            if data[place] != value:
                changed = data[:place] + bytes([value]) + data[place + 1 :]
                found.add(other_or_none(changed, header.classes, header, symbols))
    assert found == {True, False}


def test_truncation_and_growth_are_refused() -> None:
    """Always: no message begins another."""
    for header, _, data in some_messages():
        for size in range(len(data)):
            with pytest.raises(MessageError):
                read(data[:size], header.classes)
        for tail in (b"\0", b"\xff", b"\0" * 100, PREFIX, b"\x80" * 5000):
            with pytest.raises(MessageError, match=f"{len(tail)} bytes after its end"):
                read(data + tail, header.classes)


def garbage(count: int) -> Iterator[bytes]:
    stream = np.random.default_rng(0)
    for number in range(count):
        size = int(stream.integers(0, 40))
        yield PREFIX + stream.integers(0, 256, size, dtype=np.uint8).tobytes() + bytes(number % 3)


def test_garbage_is_refused_or_a_message() -> None:
    read_so_far = 0
    for number, data in enumerate(garbage(2500)):
        classes = (2, 3, 5, 10)[number % 4]
        try:
            header, integers = read(data, classes, candidates=(1, 0, 5)[number % 3])
        except MessageError:
            continue
        read_so_far += 1
        assert encode(header, integers, contexts_of(header)) == data
    assert read_so_far > 0


def test_absurd_sizes_are_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """K and the number of classes bound d; what is left is what the caller expects at most."""
    made: list[int] = []
    monkeypatch.setattr("transferbound.message.stream.SymbolModel", lambda dim, *_: made.append(dim))
    for number, data in enumerate(garbage(600)):
        classes = (3000, MAX_CLASSES)[number % 2]
        try:
            header = decode_header(data, classes=classes)
        except MessageError:
            continue
        assert header.dim == (sparse_dim(classes, header.components) if header.kind == "sparse" else 1)
        if header.kind == "sparse":
            with pytest.raises(MessageError, match="coordinates; at most 1000 are expected here"):
                decode(data, classes=classes, contexts=contexts_of, max_dim=1000)
    assert made == []
