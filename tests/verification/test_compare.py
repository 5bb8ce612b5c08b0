"""Stated and computed: what counts as the same."""

from __future__ import annotations

import pytest

from transferbound.verification.compare import compare


@pytest.mark.parametrize(
    ("stated", "computed"),
    [
        (2.0**40 + 1, 2**40),  # one part in 10^12: of a seed the last digits would be free
        (2.0**40, 2**40),
        (3.0, 3),
        (True, 1),
        (1, True),
        ("3", 3),
        (3.1, 3),
        (0.3 + 1e-9, 0.3),
        (float("nan"), 0.3),
        (None, 0),
    ],
)
def test_another_value(stated: object, computed: object) -> None:
    (line,) = compare({"seed": stated}, {"seed": computed})
    assert line.startswith("seed is stated as")


@pytest.mark.parametrize(
    ("stated", "computed"), [(3, 3), (3, 3.0), (0.3, 0.1 + 0.2), (True, True), (2**60, 2**60)]
)
def test_the_same_value(stated: object, computed: object) -> None:
    assert compare({"seed": stated}, {"seed": computed}) == []
