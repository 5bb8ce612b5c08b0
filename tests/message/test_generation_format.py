"""Messages about language models: a second reader and writer of TG1, made from docs/message-format.md alone."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from fuzz_generation import feed_generation

from transferbound.errors import MessageError
from transferbound.message.generation import (
    MIX_BITS,
    GenerationMessage,
    Stage,
    decode_generation,
    encode_generation,
    prompt_length_bits,
)

Plain = list[tuple[int, tuple[int, ...] | bytes]]

GOLDEN = {
    "5447010200000004544201ff": [(3, b"TB\x01\xff")],
    "5447012200000008000000070000012c": [(3, (7, 300))],
    "5447013f0000000400000000" + "1f0000000101": [(32, (0,)), (32, b"\x01")],
}
"""What stands here is published: certificates hold such bytes."""


def written(stages: Plain) -> bytes:
    made = b"TG\x01"
    for mix, body in stages:
        data = body if isinstance(body, bytes) else struct.pack(f">{len(body)}I", *body)
        made += struct.pack(">BI", (0 if isinstance(body, bytes) else 32) + mix - 1, len(data)) + data
    return made


def read(data: bytes) -> Plain:
    assert data[:3] == b"TG\x01"
    stages: Plain = []
    place = 3
    while place < len(data):
        head, length = struct.unpack_from(">BI", data, place)
        body = data[place + 5 : place + 5 + length]
        stages.append((head % 32 + 1, struct.unpack(f">{length // 4}I", body) if head & 32 else body))
        place += 5 + length
    return stages


def plain(message: GenerationMessage) -> Plain:
    return [(stage.mix, stage.prompt or stage.offset) for stage in message.stages]


def of(stages: Plain) -> GenerationMessage:
    return GenerationMessage(
        tuple(
            Stage(mix, offset=body) if isinstance(body, bytes) else Stage(mix, prompt=body)
            for mix, body in stages
        )
    )


@pytest.mark.parametrize("data", GOLDEN)
def test_golden_bytes(data: str) -> None:
    stages = GOLDEN[data]
    assert encode_generation(of(stages)).hex() == data
    assert plain(decode_generation(bytes.fromhex(data))) == stages
    assert written(stages).hex() == data


def test_both_read_what_the_other_writes() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        stages: Plain = []
        for place in range(int(random.integers(1, 5))):
            mix = int(random.integers(1, 33))
            if place == 0 and random.random() < 0.5:
                stages.append((mix, tuple(random.integers(0, 2**32, random.integers(1, 65)).tolist())))
            else:
                stages.append((mix, random.bytes(int(random.integers(1, 300)))))
        assert encode_generation(of(stages)) == written(stages)
        assert plain(decode_generation(written(stages))) == read(written(stages)) == stages


BROKEN = {
    "another name": b"TB\x01" + b"\x00\x00\x00\x00\x01a",
    "another version": b"TG\x02" + b"\x00\x00\x00\x00\x01a",
    "no stage": b"TG\x01",
    "an empty body": b"TG\x01" + b"\x00\x00\x00\x00\x00",
    "an empty prompt": b"TG\x01" + b"\x20\x00\x00\x00\x00",
    "a bit too many": b"TG\x01" + b"\x40\x00\x00\x00\x01a",
    "a body that ends early": b"TG\x01" + b"\x00\x00\x00\x00\x02a",
    "a length of gigabytes": b"TG\x01" + b"\x00\xff\xff\xff\xffa",
    "part of a token": b"TG\x01" + b"\x20\x00\x00\x00\x03abc",
    "65 tokens": b"TG\x01" + b"\x20\x00\x00\x01\x04" + bytes(260),
    "a prompt that comes second": b"TG\x01" + b"\x00\x00\x00\x00\x01a" + b"\x20\x00\x00\x00\x04abcd",
    "five stages": b"TG\x01" + b"\x00\x00\x00\x00\x01a" * 5,
    "too long": b"TG\x01" + b"\x00\x00\x10\x00\x00" + bytes(2**20),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_must_be_refused(what: str) -> None:
    with pytest.raises(MessageError):
        decode_generation(BROKEN[what])


def test_any_bytes_are_refused_or_written_again_as_they_were() -> None:
    outcomes = feed_generation(4000, seed=1)
    assert outcomes["refused"] > 1500
    assert all(outcomes[f"decoded, {count} stages"] > 100 for count in range(1, 5))


def test_lengths_and_weights_are_codes() -> None:
    """Masses that sum to at most one: of a prompt's length, of 32 weights and two kinds of body."""
    assert sum(2.0 ** -prompt_length_bits(tokens) for tokens in range(1, 65)) <= 1.0
    assert 2 * 32 * 2.0**-MIX_BITS <= 1.0
