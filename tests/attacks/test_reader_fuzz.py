"""Random and mutated text into the reader of certificate.json: an error of ours, soon and in little memory."""

from __future__ import annotations

import json
import random
import resource
import tracemalloc
from pathlib import Path

import pytest
from spine_fixtures import image_certificate

from transferbound.certificate.schema import check_content
from transferbound.errors import CertificateError
from transferbound.storage.files import MAX_JSON_BYTES, parse_json

_PIECES = [
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b'"',
        b"null",
        b"true",
        b"NaN",
        b"-Infinity",
        b"1e400",
        b"-0",
        b"0x1",
    ),
    *(
        b"\\u0000",
        b"\\ud800",
        b"\\",
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf",
        b'"schema"',
        b"9" * 30,
        b'{"a":',
        b"[[[[",
    ),
    *(b'"n": 1,', b'"schema_version": 2,', b"1.5", b"-1", b'""', b"\n", b" "),
]


def mutated(generator: random.Random, honest: bytes) -> bytes:
    """A random string, or an honest text with a few bytes, pieces or stretches changed."""
    if generator.random() < 0.1:
        return bytes(generator.randrange(256) for _ in range(generator.randrange(40)))
    if generator.random() < 0.1:
        return b"".join(generator.choice(_PIECES) for _ in range(generator.randrange(30)))
    made = bytearray(honest)
    for _ in range(generator.randrange(1, 4)):
        start = generator.randrange(len(made) + 1)
        stop = min(len(made), start + generator.choice((0, 1, 1, 2, 8, 200)))
        kind = generator.randrange(4)
        if kind == 0 and start < len(made):
            made[start] ^= 1 << generator.randrange(8)
        elif kind == 1:
            made[start:stop] = generator.choice(_PIECES)
        elif kind == 2:
            del made[start:stop]
        else:
            made[start:start] = made[start:stop] * generator.randrange(1, 4)
        if not made:
            break
    return bytes(made)


def feed(count: int, seed: int) -> int:
    """How many of ``count`` strings were refused; asserts that nothing else happens."""
    generator = random.Random(seed)
    honest = json.dumps(json.loads((Path(image_certificate()) / "certificate.json").read_bytes())).encode()
    refused = 0
    for _ in range(count):
        data = mutated(generator, honest)
        try:
            check_content(parse_json(data, "certificate.json", CertificateError))
        except CertificateError:
            refused += 1
    return refused


def test_thousands_of_strings() -> None:
    assert feed(3_000, seed=1) > 1_800


@pytest.mark.long
def test_a_hundred_thousand_strings() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert feed(120_000, seed=2) > 80_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 * 1024  # kilobytes


LARGE = {
    "lists": b"[" + b"[]," * (MAX_JSON_BYTES // 3 - 2) + b"1]",
    "nested lists": b"[" * (MAX_JSON_BYTES // 2) + b"]" * (MAX_JSON_BYTES // 2),
    "open lists": b"[" * MAX_JSON_BYTES,
    "open objects": b'{"a":' * (MAX_JSON_BYTES // 5),
    "objects": b"[" + b"{}," * (MAX_JSON_BYTES // 3 - 2) + b"1]",
    "numbers": b"[" + b"1.5," * (MAX_JSON_BYTES // 4 - 2) + b"1]",
    "one number": b"9" * MAX_JSON_BYTES,
    "one fraction": b"0." + b"9" * (MAX_JSON_BYTES - 2),
    "one exponent": b"1e" + b"9" * (MAX_JSON_BYTES - 2),
    "one text": b'"' + b"a" * (MAX_JSON_BYTES - 2) + b'"',
    "one escaped text": b'"' + b"\\u00e9" * (MAX_JSON_BYTES // 6 - 1) + b'"',
    "keys": b"{" + b",".join(b'"%x":1' % i for i in range(90_000)) + b"}",
    "keys, the last one twice": b"{" + b",".join(b'"%x":1' % i for i in range(90_000)) + b',"15f8f":1}',
    "one long key": b'{"schema":"transferbound-certificate","schema_version":2,"' + b"k" * 900_000 + b'":1}',
    "blanks": b" " * MAX_JSON_BYTES,
}


@pytest.mark.parametrize("name", LARGE)
def test_the_largest_inputs_that_ask_for_the_most_work(name: str) -> None:
    data = LARGE[name]
    assert len(data) <= MAX_JSON_BYTES
    with pytest.raises(CertificateError) as caught:
        check_content(parse_json(data, "certificate.json", CertificateError))
    assert len(str(caught.value)) < 2_000
    tracemalloc.start()
    try:
        with pytest.raises(CertificateError):
            check_content(parse_json(data, "certificate.json", CertificateError))
        assert tracemalloc.get_traced_memory()[1] < 256 * 2**20
    finally:
        tracemalloc.stop()
