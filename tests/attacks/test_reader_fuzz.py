"""Random and mutated text into the reader of certificate.json: an error of ours, soon and in little memory."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest
from fuzz_texts import feed_reader
from short_certificates import of_one_class, of_pictures
from spine_fixtures import image_certificate

from transferbound.certificate.schema import check_content
from transferbound.errors import CertificateError
from transferbound.storage.files import MAX_JSON_BYTES, parse_json


def test_thousands_of_strings() -> None:
    folders = [Path(image_certificate()), of_pictures().folder, of_one_class().folder]
    texts = [json.loads((folder / "certificate.json").read_bytes()) for folder in folders]
    outcomes = feed_reader([json.dumps(text).encode() for text in texts], 3_000, seed=1)
    assert outcomes.total() == 3_000
    assert outcomes["refused"] > 1_800


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
