"""A million strings for each fuzzer: pytest -m long tests/long/test_fuzz_long.py"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from fuzzing import FUZZERS, fed
from short_certificates import of_one_class, of_pictures, of_texts
from spine_fixtures import image_certificate

pytestmark = pytest.mark.long

COUNT = 10**6


@pytest.mark.parametrize("name", FUZZERS)
def test_a_million_strings(name: str, tiny_bert: Path) -> None:
    """Nothing but refusals and what is right, in less than a gigabyte, libraries included."""
    folders = [
        Path(image_certificate()),
        of_pictures().folder,
        of_texts(tiny_bert).folder,
        of_one_class().folder,
    ]
    found = fed(name, COUNT, 2, folders)
    print(name, found)
    assert sum(found["outcomes"].values()) == COUNT
    assert found["outcomes"]["refused"] > COUNT // 4
    assert found["peak_mb"] < 1024
