"""Random and mutated bytes into the decoder: one clear error or a canonical message, never anything else.

No crash, no hang over a second, no allocation over 256 MB. tests/long/test_fuzz_long.py feeds a million strings.
"""

import contextlib
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from fuzz_messages import contexts_of, feed_codes, feed_messages, further_kinds, messages

from transferbound.errors import MessageError
from transferbound.message import Header
from transferbound.message.stream import MAGIC, MAX_BYTES, decode, decode_header, encode

MEGABYTES = 256


def test_a_few_thousand_strings() -> None:
    outcomes = feed_messages(3000, seed=1)
    print(dict(outcomes))
    assert outcomes.total() == 3000
    assert outcomes["refused"] > 2000
    assert all(outcomes[f"decoded, version {version}"] > 3 for version in (1, 2, 3))


def test_a_few_thousand_headers() -> None:
    outcomes = feed_codes(6000, seed=1)
    print(dict(outcomes))
    assert outcomes.total() == 6000
    assert all(outcomes[f"read, version {version}"] > 50 for version in (1, 2, 3))
    assert outcomes["not canonical"] < 1000


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
    with further_kinds():
        for told in messages(3000, seed=4):
            try:
                header = decode_header(told.data, told.candidates, told.classes)
            except MessageError:
                refused += 1
                continue
            header.validate()
    assert 0 < refused < 3000
