"""Random and mutated bytes into the decoder: one clear error or a canonical message, never anything else.

No crash, no hang over a second, no allocation over 256 MB. The long version feeds 100,000 strings.
"""

import contextlib
import resource
import tracemalloc
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from transferbound.errors import MessageError
from transferbound.message import Header
from transferbound.message.stream import MAGIC, MAX_BYTES, decode, decode_header, encode

MEGABYTES = 256


def contexts_of(header: Header) -> np.ndarray:
    """A decoder's contexts: any function of the header will do."""
    return np.arange(header.dim) % (header.seed % 40 + 1)


def seeds_of_mutation() -> list[bytes]:
    """Valid messages of all shapes, short and long, cheap and dear."""
    stream = np.random.default_rng(0)
    messages = []
    for kind, dim, levels, density, more in [
        ("hashed", 1, 3, 0.5, {}),
        ("film+kron", 150, 3, 0.2, {"seed": 9}),
        ("head", 90, 7, 0.6, {"head_seed": 77, "contexts": True, "seed": 2}),
        ("lora+modules", 60, 255, 1.0, {"rank": 4, "modules": "attn.*é", "adaptive_signs": True}),
        ("kron-sum", 20, 4095, 1.0, {"step": 200}),
        ("hashed", 60_000, 3, 0.01, {"contexts": True, "seed": 38}),
        ("dense", 2**20, 3, 0.0, {}),
    ]:
        header = Header(kind, dim, levels=levels, **more)  # type: ignore[arg-type]
        sizes = stream.integers(1, (levels - 1) // 2 + 1, dim) * stream.choice([-1, 1], dim)
        symbols = np.where(stream.random(dim) < density, sizes, 0)
        messages.append(encode(header, symbols, contexts_of(header)))
    return messages


def mutate(data: bytes, other: bytes, stream: np.random.Generator) -> bytes:
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


def strings(count: int, seed: int) -> Iterator[bytes]:
    stream = np.random.default_rng(seed)
    messages = seeds_of_mutation()
    for number in range(count):
        size = int(stream.integers(0, 200))
        match number % 4:
            case 0:
                yield stream.bytes(size)
            case 1:
                yield MAGIC + stream.bytes(size)
            case _:
                # The last two take long to decode, so they come seldom.
                first, second = stream.integers(0, len(messages) - (2 if number % 200 else 0), 2)
                yield mutate(messages[first], messages[second], stream)


def fuzz(count: int, seed: int) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for data in strings(count, seed):
        try:
            header, symbols = decode(data, contexts=contexts_of)
        except MessageError:
            outcomes["refused"] += 1
        else:
            assert encode(header, symbols, contexts_of(header)) == data
            outcomes["decoded"] += 1
    return outcomes


def test_a_few_thousand_strings() -> None:
    outcomes = fuzz(5000, seed=1)
    assert outcomes["refused"] > 3000
    print(dict(outcomes))


@pytest.mark.long
def test_a_hundred_thousand_strings() -> None:
    outcomes = fuzz(100_000, seed=2)
    assert outcomes["refused"] > 60_000
    print(
        dict(outcomes), "peak MB of the process:", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    )


def dearest_garbage() -> Iterator[bytes]:
    """Headers that ask for as much work as the format allows, followed by noise or by nothing."""
    stream = np.random.default_rng(3)
    for levels, contexts, signs in [
        (3, False, False),
        (4095, False, True),
        (4095, True, True),
        (255, True, False),
    ]:
        header = Header("dense", 2**20, seed=39, levels=levels, contexts=contexts, adaptive_signs=signs)
        cheap = encode(header, np.zeros(2**20, int), contexts_of(header))
        yield cheap
        for size in (0, 20, 30_000):
            yield cheap[:-2] + stream.bytes(size)
            yield cheap[:-2] + bytes(size)


def test_garbage_that_asks_for_the_most_work() -> None:
    """The largest dim and finest grid: 256 MB, whatever follows the header."""
    for number, data in enumerate(dearest_garbage()):
        with contextlib.suppress(MessageError):
            decode(data, contexts=contexts_of)
        if number % 7 == 0:  # a whole message: all that there is to allocate
            tracemalloc.start()
            decode(data, contexts=contexts_of)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < MEGABYTES * 2**20


def test_oversized_input_is_refused_unread() -> None:
    data = MAGIC + bytes(MAX_BYTES)
    for read in (decode, decode_header):
        with pytest.raises(MessageError, match="bytes; at most"):
            read(data)


def test_a_large_dim_is_refused_before_allocation() -> None:
    data = encode(Header("dense", 2**22), np.zeros(2**22, int))
    tracemalloc.start()
    with pytest.raises(MessageError, match="4194304 coordinates; at most 1048576"):
        decode(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_header_reader_survives_the_same_strings() -> None:
    refused = 0
    for data in strings(3000, seed=4):
        try:
            header = decode_header(data)
        except MessageError:
            refused += 1
            continue
        header.validate()
    assert 0 < refused < 3000
