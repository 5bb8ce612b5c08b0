"""Tampered certificates: each is refused, with a message that names what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from short_certificates import Case
from spine_fixtures import assigned, image_certificate, world
from tampering import (
    Bench,
    Content,
    Tampering,
    distinct,
    edited_leaves,
    edited_messages,
    edited_objects,
    forged_costs,
    forged_counts,
    judged,
    rehashed,
)

from transferbound import LabelledData, Prior
from transferbound.bounds import all_bounds
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.certificate import Certificate
from transferbound.message import Header
from transferbound.message.stream import decode, encode
from transferbound.verification.verify import check_certificate


@pytest.fixture(scope="module")
def bench() -> Bench:
    prior = Prior.from_pretrained(str(world() / "prior"))
    data, test = (
        LabelledData.load(str(world() / "bright-squares"), split=split) for split in ("train", "test")
    )
    return Bench(Case(image_certificate(), prior, data, test, None))


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


def test_the_honest_certificate_is_accepted(bench: Bench) -> None:
    assert bench.refusal(bench.content, bench.message) is None


def test_hundreds_of_tampered_certificates_are_refused(bench: Bench) -> None:
    content, message = bench.content, bench.message
    found = [
        *edited_leaves(content, message),
        *edited_objects(content, message),
        *edited_messages(content, message),
        *forged_counts(content, message),
        *forged_costs(content, message),
        *forged_headers(bench, content, message),
    ]
    accepted, unnamed, true = judged(bench, found)
    assert not accepted
    assert not unnamed
    assert true <= 3
    assert distinct(found) - true >= 1000


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
    certificate = Certificate(rehashed(bench.content, message), message)  # type: ignore[arg-type]
    verdict = check_certificate(certificate, bench.prior, bench.data, test=bench.test)
    assert not verdict.holds
    assert verdict.problems[0].startswith("offset.bin: ")


def test_what_is_marked_unverified_is_not_vouched_for_but_keeps_its_form(bench: Bench) -> None:
    content, message = bench.content, bench.message
    free = assigned(content, ("unverified", "training"), {"learning_rate": "a story"})
    assert bench.refusal(free, message) is None
    for wrong in ("text", None, [1], 3):
        refusal = bench.refusal(assigned(content, ("unverified", "training"), wrong), message)
        assert refusal is not None
        assert "unverified.training" in refusal
