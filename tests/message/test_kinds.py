"""Kinds beyond the first eight: messages of version 2, beside which every message of version 1 stays as it is."""

import dataclasses
import itertools
import json
from fractions import Fraction
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transferbound.errors import ArgumentError, MessageError
from transferbound.message import KINDS, Header, header_costs, itemize, kinds, message_bits
from transferbound.message.field_codes import Arrangement, Choice, Extended, Text
from transferbound.message.kinds import SHORT_FIELDS, VERSION_BITS, Kind
from transferbound.message.stream import MAGIC, decode, decode_header, encode

PROMPT, FACTORS = Kind("prompt"), Kind("factors", fields=("rank", "modules"))
FIRST: list[dict[str, Any]] = [
    {"kind": "hashed", "dim": 8},
    {"kind": "film+kron", "dim": 30, "levels": 7, "candidate": 2, "candidates": 5},
    {"kind": "lora+modules", "dim": 12, "rank": 4, "modules": "attn.*"},
]
LATER: list[dict[str, Any]] = [
    {"kind": "prompt", "dim": 20, "seed": 3},
    {"kind": "factors", "dim": 20, "rank": 3, "modules": "*"},
    {"kind": "film+prompt", "dim": 31, "levels": 7, "contexts": True},
    {"kind": "prompt+lora+dense", "dim": 9, "rank": 2, "adaptive_signs": True},
    {"kind": "prompt+factors+modules", "dim": 12, "rank": 1, "modules": "fc"},
]


@pytest.fixture
def further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "FURTHER_KINDS", (PROMPT, FACTORS))


def mass(choices: list[Choice]) -> Fraction:
    product = Fraction(1)
    for _, size in choices:
        product /= size
    return product


def sums(names: tuple[str, ...], most: int = 8) -> list[str]:
    return ["+".join(p) for k in range(1, most + 1) for p in itertools.permutations(names, k)]


def described(choice: dict[str, Any]) -> tuple[bytes, float, list[tuple[str, float]]]:
    header = Header(**choice)
    symbols = np.arange(header.dim) % 3 - 1
    contexts = np.arange(header.dim) % 2
    costs = [(cost.field, cost.bits) for cost in itemize(header, symbols, contexts)]
    return encode(header, symbols, contexts), message_bits(header, symbols, contexts), costs


def test_later_versions_share_the_mass_that_version_1_leaves() -> None:
    """Exactly: all of version 1 but an empty pattern of kind modules, which is no header."""
    code = Arrangement(KINDS)
    named = sum((mass(code.write(kind)) for kind in sums(KINDS) if "modules" in kind.split("+")), Fraction(0))
    left = named * mass(Text(256).write(""))
    assert left == Fraction(255, 2048)
    shares = {2: Fraction(1, 16), 3: Fraction(15, 16)}
    assert sum(shares.values()) == 1
    assert VERSION_BITS.keys() == {1, *shares}
    assert VERSION_BITS[1] == 0
    for version, share in shares.items():
        assert VERSION_BITS[version] == pytest.approx(-log2(left * share), rel=1e-14)
    for kind in ("modules", "film+modules", "modules+lora"):
        with pytest.raises(ArgumentError, match="needs patterns"):
            Header(kind, 10, rank=int("lora" in kind))


@pytest.mark.parametrize("further", [(), ("x",), ("x", "y")])
def test_masses_of_kinds_sum_to_at_most_one(further: tuple[str, ...]) -> None:
    """Over both lists, which cannot be longer than named here, whatever is added to the second."""
    code = Extended(("a", "b", "c"), further)
    total = Fraction(0)
    for kind in sums((*code.names, *code.further)):
        stream = iter(code.write(kind))

        def draw(size: int, stream: Any = stream) -> int:
            outcome, written = next(stream)
            assert size == written
            return int(outcome)

        assert code.read(draw) == kind
        assert next(stream, None) is None
        total += mass(code.write(kind))
        assert mass(code.write(kind)) == mass(Extended(code.names, ("x", "y", "z")).write(kind))
    assert Fraction(1, 4) < total < 1


def test_a_version_left_unpaid_breaks_the_prior(further: None) -> None:
    """Leak 4 again: masses of kinds of both versions, each by the account; without the version's item they pass one."""
    paid, unpaid = 0.0, 0.0
    for kind in sums(("prompt", "factors", *KINDS[:3]), most=3):
        if not {"prompt", "factors"} & set(kind.split("+")):
            continue
        own = {"rank": 1, "modules": "*"} if "factors" in kind else {}
        costs = {cost.field: cost.bits for cost in header_costs(Header(kind, 20, **own))}
        paid += 2 ** -(costs["version"] + costs["kind"])
        unpaid += 2 ** -costs["kind"]
    others = 1 - 255 / 2048 / 16  # versions 1 and 3
    assert others + paid <= 1 < others + unpaid


@pytest.mark.parametrize("choice", FIRST, ids=lambda choice: choice["kind"])
def test_a_further_kind_changes_nothing_of_version_1(
    choice: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = described(choice)
    monkeypatch.setattr(kinds, "FURTHER_KINDS", (PROMPT, FACTORS))
    assert described(choice) == before
    assert before[0].startswith(MAGIC)
    assert "version" not in dict(before[2])


CARDS = [
    card
    for card in sorted((Path(__file__).parents[2] / "model_cards").glob("*/certificate.json"))
    if "task"
    not in json.loads(card.read_text(encoding="utf-8"))  # a language model's has stages, not one header
]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.parent.name)
def test_what_certificates_state_of_a_header_is_still_so(card: Path) -> None:
    """Line by line: a verifier compares them all, and one more for a field of a later version is one too many."""
    content = json.loads(card.read_text(encoding="utf-8"))
    names = {field.name for field in dataclasses.fields(Header)}
    decoder, classes = content["decoder"], content["dataset"]["class_names"]
    said = {name: value for name, value in decoder.items() if name in names}
    if decoder["kind"] in ("sparse", "constant"):
        said["classes"] = len(classes)
    if "answer" in said:
        said["answer"] = classes.index(said["answer"])  # a certificate names the class
    header = Header(**said)
    *stated, last = content["message"]["costs"]
    assert last["field"] == "symbols"
    assert [dataclasses.asdict(cost) for cost in header_costs(header)] == stated


@pytest.mark.parametrize("choice", LATER, ids=lambda choice: choice["kind"])
def test_messages_of_version_2(
    choice: dict[str, Any], further: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = Header(**choice)
    data, bits, costs = described(choice)
    assert data.startswith(b"TB\x02")
    assert costs[0][0] == "version"
    assert VERSION_BITS[2] <= costs[0][1] <= VERSION_BITS[2] + 2e-6
    assert not dict(costs).keys() & set(SHORT_FIELDS)
    decoded, read = decode(data, contexts=lambda h: np.arange(h.dim) % 2)
    assert decoded == header == decode_header(data)
    assert read.tolist() == (np.arange(header.dim) % 3 - 1).tolist()
    # The prefix says the version; it is no part of the stream, and is paid for beside it.
    assert bits - costs[0][1] - 0.05 <= 8 * (len(data) - len(MAGIC)) <= bits - costs[0][1] + 16
    monkeypatch.setattr(kinds, "FURTHER_KINDS", (PROMPT, FACTORS, Kind("another")))
    assert described(choice) == (data, bits, costs)


def test_a_further_kind_is_cheap(further: None) -> None:
    cost = {cost.field: cost.bits for cost in header_costs(Header("prompt", 20))}
    assert cost["kind"] <= 3.000001  # the list, the place in it, and that no other follows
    assert cost["version"] + cost["kind"] < 10.01


def test_fields_go_with_the_kinds_that_have_them(further: None) -> None:
    with pytest.raises(ArgumentError, match=r"rank=3 goes with kind lora or factors only, not with 'prompt'"):
        Header("prompt", 20, rank=3)
    with pytest.raises(ArgumentError, match=r"rank=0 does not go with kind 'factors'"):
        Header("factors", 20, modules="*")
    with pytest.raises(
        ArgumentError, match=r"'fourier' is none of dense, .*, lora, prompt, factors, sparse, constant, nor"
    ):
        Header("fourier", 20)


def test_what_this_version_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArgumentError, match="'prompt' is none of"):
        Header("prompt", 20)
    monkeypatch.setattr(kinds, "FURTHER_KINDS", (PROMPT, FACTORS))
    data = described(LATER[1])[0]
    first = described(FIRST[0])[0]
    with pytest.raises(MessageError):  # the versions' streams differ
        decode(MAGIC + data[len(MAGIC) :])
    with pytest.raises(MessageError):
        decode(data[: len(MAGIC)] + first[len(MAGIC) :])
    monkeypatch.setattr(kinds, "FURTHER_KINDS", (PROMPT,))
    with pytest.raises(MessageError, match="kind 2 beyond the first ones, which is not known here"):
        decode(data)
    monkeypatch.setattr(kinds, "FURTHER_KINDS", ())
    with pytest.raises(MessageError, match=r"begins with b'TB\\x02', not with b'TB\\x01'"):
        decode(data)


def test_version_2_names_no_sum_of_first_kinds(further: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a sum has its message in version 1, and a second spelling is refused."""
    header = Header("film+kron", 20)
    with monkeypatch.context() as patch:
        patch.setattr(Header, "version", 2)
        spelled = encode(header, np.zeros(20, dtype=int))
    assert spelled.startswith(b"TB\x02")
    for read in (decode, decode_header):
        with pytest.raises(MessageError, match=r"'film\+kron' is not named by version 2"):
            read(spelled)
