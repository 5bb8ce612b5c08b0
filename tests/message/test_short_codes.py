"""Messages of version 3: kinds that stand alone and say little, about a number of classes that the decoder knows."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from short_messages import PREFIX, SHARE, constant, contexts_of, draw, read, sparse

from transferbound.message import (
    INPUT_SIZES,
    OPEN_LIST,
    Header,
    cheapest,
    header_bits,
    header_costs,
    itemize,
    message_bits,
    symbol_bits,
)
from transferbound.message.costs import header_choices
from transferbound.message.field_codes import EliasDelta
from transferbound.message.kinds import SHORT_KINDS, VERSION_BITS, has_field, is_short
from transferbound.message.short_codes import (
    COMPONENTS,
    FEATURES,
    MAX_CLASSES,
    SPARSE_LEVELS,
    SPARSE_STEPS,
)
from transferbound.message.stream import MAGIC, decode_header, encode


@st.composite
def headers(draw_from: st.DrawFn) -> Header:
    candidates = draw_from(st.sampled_from([OPEN_LIST, 1, 7]))
    place = {"candidates": candidates, "candidate": draw_from(st.integers(0, (candidates or 999) - 1))}
    if draw_from(st.booleans()):
        classes = draw_from(st.one_of(st.integers(2, 20), st.integers(2, MAX_CLASSES)))
        return constant(draw_from(st.integers(0, classes - 1)), classes, **place)
    return sparse(
        draw_from(st.one_of(st.just(2), st.integers(2, 12))),
        draw_from(st.sampled_from(COMPONENTS)),
        features=draw_from(st.integers(0, FEATURES - 1)),
        levels=draw_from(st.sampled_from(SPARSE_LEVELS)),
        step=draw_from(st.sampled_from(SPARSE_STEPS)),
        input_size=draw_from(st.sampled_from([0, 1, 28, 224, 300, 2**16])),
        contexts=draw_from(st.booleans()),
        adaptive_signs=draw_from(st.booleans()),
        **place,
    )


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(headers(), st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.5, 1.0]))
def test_round_trip(header: Header, seed: int, density: float) -> None:
    symbols = draw(seed, header, density)
    data = encode(header, symbols, contexts_of(header))
    assert data.startswith(PREFIX)
    decoded, integers = read(data, header.classes, header.candidates)
    assert decoded == header == decode_header(data, header.candidates, header.classes)
    assert integers.dtype == np.int64
    assert integers.tolist() == symbols.tolist()
    # The prefix says the version; it is no part of the stream, and is paid for beside it.
    ideal = message_bits(header, symbols, contexts_of(header)) - VERSION_BITS[3]
    assert ideal - 0.05 <= 8 * (len(data) - len(MAGIC)) <= 1.01 * ideal + 16


def test_every_constant_round_trips() -> None:
    """For each number of classes no message begins another, and the masses that their bytes have sum to at most one."""
    for classes in (*range(2, 40), 257, 1000):
        data = [encode(constant(answer, classes), [0]) for answer in range(classes)]
        for answer, message in enumerate(data):
            decoded, integers = read(message, classes)
            assert decoded == constant(answer, classes)
            assert integers.tolist() == [0]
        ordered = sorted([*data, encode(sparse(classes, 0), np.zeros(classes - 1, dtype=int))])
        assert not any(after.startswith(before) for before, after in itertools.pairwise(ordered))
        assert sum(Fraction(1, 256 ** (len(message) - len(PREFIX))) for message in ordered) <= 1


def test_bytes_never_change() -> None:
    """The format is frozen: new bytes for an old message make old certificates unreadable."""
    ramp = np.arange(3 * 17) * np.arange(3 * 17) % 7 - 3
    messages = [
        (constant(1, 2), np.zeros(1, dtype=int)),
        (constant(776, 1000), np.zeros(1, dtype=int)),
        (sparse(2, 0, step=-5), np.array([3])),
        (sparse(4, 16, features=2, step=-9), ramp),
        (sparse(4, 16, levels=63, contexts=True, adaptive_signs=True, input_size=96), 7 * ramp),
    ]
    found = [
        (
            encode(header, symbols, contexts_of(header)).hex(),
            message_bits(header, symbols, contexts_of(header)),
        )
        for header, symbols in messages
    ]
    assert found == GOLDEN


GOLDEN = [
    ("544203c0", 5.098758),
    ("544203e354", 14.064542),
    ("544203000d16", 26.098765),
    ("54420311091fa46b4ed4fe973e5296031383ef6e5dc639", 154.622004),
    ("5442030172b33310fd378957dd90c7b33da31b9837d40b6fef09ec8c869b952328", 240.744901),
]


# The prior is a prior ------------------------------------------------------------------------------------


def values_of(kind: str, classes: int) -> dict[str, list[Any]]:
    """Every value of each field that the kind has; of the input sizes off the list one, 1."""
    if kind == "constant":
        return {"answer": list(range(classes))}
    return {
        "features": list(range(FEATURES)),
        "components": list(COMPONENTS),
        "levels": list(SPARSE_LEVELS),
        "step": list(SPARSE_STEPS),
        "input_size": [0, *INPUT_SIZES, 1],
        "contexts": [False, True],
        "adaptive_signs": [False, True],
    }


def header_with(kind: str, classes: int, **choice: Any) -> Header:
    return constant(classes=classes, **choice) if kind == "constant" else sparse(classes, **choice)


def mass_of(header: Header) -> dict[str, Fraction]:
    """The exact mass of each field under its own code."""
    masses = {}
    for name, choices in header_choices(header):
        masses[name] = Fraction(1)
        for _, size in choices:
            masses[name] /= size
    return masses


@settings(max_examples=200, deadline=None, derandomize=True)
@given(headers())
def test_a_field_costs_the_same_whatever_the_others_are(header: Header) -> None:
    """So that the mass of all headers is the product of the fields' masses, below."""
    masses = mass_of(header)
    for name in values_of(header.kind, 2):
        value = getattr(header, name)
        alone = mass_of(header_with(header.kind, header.classes, **{name: value}))
        assert masses[name] == alone[name]
        assert alone[name] < 1
        assert masses["kind"] == Fraction(1, 2)
    rest = masses.keys() - values_of(header.kind, 2) - {"kind", "candidate"}
    assert {masses[name] for name in rest} == {1}


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_all_headers_have_mass_one_or_less(classes: int) -> None:
    """Exactly, by the codes themselves; and not much less, or bits were given away."""
    total = Fraction(0)
    for kind in SHORT_KINDS:
        product = mass_of(header_with(kind.name, classes))["kind"]
        for name, values in values_of(kind.name, classes).items():
            masses = [mass_of(header_with(kind.name, classes, **{name: value}))[name] for value in values]
            if name == "input_size":
                # Elias delta of what is off the list has mass at most one; of 1 it takes one bit.
                assert mass_of_delta(1) == Fraction(1, 2)
                masses[-1] *= 2
            product *= sum(masses, Fraction(0))
        total += product
    assert total == 1
    assert 1 - Fraction(255, 2048) + Fraction(255, 2048) / 16 + SHARE * total == 1


def mass_of_delta(value: int) -> Fraction:
    return Fraction(1, math.prod(size for _, size in EliasDelta(2**16).write(value)))


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_masses_by_the_account(classes: int) -> None:
    """Leak 4 (a choice that the message does not pay for): what the account charges, over all headers."""
    total = 0.0
    for kind in SHORT_KINDS:
        costs = {cost.field: cost.bits for cost in header_costs(header_with(kind.name, classes))}
        product = 2.0 ** -(costs["version"] + costs["kind"])
        for name, values in values_of(kind.name, classes).items():
            product *= sum(paid(header_with(kind.name, classes, **{name: value}), name) for value in values)
        total += product
    # Of the input sizes off the list there is one here, with half of what they have together.
    assert 0.98 * SHARE < total <= SHARE


def paid(header: Header, field: str) -> float:
    return 2.0 ** -next(cost.bits for cost in header_costs(header) if cost.field == field)


def test_all_messages_of_a_corner_of_the_format() -> None:
    """Whole messages: distinct, prefix-free bytes, each decoding to itself, and masses that sum to their share."""
    total, seen = 0.0, set()
    for levels, contexts, signs in itertools.product(SPARSE_LEVELS, [False, True], [False, True]):
        header = sparse(2, 0, levels=levels, contexts=contexts, adaptive_signs=signs)
        for symbol in range(-(levels // 2), levels // 2 + 1):
            data = encode(header, [symbol], contexts_of(header))
            decoded, integers = read(data, 2)
            assert (decoded, integers.tolist()) == (header, [symbol])
            assert data not in seen
            seen.add(data)
            total += 2 ** -message_bits(header, [symbol], contexts_of(header))
    for answer in range(2):
        seen.add(encode(constant(answer, 2), [0]))
        total += 2 ** -message_bits(constant(answer, 2), [0])
    ordered = sorted(seen)
    assert not any(after.startswith(before) for before, after in itertools.pairwise(ordered))
    # Half the mass says sparse; of that one place of 16, one K of 16, one step of 32, half of the input sizes.
    corner = SHARE * (Fraction(1, 2) / (16 * 16 * 32 * 2) + Fraction(1, 2))
    assert 0.99 * corner < total <= corner


@pytest.mark.parametrize("classes", [2, 3, 10, 91, 1000, MAX_CLASSES])
def test_a_constant_costs_little(classes: int) -> None:
    bits = message_bits(constant(classes - 1, classes), [0])
    assert bits == pytest.approx(-math.log2(SHARE) + 1 + math.log2(classes), abs=4e-6)
    assert 3.0988 + 1 + math.log2(classes) <= bits + 1e-4
    assert bits <= math.log2(classes) + 5
    items = itemize(constant(0, classes), [0])
    assert [cost.field for cost in items if cost.bits] == ["version", "kind", "answer"]
    listed = {"candidate": 3, "candidates": 8}
    assert message_bits(constant(0, classes, **listed), [0]) == pytest.approx(bits + 3, abs=4e-6)


@pytest.mark.parametrize(
    ("field", "value", "bits"),
    [
        ("kind", "sparse", 1),
        ("features", 0, 4),
        ("features", 15, 4),
        ("components", 0, 4),
        ("components", 512, 4),
        ("answer", 0, 0),
        ("dim", 51, 0),
        ("seed", 0, 0),
        ("levels", 63, 2),
        ("step", -18, 5),
        ("input_size", 0, 1),
        ("input_size", 224, 1 + math.log2(20)),
        ("input_size", 225, 1 + math.log2(20) + 14),
        ("head_seed", 0, 0),
        ("head_scale", 0, 0),
        ("rank", 0, 0),
        ("modules", "", 0),
        ("candidate", 0, 0),
        ("contexts", True, 1),
        ("adaptive_signs", False, 1),
    ],
)
def test_declared_costs(field: str, value: object, bits: float) -> None:
    header = sparse(4) if field in ("dim", "kind") else sparse(4, **{field: value})
    cost = next(cost for cost in header_costs(header) if cost.field == field)
    assert cost.bits == pytest.approx(bits, abs=2e-6)
    assert cost.bits >= bits
    assert cost.value == value


def test_declared_lists() -> None:
    assert [kind.name for kind in SHORT_KINDS] == ["sparse", "constant"]
    assert len(COMPONENTS) == len(set(COMPONENTS)) == FEATURES == 16
    assert list(COMPONENTS) == sorted(COMPONENTS)
    assert list(SPARSE_LEVELS) == [7, 15, 31, 63]
    assert list(SPARSE_STEPS) == list(range(-18, 14))
    assert [is_short(kind) for kind in ("sparse", "constant", "film", "sparse+film")] == [
        True,
        True,
        False,
        False,
    ]
    assert [has_field("constant", name) for name in ("answer", "features")] == [True, False]


def test_cheapest_flags_are_found() -> None:
    header = sparse(3, 512)
    early = np.where(contexts_of(header) < 2, 3, 0)
    assert cheapest(header, early, contexts_of(header)) == replace(header, contexts=True, adaptive_signs=True)
    assert cheapest(replace(header, contexts=True), 0 * early) == header
    assert cheapest(constant(), [0], [0]) == constant()


def test_header_bits_are_the_headers_part() -> None:
    header = sparse(3, 48, features=5, step=-9)
    symbols = draw(1, header, 0.3)
    total = message_bits(header, symbols)
    assert total == pytest.approx(header_bits(header) + symbol_bits(symbols, 7), abs=1e-9)
    assert header_bits(header) == pytest.approx(-math.log2(SHARE) + 1 + 4 + 4 + 2 + 5 + 1 + 1 + 1, abs=1e-5)
