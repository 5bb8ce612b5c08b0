"""Random and mutated text into the reader of certificate.json and into the check of a card."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.schema import check_content
from transferbound.errors import CertificateError
from transferbound.report import card_check
from transferbound.report.card import card_metadata, card_text
from transferbound.report.metadata import parse_metadata
from transferbound.storage.files import parse_json

JSON_PIECES = (
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
    *(
        b'"n": 1,',
        b'"schema_version": 2,',
        b"1.5",
        b"-1",
        b'""',
        b"\n",
        b" ",
        b'"kind": "sparse",',
        b"1e-320",
    ),
)
CARD_PIECES = (
    *(
        b"---\n",
        b"\n---\n\n",
        b"...\n",
        b"<!--",
        b"-->",
        b"<details>",
        b"```\n",
        b"~~~\n",
        b"\n\n",
        b"\r",
        b"    ",
    ),
    *(
        b"- ",
        b"| 1.00 % |",
        b"**",
        b"model-index:",
        b"&x ",
        b"*x",
        b"!!python/name:os.system ",
        b"<<: ",
        b"{",
        b"[",
    ),
    *(
        b"at most 1 %",
        b"guaranteed 99 %",
        b"\xe2\x80\x8b",
        b"\xff",
        b"\x00",
        b"&lt;",
        b"# ",
        b"'",
        b'"',
        b": ",
    ),
)


def mutated(generator: random.Random, honest: bytes, pieces: Sequence[bytes]) -> bytes:
    """A random string, or an honest text with a few bytes, pieces or stretches changed."""
    if generator.random() < 0.1:
        return generator.randbytes(generator.randrange(40))
    if generator.random() < 0.1:
        return b"".join(generator.choice(pieces) for _ in range(generator.randrange(30)))
    made = bytearray(honest)
    for _ in range(generator.randrange(1, 4)):
        start = generator.randrange(len(made) + 1)
        stop = min(len(made), start + generator.choice((0, 1, 1, 2, 8, 200)))
        kind = generator.randrange(4)
        if kind == 0 and start < len(made):
            made[start] ^= 1 << generator.randrange(8)
        elif kind == 1:
            made[start:stop] = generator.choice(pieces)
        elif kind == 2:
            del made[start:stop]
        else:
            made[start:start] = made[start:stop] * generator.randrange(1, 4)
        if not made:
            break
    return bytes(made)


def feed_reader(honest: Sequence[bytes], count: int, seed: int) -> Counter[str]:
    """What came of ``count`` strings, made of ``honest`` ones, in the reader of certificate.json."""
    generator = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        data = mutated(generator, generator.choice(honest), JSON_PIECES)
        try:
            check_content(parse_json(data, "certificate.json", CertificateError))
        except CertificateError:
            outcomes["refused"] += 1
        else:
            outcomes["of the right form"] += 1
    return outcomes


def feed_card(folder: Path, certificate: Certificate, count: int, seed: int) -> Counter[str]:
    """What came of ``count`` strings, made of the card's text, in the check of a card in ``folder``."""
    metadata, text = card_metadata(certificate.content), card_text(certificate)
    honest = f"---\n{metadata.to_yaml()}\n---\n\n{text}".encode()
    results = yaml.safe_load(metadata.to_yaml())["model-index"]
    generator = random.Random(seed)
    outcomes: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        # Functions of the certificate, or of a text, alone: computed once.
        patch.setattr(card_check, "card_metadata", lambda content: metadata)
        patch.setattr(card_check, "card_text", lambda certificate: text)
        patch.setattr(card_check, "parse_metadata", lru_cache(64)(parse_metadata))
        for _ in range(count):
            data = mutated(generator, honest, CARD_PIECES)
            (folder / "README.md").write_bytes(data)
            problems = card_check.check_card(folder, certificate)
            outcomes["refused" if problems else "accepted"] += 1
            if not problems:
                _assert_it_says_so(data.decode("utf-8"), text, results)
            assert all(line.startswith("README.md ") and line.isprintable() for line in problems)
    return outcomes


def _assert_it_says_so(card: str, text: str, results: object) -> None:
    """That an accepted card has our text first and our results, told without the code that accepted it."""
    head, body = re.split(r"\n---\n", re.sub(r"\r\n?", "\n", card).removeprefix("---\n"), maxsplit=1)
    assert body.startswith("\n" + text)
    assert yaml.safe_load(head)["model-index"] == results
