"""The prior is a prior: code by code, and over whole messages, the masses sum to at most one."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from transferbound.errors import ArgumentError, MessageError
from transferbound.message import Header, costs, header_bits, message_bits, symbol_bits, symbols
from transferbound.message import stream as codec
from transferbound.message.field_codes import (
    Arrangement,
    Choice,
    Code,
    EliasDelta,
    EliasGamma,
    Fixed,
    Listed,
    Mapped,
    OpenList,
    Optional,
    Text,
    Uniform,
)
from transferbound.message.header import DIMS, INPUT_SIZES, MAX_CANDIDATES, MAX_DIM, MAX_SEED, field_codes
from transferbound.message.kinds import SHORT_FIELDS


def mass(choices: list[Choice]) -> Fraction:
    product = Fraction(1)
    for _, size in choices:
        product /= size
    return product


def reads_back(code: Code, choices: list[Choice]) -> object:
    """The value read from exactly these choices; each is asked for with its own size."""
    stream = iter(choices)

    def draw(size: int) -> int:
        outcome, written = next(stream)
        assert written == size
        assert 0 <= outcome < size
        return outcome

    value = code.read(draw)
    assert next(stream, None) is None
    return value


def real_codes(**known: object) -> dict[str, Code]:
    base: dict[str, object] = {"kind": "lora+modules", "candidates": 6}
    return {name: code({**base, **known}) for name, code in field_codes()}


SMALL_RANGES = {
    "kind": [
        "+".join(p) for k in (1, 2, 3) for p in itertools.permutations(["dense", "film", "lora", "head"], k)
    ],
    "dim": range(1, 5000),
    "seed": range(5000),
    "levels": range(3, 4096, 2),
    "step": range(-256, 257),
    "input_size": range(3000),
    "head_seed": range(3000),
    "head_scale": range(-64, 65),
    "rank": range(1, 1025),
    "modules": ["", *map(chr, range(600)), "é" * 128, "x" * 256],
    **{name: [0] for name in SHORT_FIELDS},
    "candidate": range(6),
    "contexts": [False, True],
    "adaptive_signs": [False, True],
}


@pytest.mark.parametrize("field", list(SMALL_RANGES))
def test_field_codes_are_prefix_codes(field: str) -> None:
    code = real_codes()[field]
    total = Fraction(0)
    for value in SMALL_RANGES[field]:
        choices = code.write(value)
        assert reads_back(code, choices) == value
        total += mass(choices)
    assert total <= 1


def test_no_field_is_left_out() -> None:
    assert set(SMALL_RANGES) == set(real_codes())


def test_every_kind_is_coded_and_all_of_them_have_mass_one() -> None:
    code = Arrangement(("a", "b", "c"))
    values = ["+".join(p) for k in (1, 2, 3) for p in itertools.permutations("abc", k)]
    assert sum(mass(code.write(value)) for value in values) == 1


@pytest.mark.parametrize("maximum", [1, 2, 5, MAX_DIM, MAX_SEED + 1])
@pytest.mark.parametrize("family", [EliasGamma, EliasDelta])
def test_integer_codes_over_their_whole_range(family: type, maximum: int) -> None:
    """All integers of one bit length cost the same, so the sum runs over lengths: exact to 2^63."""
    code = family(maximum)
    total = Fraction(0)
    for length in range(1, maximum.bit_length() + 1):
        first, last = 1 << (length - 1), min((1 << length) - 1, maximum)
        assert mass(code.write(first)) == mass(code.write(last))
        assert reads_back(code, code.write(last)) == last
        total += (last - first + 1) * mass(code.write(first))
    assert Fraction(1, 4) < total <= 1
    if maximum == MAX_SEED + 1 and family is EliasDelta:
        # What is left is the tail: integers over the limit, which the decoder refuses.
        assert total > Fraction(98, 100)


@pytest.mark.parametrize(
    "field", ["dim", "step", "input_size", "seed", "head_scale", "modules", "rank", "levels"]
)
def test_field_codes_over_their_whole_range(field: str) -> None:
    """Values of one length or list cost the same, so the sums run over those."""
    code = real_codes()[field]
    if field == "modules":
        total = sum(Fraction(256) ** n * mass(code.write("x" * n)) for n in range(257))
    elif field == "seed":
        total = Fraction(0)
        for length in range(1, 65):
            first, last = (1 << (length - 1)) - 1, min((1 << length) - 2, MAX_SEED)
            total += (last - first + 1) * mass(code.write(first))
    elif field in ("dim", "input_size"):
        listed, escape = (DIMS, Fraction(1, 65)) if field == "dim" else (INPUT_SIZES, Fraction(1, 40))
        # Whatever the escape leads to is Elias delta, whose own sum is at most one (above).
        assert mass(code.write(777)) < escape
        total = (
            sum(mass(code.write(value)) for value in {*listed, *([0] if field == "input_size" else [])})
            + escape
        )
        assert total == 1
    else:
        total = sum((mass(code.write(value)) for value in SMALL_RANGES[field]), Fraction(0))
    assert Fraction(1, 4) < total <= 1


def test_places_of_a_list_that_may_grow_are_a_prior_however_long_it_gets() -> None:
    """Over all places at once: what one costs must not depend on how many others there are."""
    code = real_codes(candidates=0)["candidate"]
    total = Fraction(0)
    for length in range(1, MAX_CANDIDATES.bit_length() + 1):
        first, last = (1 << (length - 1)) - 1, min((1 << length) - 1, MAX_CANDIDATES) - 1
        assert mass(code.write(first)) == mass(code.write(last))
        assert reads_back(code, code.write(last)) == last
        total += (last - first + 1) * mass(code.write(first))
    assert Fraction(9, 10) < total <= 1
    assert [mass(code.write(place)) for place in (0, 1, 2, 3, 6, 7)] == [
        Fraction(1, 2**bits) for bits in (1, 4, 4, 5, 5, 8)
    ]
    for outside in (-1, MAX_CANDIDATES):
        with pytest.raises(ArgumentError):
            code.write(outside)


def test_a_value_over_the_limit_is_refused() -> None:
    bits = iter([0, 0, 1, 1, 1])
    with pytest.raises(MessageError, match="over its limit 5"):
        EliasGamma(5).read(lambda size: next(bits))
    with pytest.raises(MessageError, match="exceeds its limit"):
        EliasGamma(5).read(lambda size: 0)
    bits = iter([0, 1, 0, 255])
    with pytest.raises(MessageError, match="UTF-8"):
        Text(256).read(lambda size: next(bits))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (Fixed(0), 1),
        (Uniform(4), 4),
        (Uniform(1), 1),
        (OpenList(4), 4),
        (EliasGamma(9), 0),
        (EliasDelta(9), 10),
        (Arrangement(("a", "b")), "a+a"),
        (Arrangement(("a", "b")), "c"),
        (Listed((1, 2), Fixed(3), "things"), 4),
        (Optional(0, EliasGamma(9)), 10),
        (Text(3), "four"),
    ],
)
def test_a_value_without_a_code_is_not_written(code: Code, value: object) -> None:
    with pytest.raises(ArgumentError):
        code.write(value)


def strings(dim: int, levels: int) -> Iterator[np.ndarray]:
    maximum = (levels - 1) // 2
    for string in itertools.product(range(-maximum, maximum + 1), repeat=dim):
        yield np.array(string)


@pytest.mark.parametrize("adaptive_signs", [False, True])
@pytest.mark.parametrize(("dim", "levels"), [(1, 3), (6, 3), (1, 31), (4, 5), (3, 7), (3, 9), (2, 13)])
def test_symbol_masses_sum_to_one(dim: int, levels: int, adaptive_signs: bool) -> None:
    for contexts in (None, np.arange(dim) % 2):
        total = sum(
            2 ** -symbol_bits(s, levels, contexts, adaptive_signs=adaptive_signs)
            for s in strings(dim, levels)
        )
        assert 1 - 1e-5 < total <= 1


def test_symbol_masses_sum_to_one_with_long_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbols, "_REFRESH", 1)
    assert symbols.block_starts(7).tolist() == [0, 1, 2, 4]
    assert 1 - 1e-5 < sum(2 ** -symbol_bits(s, 3) for s in strings(7, 3)) <= 1


def constant(code: Code) -> Callable[[dict[str, object]], Code]:
    return lambda known: code


# A format with few messages, all of which can be written down; each field has a choice but the fixed ones.
SMALL_FORMAT = (
    ("kind", constant(Arrangement(("hashed", "film")))),
    ("dim", constant(Mapped(Uniform(2), lambda v: v - 1, lambda v: v + 1))),
    ("seed", constant(Mapped(EliasGamma(3), lambda v: v + 1, lambda v: v - 1))),
    ("levels", constant(Mapped(Uniform(2), lambda v: (v - 3) // 2, lambda v: 2 * v + 3))),
    ("step", constant(Listed((0,), Fixed(1), "steps"))),
    ("input_size", constant(Optional(0, Fixed(28)))),
    ("head_seed", constant(Fixed(0))),
    ("head_scale", constant(Fixed(0))),
    ("rank", constant(Fixed(0))),
    ("modules", constant(Fixed(""))),
    ("candidate", lambda known: Uniform(int(str(known["candidates"])))),
    ("contexts", constant(Mapped(Uniform(2), int, bool))),
    ("adaptive_signs", constant(Mapped(Uniform(2), int, bool))),
)


def small_messages(
    steps: tuple[int, ...] = (0,), sizes: tuple[int, ...] = (0,)
) -> Iterator[tuple[Header, np.ndarray, np.ndarray]]:
    grid = itertools.product(
        ["hashed", "film", "hashed+film", "film+hashed"], [1, 2], [0, 1, 2], [3, 5], steps, sizes, [0, 1]
    )
    for kind, dim, seed, levels, step, size, candidate in grid:
        for contexts, signs in itertools.product([False, True], repeat=2):
            header = Header(
                kind=kind,
                dim=dim,
                seed=seed,
                levels=levels,
                step=step,
                input_size=size,
                candidate=candidate,
                candidates=2,
                contexts=contexts,
                adaptive_signs=signs,
            )
            for string in strings(dim, levels):
                yield header, string, np.arange(dim)


@cache
def symbol_cost(
    string: tuple[int, ...], levels: int, contexts: tuple[int, ...] | None, adaptive_signs: bool
) -> float:
    ids = None if contexts is None else np.array(contexts)
    return symbol_bits(np.array(string), levels, ids, adaptive_signs=adaptive_signs)


@pytest.fixture
def small_format(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small format in place of the real one; the few symbol strings' costs are remembered."""
    for module in (costs, codec):
        monkeypatch.setattr(module, "field_codes", lambda: SMALL_FORMAT)
    monkeypatch.setattr(
        costs,
        "symbol_bits",
        lambda string, levels, contexts=None, *, adaptive_signs=False: symbol_cost(
            tuple(string), levels, None if contexts is None else tuple(contexts), adaptive_signs
        ),
    )


@pytest.mark.usefixtures("small_format")
def test_all_messages_of_a_small_format() -> None:
    """Masses sum to at most one; every message decodes to itself; no message's bytes begin another's."""
    total = 0.0
    seen: dict[bytes, tuple[Header, tuple[int, ...]]] = {}
    for header, string, contexts in small_messages():
        total += 2 ** -message_bits(header, string, contexts)
        data = codec.encode(header, string, contexts)
        assert data not in seen
        seen[data] = (header, tuple(string))
        if header.candidate == 0:
            decoded, read = codec.decode(data, candidates=2, contexts=lambda h: np.arange(h.dim))
            assert (decoded, tuple(read)) == seen[data]
    # Half the mass has step 0, half of that input size 0; seeds 0..2 have 3/4 of Elias gamma's mass.
    assert 0.1874 < total <= 0.1875
    ordered = sorted(seen)
    assert not any(after.startswith(before) for before, after in itertools.pairwise(ordered))
    assert sum(Fraction(1, 256 ** (len(data) - len(codec.MAGIC))) for data in seen) <= 1


LEAKS = [
    "kind",
    "dim",
    "seed",
    "levels",
    "step",
    "input_size",
    "candidate",
    "contexts",
    "adaptive_signs",
    "symbols",
]


@pytest.mark.usefixtures("small_format")
def test_a_field_left_uncharged_breaks_the_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leak 4 (a choice that the message does not pay for), put in for each field in turn."""
    totals: Counter[str] = Counter()
    for header, string, contexts in small_messages((0, 1), (0, 28)):
        items = {cost.field: cost.bits for cost in costs.itemize(header, string, contexts)}
        totals["none"] += 2 ** -sum(items.values())
        for leak in LEAKS:
            totals[leak] += 2 ** -(sum(items.values()) - items[leak])
    assert totals["none"] <= 1
    assert min(totals[leak] for leak in LEAKS) > 1.2


@pytest.mark.usefixtures("small_format")
def test_the_account_itself_with_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same through ``message_bits``: dropping the seed from the account is caught by the sum."""
    honest = costs.header_costs
    monkeypatch.setattr(
        costs, "header_costs", lambda header: [c for c in honest(header) if c.field != "seed"]
    )
    assert sum(2 ** -message_bits(*message) for message in small_messages((0, 1), (0, 28))) > 1


def test_all_messages_of_a_corner_of_the_real_format() -> None:
    """The real codes: distinct, prefix-free bytes, each decoding to itself, charged what is written."""
    data_of: dict[bytes, float] = {}
    for kind, dim, seed, levels, signs in itertools.product(
        ["hashed", "kron+film"], [1, 2, 3], [0, 5], [3, 5], [False, True]
    ):
        header = Header(kind, dim, seed=seed, levels=levels, adaptive_signs=signs)
        for string in strings(dim, levels):
            data = codec.encode(header, string)
            decoded, read = codec.decode(data)
            assert decoded == header
            assert (read == string).all()
            assert data not in data_of
            data_of[data] = message_bits(header, string)
            written = 8 * (len(data) - len(codec.MAGIC))
            assert data_of[data] - 0.01 <= written <= data_of[data] + 10
    ordered = sorted(data_of)
    assert not any(after.startswith(before) for before, after in itertools.pairwise(ordered))
    assert sum(2**-bits for bits in data_of.values()) <= 1


def test_header_masses_of_the_real_format() -> None:
    """Headers that differ in every field at once, each charged at least what its choices take."""
    total = 0.0
    for kind, dim, seed, levels, step, size in itertools.product(
        ["hashed", "film", "film+kron", "kron+film"],
        [10, 500, 501],
        [0, 1, 2],
        [3, 5, 7],
        [-4, 0, 40],
        [0, 28, 29],
    ):
        header = Header(kind, dim, seed=seed, levels=levels, step=step, input_size=size)
        exact = Fraction(1)
        for _, choices in costs.header_choices(header):
            exact *= mass(choices)
        assert Fraction(2 ** -header_bits(header)) <= exact
        total += 2 ** -header_bits(header)
    assert total <= 1
