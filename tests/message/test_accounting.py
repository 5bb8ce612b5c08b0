"""The account of a message: what each item costs, that the items sum to K, and what is refused."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from transferbound.errors import ArgumentError
from transferbound.message import (
    DIMS,
    KINDS,
    Header,
    cheapest,
    empirical_entropy_bits,
    format_costs,
    header_bits,
    header_costs,
    itemize,
    message_bits,
    symbol_bits,
)
from transferbound.message.paper_code import paper_bits
from transferbound.message.symbols import block_starts


def kt_bits(zeros: int, ones: int) -> float:
    """-log2 of the exact Krichevsky-Trofimov mass, from gamma functions."""
    mass = (
        math.lgamma(zeros + 0.5)
        + math.lgamma(ones + 0.5)
        - 2 * math.lgamma(0.5)
        - math.lgamma(zeros + ones + 1)
    )
    return -mass / math.log(2)


def reference_mass(symbols: np.ndarray, levels: int, contexts: np.ndarray, adaptive_signs: bool) -> Fraction:
    """The symbol model written a second time, as plainly as the format's page states it."""
    counts: dict[tuple[object, ...], list[int]] = {}
    frozen: dict[tuple[object, ...], list[int]] = {}
    next_refresh: dict[tuple[object, ...], int] = {}

    def pay(node: tuple[object, ...], bit: bool) -> Fraction:
        count = counts.setdefault(node, [0, 0])
        seen = sum(count)
        if seen == next_refresh.setdefault(node, 0):
            frozen[node] = list(count)
            next_refresh[node] = seen + max(1, seen // 32)
        chance = Fraction(2 * frozen[node][int(bit)] + 1, 2 * sum(frozen[node]) + 2)
        count[int(bit)] += 1
        return chance

    mass = Fraction(1)
    maximum = (levels - 1) // 2
    for symbol, context in zip(symbols.tolist(), contexts.tolist(), strict=True):
        mass *= pay((context, "nonzero"), symbol != 0)
        if symbol == 0:
            continue
        mass *= pay((context, "sign"), symbol < 0) if adaptive_signs else Fraction(1, 2)
        magnitude = abs(symbol)
        for length in range(1, maximum.bit_length()):
            longer = magnitude.bit_length() > length
            mass *= pay((context, "length", length), longer)
            if not longer:
                break
        length = magnitude.bit_length()
        for left in reversed(range(length - 1)):
            prefix = magnitude >> (left + 1)
            if ((2 * prefix + 1) << left) <= maximum:
                mass *= pay((context, "bit", length, prefix), bool(magnitude >> left & 1))
    return mass


def log2_of(mass: Fraction) -> float:
    """log2 without underflow: the mass of a long string is far below the smallest float."""

    def log2_int(value: int) -> float:
        shift = max(0, value.bit_length() - 60)
        return math.log2(value >> shift) + shift

    return log2_int(mass.numerator) - log2_int(mass.denominator)


def draw(seed: int, dim: int, levels: int, density: float) -> np.ndarray:
    stream = np.random.default_rng(seed)
    maximum = (levels - 1) // 2
    sizes = np.minimum(stream.geometric(0.5, dim), maximum)
    return np.where(stream.random(dim) < density, sizes * stream.choice([-1, 1], dim), 0)


@pytest.mark.parametrize("adaptive_signs", [False, True])
@pytest.mark.parametrize("levels", [3, 5, 7, 9, 31, 255])
def test_symbol_bits_agree_with_exact_reference(levels: int, adaptive_signs: bool) -> None:
    symbols = draw(levels, 400, levels, 0.4)
    for contexts in (None, np.arange(400) // 150 * 7):
        exact = -log2_of(
            reference_mass(
                symbols, levels, np.zeros(400, int) if contexts is None else contexts, adaptive_signs
            )
        )
        bits = symbol_bits(symbols, levels, contexts, adaptive_signs=adaptive_signs)
        assert exact <= bits <= exact + 2.1e-6


def test_short_strings_have_exact_krichevsky_trofimov_mass() -> None:
    symbols = np.array([0] * 40 + [1, -1] * 10)
    assert symbol_bits(symbols, 3) == pytest.approx(kt_bits(40, 20) + 20, abs=2e-6)
    assert symbol_bits(symbols, 3, adaptive_signs=True) == pytest.approx(
        kt_bits(40, 20) + kt_bits(10, 10), abs=2e-6
    )


def test_refreshing_counts_in_blocks_costs_a_fraction_of_a_bit() -> None:
    excess = []
    for seed in range(40):
        symbols = draw(seed, 5000, 3, 0.2)
        nonzero = int(np.count_nonzero(symbols))
        excess.append(symbol_bits(symbols, 3) - (kt_bits(5000 - nonzero, nonzero) + nonzero))
    assert abs(np.mean(excess)) < 0.25
    assert max(excess) < 2


def test_unused_levels_are_nearly_free() -> None:
    symbols = draw(2, 1000, 3, 0.3)
    assert symbol_bits(symbols, 255) - symbol_bits(symbols, 3) < 8


def test_contexts_pay_when_densities_differ() -> None:
    contexts = np.repeat([0, 1], 1000)
    symbols = np.concatenate([draw(3, 1000, 3, 0.02), draw(4, 1000, 3, 0.6)])
    assert symbol_bits(symbols, 3, contexts) < symbol_bits(symbols, 3) - 100
    relabelled = np.where(contexts == 0, 5, 9)
    assert symbol_bits(symbols, 3, relabelled) == symbol_bits(symbols, 3, contexts)


def test_cheapest_flags_are_found() -> None:
    header = Header("film", 2000)
    contexts = np.repeat([0, 1], 1000)
    even = draw(8, 2000, 3, 0.3)
    one_sided = np.abs(even)
    uneven = np.concatenate([draw(3, 1000, 3, 0.02), draw(4, 1000, 3, 0.6)])
    assert cheapest(header, even, contexts) == header
    assert cheapest(header, one_sided, contexts) == replace(header, adaptive_signs=True)
    assert cheapest(header, uneven, contexts) == replace(header, contexts=True)
    assert cheapest(replace(header, contexts=True), uneven) == header


def test_block_starts() -> None:
    starts = block_starts(10_000)
    assert starts[:64].tolist() == list(range(64))
    assert (np.diff(starts) == np.maximum(1, starts[:-1] // 32)).all()
    assert len(block_starts(2**22)) < 600


def test_items_sum_to_message_bits() -> None:
    header = Header("film+lora", 777, seed=12, levels=7, rank=4, input_size=96, candidate=2, candidates=5)
    symbols = draw(5, 777, 7, 0.3)
    costs = itemize(header, symbols)
    total = message_bits(header, symbols)
    assert round(sum(cost.bits for cost in costs), 6) == total
    assert total == pytest.approx(header_bits(header) + symbol_bits(symbols, 7), abs=1e-9)
    text = format_costs(costs)
    assert "symbols = 777 on 7 levels" in text
    assert text.endswith(f"{total:.1f} bits: total")
    assert "modules" not in text


def test_default_header_is_cheap_and_every_choice_costs_more() -> None:
    base = {"kind": "hashed", "dim": 500}
    plain = header_bits(Header(**base))
    assert plain < 24
    for change in (
        {"seed": 1},
        {"levels": 5},
        {"step": 16},
        {"input_size": 96},
        {"head_seed": 3},
        {"head_scale": -1},
        {"dim": 501},
        {"kind": "hashed+film"},
        {"kind": "lora", "rank": 1},
        {"kind": "modules", "modules": "layer.*"},
        {"candidates": 7},
    ):
        # A flag costs the same bit either way; everything else is dearer than its default.
        assert header_bits(Header(**{**base, **change})) > plain, change


@pytest.mark.parametrize(
    ("field", "value", "bits"),
    [
        ("kind", "film", 4),
        ("dim", 500, math.log2(65)),
        ("dim", 501, math.log2(65) + 8 + 7),
        ("seed", 0, 1),
        ("seed", 1, 4),
        ("seed", 2**63 - 1, 63 + 13),
        ("levels", 3, 1),
        ("levels", 7, 3),
        ("step", -12, math.log2(65)),
        ("input_size", 224, 1 + math.log2(20)),
        ("candidate", 3, math.log2(10)),
        ("contexts", True, 1),
    ],
)
def test_declared_costs(field: str, value: object, bits: float) -> None:
    header = Header(**{"kind": "hashed", "dim": 100, "candidates": 10, field: value})  # type: ignore[arg-type]
    cost = next(cost for cost in header_costs(header) if cost.field == field)
    assert cost.bits == pytest.approx(bits, abs=2e-6)
    assert cost.bits >= bits
    assert cost.value == value


def test_declared_lists() -> None:
    assert len(DIMS) == len(set(DIMS)) == 64
    assert list(DIMS) == sorted(DIMS)
    assert {100, 150, 200, 250, 300, 400, 500, 1000, 2000, 5000, 10_000} <= set(DIMS)
    assert len(KINDS) == 8


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "dens"}, "dens"),
        ({"kind": "film+film"}, "distinct"),
        ({"kind": ""}, "kind"),
        ({"dim": 0}, "dim"),
        ({"dim": 2**22 + 1}, "dim"),
        ({"dim": 5.0}, "dim"),
        ({"dim": True}, "dim"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"levels": 4}, "levels"),
        ({"levels": 1}, "levels"),
        ({"levels": 4097}, "levels"),
        ({"step": 257}, "step"),
        ({"input_size": -1}, "input_size"),
        ({"head_seed": -1}, "head_seed"),
        ({"head_scale": 65}, "head_scale"),
        ({"rank": 4}, "rank"),
        ({"kind": "lora"}, "rank"),
        ({"modules": "x"}, "modules"),
        ({"kind": "modules", "modules": "x" * 257}, "257 bytes"),
        ({"kind": "modules", "modules": "\ud800"}, "UTF-8"),
        ({"candidate": 1}, "candidate"),
        ({"candidates": -1}, "candidates"),
        ({"contexts": 1}, "contexts"),
    ],
)
def test_bad_headers_are_named(change: dict, named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        Header(**{"kind": "hashed", "dim": 10, **change})


@pytest.mark.parametrize(
    ("symbols", "contexts", "named"),
    [
        ([0, 1, 2], None, "allow -1..1"),
        ([0.0, 1.0], None, "float64"),
        ([[0, 1]], None, "shape"),
        ([], None, "type float64"),
        (np.zeros(0, int), None, "at least one"),
        ([0, 1], [0], "give 2 integers"),
        ([0, 1], [0, -1], "give 2 integers"),
        ([0, 1], [0.0, 1.0], "give 2 integers"),
    ],
)
def test_bad_symbols_are_named(symbols: object, contexts: object, named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        symbol_bits(symbols, 3, contexts)  # type: ignore[arg-type]


def test_symbols_must_fit_header() -> None:
    with pytest.raises(ArgumentError, match="dim 3"):
        message_bits(Header("hashed", 3), [0, 1])
    with pytest.raises(ArgumentError, match="no contexts are given"):
        message_bits(Header("hashed", 2, contexts=True), [0, 1])


def test_empirical_entropy() -> None:
    assert empirical_entropy_bits([0, 0, 0]) == 0
    assert empirical_entropy_bits([0, 1, 0, 1]) == pytest.approx(4)
    symbols = draw(6, 3000, 7, 0.5)
    assert empirical_entropy_bits(symbols) < symbol_bits(symbols, 7)


def test_paper_code_charges_more_than_ours() -> None:
    symbols = draw(7, 3000, 7, 0.5)
    paper = paper_bits(symbols, 7)
    by_hand = math.ceil(empirical_entropy_bits(symbols)) + 1 + 7 * 16 + 7 * 12
    assert paper == pytest.approx(by_hand + 2 * math.log2(by_hand))
    assert message_bits(Header("hashed", 3000, levels=7), symbols) < paper - 100
    with pytest.raises(ArgumentError, match="3 levels"):
        paper_bits([0, 1, 2, 3], 3)
    with pytest.raises(ArgumentError, match="at least one"):
        paper_bits([], 3)
