"""Tampering with certificates, systematically; and a bench on which each is checked in milliseconds."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from short_certificates import Case
from spine_fixtures import assigned, changed, dotted

from transferbound import LabelledData, Prior
from transferbound.bounds import all_bounds
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.schema import check_content
from transferbound.certificate.statement import make_statement
from transferbound.data.encode import encode as encode_data
from transferbound.errors import MessageError, TransferboundError
from transferbound.message.stream import decode_header
from transferbound.verification import verify as verification
from transferbound.verification.recorded import load_searched_reference
from transferbound.verification.verify import check_certificate

Content = dict[str, Any]
Path_ = tuple[str | int, ...]
# (what was done, a word that the refusal must hold, the content, the message)
Tampering = tuple[str, str, Content, bytes]

_WAYS_OF_COUNTING = ("progress", "cache_dir", "seed", "batch_size")


class Bench:
    """One honest certificate, its prior and its data, loaded once; statements are remembered by their input."""

    def __init__(self, case: Case) -> None:
        self.case, self.prior, self.data, self.test = case, case.prior, case.data, case.test
        self.certificate = case.certificate
        self.content: Content = json.loads((case.folder / "certificate.json").read_bytes())
        self.message = self.certificate.message
        self.input_size = self.content["decoder"]["input_size"]
        self.encoded = encode_data(self.prior.preprocessing(self.input_size), self.data, progress=False)
        self._known: dict[Any, Any] = {}

    def statement(self, prior: Prior, data: LabelledData, message: bytes, **how: Any) -> Content:
        """``make_statement`` is a function of its arguments: asked twice for one thing, it is computed once."""
        told = {key: value for key, value in how.items() if key not in _WAYS_OF_COUNTING}
        own = told.pop("reference", None)
        reference = (
            None if own is None else (own.reference.name, own.reference.fingerprint, own.split, own.overlap)
        )
        told["test"] = None if told.get("test") is None else told["test"].fingerprint
        key = (
            message,
            prior.name,
            prior.fingerprint,
            data.name,
            data.fingerprint,
            json.dumps([told, reference], sort_keys=True),
        )
        if key not in self._known:
            encoded = self.encoded if self._reads_the_same(prior, data, message, told) else None
            self._known[key] = make_statement(prior, data, message, **how | {"encoded": encoded})
        return copy.deepcopy(self._known[key])

    def _reads_the_same(self, prior: Prior, data: LabelledData, message: bytes, told: Content) -> bool:
        """Whether a message asks for the rows as the honest one does."""
        if (prior, data) != (self.prior, self.data):
            return False
        try:
            header = decode_header(message, told["candidates"], data.num_classes)
        except (MessageError, TransferboundError):
            return False
        return header.input_size == self.input_size and header.kind != "constant"

    def searched(self, content: Content, elsewhere: str | None, data: LabelledData) -> Any:
        """``load_searched_reference``, likewise."""
        key = (
            elsewhere,
            json.dumps(content["decoder"].get("reference")),
            content["independence"]["override"],
        )
        if key not in self._known:
            self._known[key] = load_searched_reference(content, elsewhere, data)  # type: ignore[arg-type]
        return self._known[key]

    def refusal(self, content: Content, message: bytes, **others: Any) -> str | None:
        """Why this certificate is refused; None where it is accepted. ``others``: another prior, data, reference."""
        told: Any = {"prior": self.prior, "data": self.data, "test": self.test} | others
        try:
            check_content(content)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(verification, "make_statement", self.statement)
                patch.setattr(verification, "load_searched_reference", self.searched)
                verdict = check_certificate(Certificate(content, message), **told)  # type: ignore[arg-type]
        except TransferboundError as error:
            return str(error)
        return None if verdict.holds else "\n".join(verdict.problems)

    def is_true(self, content: Content, message: bytes) -> bool:
        """Whether this is a message of its own with nothing false said of it: one sign flipped, say, which costs
        as many bits and happens to make as many errors."""
        if message == self.message:
            return False
        again = make_statement(
            self.prior,
            self.data,
            message,
            confidence=content["confidence"],
            candidates=content["decoder"]["candidates"],
            list_written=content["decoder"].get("list_written", "before"),
            test=self.test,
            independence=content["independence"],
            reference=self.case.reference,
        )
        return _rounded(again) == _rounded(
            {key: value for key, value in content.items() if key != "unverified"}
        )


def _rounded(value: Any) -> Any:
    """Without the last digits of floats: a sum of the same numbers in another order ends in others."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return f"{value:.12g}" if isinstance(value, float) else value


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
        return [value + 1, value - 1, value + 10**9, str(value), None, value + 0.5, float(value)]
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
    "decoder.max_tokens": "",
    "decoder.min_tokens": "",
    "task": "",
    "decoder.list_written": "",
    "independence.override": "independence",
    "decoder.reference.id": "",
    "decoder.reference.split": "",
}


# What a refusal names where a key that is missing is as good as another one.
_WITHOUT = {
    "task": "",
    "dataset.columns.image": "dataset.columns",
    "dataset.columns.text": "dataset.columns",
    "decoder.list_written": "assumptions",
    "decoder.reference.split": "errors",
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
                word = _WITHOUT.get(dotted((*path, key)), dotted((*path, key)).split(".'")[0])
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
    for version in (1, 2, 3, 4):
        other = b"TB" + bytes([version]) + message[3:]
        if other != message:
            yield from both(f"said to be of version {version}", other)
    yield "too long", "offset.bin", rehashed(content, b"TB\x01" + bytes(2**20)), b"TB\x01" + bytes(2**20)


def restated(content: Content, errors: int, n: int, bits: float) -> Content:
    """With other counts, and every bound that follows from them."""
    made = copy.deepcopy(content)
    made["bounds"] = all_bounds(errors, n, bits, failure_probability(content["confidence"]))
    made |= {"errors": errors, "n": n, "train_error": errors / n, "message_bits": bits}
    made["risk_bound"] = made["bounds"]["occam_binomial"]
    made["message"]["ideal_bits"] = bits
    made["dataset"] |= {"rows": n, "units": n}
    made["dataset"]["overlap"]["rows"] = n
    return made


def forged_counts(content: Content, message: bytes) -> Iterator[Tampering]:
    """Every number that follows is made to agree: only a recount can tell."""
    n, errors, bits = content["n"], content["errors"], content["message_bits"]
    for fewer in range(1, min(errors, 12) + 1):
        wrong = restated(content, errors - fewer, n, bits)
        yield f"{fewer} errors fewer, all agrees", "errors is", wrong, message
    for more in (1, n, 9 * n):
        yield f"n more by {more}, all agrees", "n is", restated(content, errors, n + more, bits), message
    for less in (1, errors):
        wrong = restated(content, errors - less, n - less, bits)
        yield f"{less} wrong rows left out, all agrees", "n is", wrong, message
    for share in (0.999, 0.9, 0.5, 0.0):
        wrong = restated(content, errors, n, share * bits)
        yield f"bits times {share}, all agrees", "message_bits is", wrong, message


def forged_costs(content: Content, message: bytes) -> Iterator[Tampering]:
    """One choice paid less, or nothing; the totals and all bounds agree."""
    for place, cost in enumerate(content["message"]["costs"]):
        for share in (0.0, 0.5):
            if not cost["bits"]:
                continue
            less = assigned(content, ("message", "costs", place, "bits"), share * cost["bits"])
            bits = round(sum(one["bits"] for one in less["message"]["costs"]), 6)
            wrong = restated(less, content["errors"], content["n"], bits)
            yield f"{cost['field']} for {share} of its bits", "message_bits is", wrong, message
        gone = assigned(content, ("message", "costs"), content["message"]["costs"][:])
        del gone["message"]["costs"][place]
        wrong = restated(gone, content["errors"], content["n"], content["message_bits"] - cost["bits"])
        yield f"{cost['field']} not on the account", "message.costs", wrong, message


def judged(bench: Bench, found: list[Tampering]) -> tuple[list[str], list[tuple[str, str, str]], int]:
    """What was accepted, what was refused without being named, and how many are true certificates of their own."""
    accepted, unnamed, true = [], [], 0
    for what, word, content, message in found:
        refusal = bench.refusal(content, message)
        if refusal is None and bench.is_true(content, message):
            true += 1
        elif refusal is None:
            accepted.append(what)
        elif word not in refusal or not refusal:
            unnamed.append((what, word, refusal[:200]))
    return accepted, unnamed, true


def distinct(found: list[Tampering]) -> int:
    return len({(json.dumps(content), message) for _, _, content, message in found})


def copied(case: Case, folder: Path) -> Path:
    """The certificate's files in another folder."""
    folder.mkdir(parents=True)
    for name in ("certificate.json", "offset.bin"):
        (folder / name).write_bytes((case.folder / name).read_bytes())
    return folder
