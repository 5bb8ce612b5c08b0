"""A grid of declared variants: each point has a number of its own, and the message pays log2 of their number."""

import doctest
import itertools
import math

import pytest

from transferbound.errors import ArgumentError
from transferbound.message import OPEN_LIST, Header, header_costs, variants
from transferbound.message.stream import decode, encode
from transferbound.message.variants import place, variant

AXES = {"one": (1, 2, 3), "two": ("a", None), "three": range(4, 8)}


def test_a_variant_is_a_point_of_its_grid() -> None:
    points = [
        variant(AXES, **dict(zip(AXES, values, strict=True))) for values in itertools.product(*AXES.values())
    ]
    assert points == [{"candidate": i, "candidates": 24} for i in range(24)]
    # By name, in whatever order they are written.
    assert variant(AXES, three=5, two=None, one=2) == points[8 + 4 + 1]


def test_the_header_pays_for_the_grid() -> None:
    header = Header("head", 10, **variant(AXES, one=3, two="a", three=7))
    cost = next(cost for cost in header_costs(header) if cost.field == "candidate")
    assert cost.bits == pytest.approx(math.log2(24), abs=2e-6)
    assert variant({}) == {"candidate": 0, "candidates": 1}  # nothing was tried, and nothing is paid


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        ({"one": 4, "two": "a", "three": 4}, r"one is 4, which is not declared; use one of \[1, 2, 3\]"),
        ({"one": 1, "two": "a"}, "one value of each of one, two, three"),
        ({"one": 1, "two": "a", "three": 4, "four": 0}, "the choice names one, two, three, four"),
    ],
)
def test_what_is_not_declared_is_refused(choice: dict[str, object], named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        variant(AXES, **choice)


def test_a_grid_too_large_to_code_is_refused() -> None:
    axes = {"one": range(2**10), "two": range(2**10)}
    assert variant(axes, one=1023, two=1023) == {"candidate": 2**20 - 1, "candidates": 2**20}
    with pytest.raises(ArgumentError, match="2097152 points"):
        variant({**axes, "three": (0, 1)}, one=0, two=0, three=0)


def test_a_list_that_grows_changes_no_earlier_message() -> None:
    """Leak 4: a list made longer after results were seen, each time at the price of its present length."""
    entries = ["as it is", "four layers", "mean pooling", "another start"]
    before, after = (place(entries[:length], "mean pooling") for length in (3, 4))
    assert before == after == {"candidate": 2, "candidates": OPEN_LIST}
    header = Header("head", 10, **after)
    assert [cost.bits for cost in header_costs(header) if cost.field == "candidate"] == [4.000001]
    data = encode(header, [0] * 10)
    assert decode(data, candidates=OPEN_LIST)[0] == header


def test_what_is_not_on_a_list_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'b' is not on the list; put it at the end"):
        place(["a"], "b")
    with pytest.raises(ArgumentError, match="at most 1048576 can be named"):
        place(range(2**20 + 1), 2**20)
    with pytest.raises(ArgumentError, match="candidates is -1"):
        Header("head", 10, candidates=-1)


def test_the_examples_run() -> None:
    assert doctest.testmod(variants) == (0, 2)
