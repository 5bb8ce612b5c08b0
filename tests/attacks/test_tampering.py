"""Tampered certificates: each is refused, with a message that names what is wrong."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from spine_fixtures import assigned, changed, dotted, image_certificate, world

from transferbound import LabelledData, Prior
from transferbound.bounds import all_bounds
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.schema import check_content
from transferbound.certificate.statement import make_statement
from transferbound.data.encode import encode as encode_data
from transferbound.errors import TransferboundError
from transferbound.message import Header
from transferbound.message.stream import decode, encode
from transferbound.verification import verify as verification
from transferbound.verification.verify import check_certificate

Content = dict[str, Any]
Path_ = tuple[str | int, ...]
# (what was done, a word that the refusal must hold, the content, the message)
Tampering = tuple[str, str, Content, bytes]


class Bench:
    """One honest certificate, its prior and its data, loaded once; statements are remembered by their input."""

    def __init__(self) -> None:
        self.prior = Prior.from_pretrained(str(world() / "prior"))
        self.data = LabelledData.load(str(world() / "bright-squares"))
        self.test = LabelledData.load(str(world() / "bright-squares"), split="test")
        self.certificate = Certificate.from_pretrained(image_certificate())
        self.encoded = encode_data(self.prior.preprocessing(32), self.data, progress=False)
        self._known: dict[Any, Any] = {}

    def statement(self, prior: Prior, data: LabelledData, message: bytes, **how: Any) -> Content:
        """``make_statement`` is a function of its arguments: asked twice for one thing, it is computed once."""
        encoded = self.encoded if decode(message)[0].input_size == 32 else None
        chosen = (how["confidence"], how["candidates"], how.get("list_written"))
        key = (message, *chosen, json.dumps(how["independence"]), prior.name)
        if key not in self._known:
            self._known[key] = make_statement(prior, data, message, **how | {"encoded": encoded})
        return copy.deepcopy(self._known[key])

    def refusal(self, content: Content, message: bytes) -> str | None:
        """Why this certificate is refused; None where it is accepted."""
        try:
            check_content(content)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(verification, "make_statement", self.statement)
                verdict = check_certificate(
                    Certificate(content, message), self.prior, self.data, test=self.test
                )
        except TransferboundError as error:
            return str(error)
        return None if verdict.holds else "\n".join(verdict.problems)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    if isinstance(value, dict | list) and value:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def objects(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    if isinstance(value, dict | list):
        yield path, value
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from objects(inner, (*path, key))


def other_values(value: Any) -> list[Any]:
    """Values near an honest one, and of other types."""
    if isinstance(value, bool):
        return [not value, int(value), None]
    if isinstance(value, int):
        return [value + 1, value - 1, value + 10**9, str(value), None, value + 0.5]
    if isinstance(value, float):
        return [value * 0.99 - 1e-6, value * 1.01 + 1e-6, 0.0, -1.0, 1e300, str(value), [value]]
    if isinstance(value, str):
        return [value + "x", "", value[::-1] + "y", 7, None, {"a": value}]
    if value is None:
        return ["x", 0, []]
    return [value, {"x": 1}, [1], "x"][1:]


# What a refusal names where the field decides how everything else is computed.
_NAMED_BY = {
    "confidence": "",
    "decoder.candidates": "",
    "independence.override": "independence",
}


def edited_leaves(content: Content, message: bytes) -> Iterator[Tampering]:
    for path, value in leaves({k: v for k, v in content.items() if k != "unverified"}):
        name = dotted(path)
        for other in other_values(value):
            if type(other) is type(value) and other == value:
                continue
            if name == "independence.override" and other is True:
                continue  # an override that nothing called for: the person's word, and against the certificate
            word = _NAMED_BY.get(name, name) if type(other) is type(value) else name
            word = word.split(".'")[0]  # a file's name is quoted where values differ, and not where types do
            yield f"{name} = {other!r:.40}", word, assigned(content, path, other), message


def edited_objects(content: Content, message: bytes) -> Iterator[Tampering]:
    verified = {key: value for key, value in content.items() if key != "unverified"}
    for path, value in objects(verified):
        name = dotted(path)
        if isinstance(value, dict):
            inner = assigned(content, (*path, "more"), 1)
            yield f"{name} with a key more", "more", inner, message
            for key in value:
                less = changed(content, (*path, key), lambda place, last: place.__delitem__(last))
                # A group of columns without its kind is read as one of the other kind.
                word = (
                    "dataset.columns"
                    if path == ("dataset", "columns")
                    else dotted((*path, key)).split(".'")[0]
                )
                yield f"{name} without {key}", word, less, message
        else:
            yield f"{name} longer", name, assigned(content, path, [*value, *(value[:1] or ["x"])]), message
            if value:
                yield f"{name} shorter", name, assigned(content, path, value[:-1]), message
            if len(value) > 1 and value != value[::-1]:
                yield f"{name} reversed", name, assigned(content, path, value[::-1]), message


def rehashed(content: Content, message: bytes) -> Content:
    """With the message's hash and length as they are now."""
    made = copy.deepcopy(content)
    made["message"]["sha256"] = hashlib.sha256(message).hexdigest()
    made["message"]["file_bits"] = made["file_bits"] = 8 * len(message)
    return made


def edited_messages(content: Content, message: bytes) -> Iterator[Tampering]:
    def both(what: str, other: bytes) -> Iterator[Tampering]:
        word = "message.sha256" if len(other) == len(message) else "offset.bin"
        yield what, word, content, other
        yield f"{what}, hash recomputed", "", rehashed(content, other), other

    for bit in range(8 * len(message)):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        yield from both(f"bit {bit} flipped", bytes(flipped))
    for length in range(len(message)):
        yield from both(f"cut to {length} bytes", message[:length])
    for tail in (b"\0", b"\xff", b"\0" * 100, message):
        yield from both(f"grown by {len(tail)} bytes", message + tail)
    yield from both("zeros", bytes(len(message)))
    yield from both("backwards", message[::-1])
    yield "too long", "offset.bin", rehashed(content, b"TB\x01" + bytes(2**20)), b"TB\x01" + bytes(2**20)


def forged_counts(content: Content, message: bytes) -> Iterator[Tampering]:
    """Every number that follows is made to agree: only a recount can tell."""
    n, errors, bits = content["n"], content["errors"], content["message_bits"]

    def forged(errors: int, n: int, bits: float) -> Content:
        made = copy.deepcopy(content)
        made["bounds"] = all_bounds(errors, n, bits, failure_probability(content["confidence"]))
        made |= {"errors": errors, "n": n, "train_error": errors / n, "message_bits": bits}
        made["risk_bound"] = made["bounds"]["occam_binomial"]
        made["message"]["ideal_bits"] = bits
        made["dataset"] |= {"rows": n, "units": n}
        made["dataset"]["overlap"]["rows"] = n
        return made

    for fewer in range(1, min(errors, 12) + 1):
        yield f"{fewer} errors fewer, all agrees", "errors is", forged(errors - fewer, n, bits), message
    for more in (1, n, 9 * n):
        yield f"n more by {more}, all agrees", "n is", forged(errors, n + more, bits), message
    for share in (0.999, 0.9, 0.5, 0.0):
        wrong = forged(errors, n, share * bits)
        yield f"bits times {share}, all agrees", "message_bits is", wrong, message


def forged_headers(bench: Bench, content: Content, message: bytes) -> Iterator[Tampering]:
    """Another message, honest in all but its count of errors."""
    header, integers = decode(message)
    flipped = integers.copy()
    flipped[0] = -1 if flipped[0] == 1 else 1
    others = [
        (replace(header, seed=header.seed + 1), integers),
        (replace(header, levels=5), integers),
        (replace(header, step=header.step + 1), integers),
        (replace(header, head_scale=2), integers),
        (replace(header, kind="hashed"), integers),
        (replace(header, dim=13), np.append(integers, 0)),
        (replace(header, dim=11), integers[:11]),
        (replace(header, input_size=40), integers),
        (header, flipped),
    ]
    for other, values in others:
        made = encode(other, values)
        how = {"confidence": content["confidence"], "candidates": 1, "test": bench.test}
        honest = bench.statement(
            bench.prior, bench.data, made, independence=content["independence"], batch_size=250, **how
        )
        forged = honest | {"unverified": content["unverified"]}
        forged["errors"] = honest["errors"] - 3 if honest["errors"] > 3 else honest["errors"] + 3
        forged["bounds"] = all_bounds(
            forged["errors"], honest["n"], honest["message_bits"], failure_probability(content["confidence"])
        )
        forged |= {
            "train_error": forged["errors"] / honest["n"],
            "risk_bound": forged["bounds"]["occam_binomial"],
        }
        yield f"{other} with three errors fewer", "errors is", forged, made
        yield f"{other} under the old statement", "", rehashed(content, made), made


def all_tamperings(bench: Bench) -> list[Tampering]:
    content, message = bench.certificate.content, bench.certificate.message
    return [
        *edited_leaves(content, message),
        *edited_objects(content, message),
        *edited_messages(content, message),
        *forged_counts(content, message),
        *forged_headers(bench, content, message),
    ]


def test_the_honest_certificate_is_accepted(bench: Bench) -> None:
    assert bench.refusal(bench.certificate.content, bench.certificate.message) is None


def test_hundreds_of_tampered_certificates_are_refused(bench: Bench) -> None:
    found = all_tamperings(bench)
    distinct = {(json.dumps(content), message) for _, _, content, message in found}
    accepted, unnamed, true = [], [], 0
    for what, word, content, message in found:
        refusal = bench.refusal(content, message)
        if refusal is None and is_true(bench, content, message):
            true += 1
        elif refusal is None:
            accepted.append(what)
        elif word not in refusal or not refusal:
            unnamed.append((what, word, refusal[:200]))
    assert not accepted
    assert not unnamed
    assert true <= 3
    assert len(distinct) - true >= 1000


def is_true(bench: Bench, content: Content, message: bytes) -> bool:
    """Whether this is a message of its own with nothing false said of it: one sign flipped, say, which costs
    as many bits and happens to make as many errors."""
    if message == bench.certificate.message:
        return False
    again = make_statement(
        bench.prior,
        bench.data,
        message,
        confidence=content["confidence"],
        test=bench.test,
        independence=content["independence"],
    )
    return again == {key: value for key, value in content.items() if key != "unverified"}


# Well-formed messages that ask a tiny network for what it has not, or for more work than it is worth.
MISFITS = {
    "an image of no size": Header("film", 12, input_size=3),
    "an image of 65,536 pixels a side": Header("film", 12, input_size=65_536),
    "more coordinates than parameters": Header("hashed", 180_000),
    "more coordinates than the kind trains": Header("film", 20_000),
    "a dense projection of billions of entries": Header("dense", 100_000),
    "a rank beyond every matrix": Header("lora", 100, rank=1024),
    "modules that are not there": Header("modules", 10, modules="no.such.module*"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_messages_that_do_not_fit_the_prior(bench: Bench, name: str) -> None:
    header = MISFITS[name]
    message = encode(header, np.arange(header.dim) % 2)
    certificate = Certificate(rehashed(bench.certificate.content, message), message)
    verdict = check_certificate(certificate, bench.prior, bench.data, test=bench.test)
    assert not verdict.holds
    assert verdict.problems[0].startswith("offset.bin: ")


def test_what_is_marked_unverified_is_not_vouched_for_but_keeps_its_form(bench: Bench) -> None:
    content, message = bench.certificate.content, bench.certificate.message
    free = assigned(content, ("unverified", "training"), {"learning_rate": "a story"})
    assert bench.refusal(free, message) is None
    for wrong in ("text", None, [1], 3):
        refusal = bench.refusal(assigned(content, ("unverified", "training"), wrong), message)
        assert refusal is not None
        assert "unverified.training" in refusal
