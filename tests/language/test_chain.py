"""A message that is a chain of stages: what each adds is bounded, and each pays for all before it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from language_fixtures import MAX_TOKENS, MIN_TOKENS, checkpoint, corpus, quick

from transferbound import Prior, verify
from transferbound.certification.certify_language import certify_language, default_stages
from transferbound.certification.language_settings import LanguageSettings
from transferbound.data.documents import Documents
from transferbound.errors import MessageError, TransferboundError
from transferbound.language_predictor import decode_language_predictor
from transferbound.message.generation import (
    MOST_STAGES,
    GenerationMessage,
    Stage,
    decode_generation,
    encode_generation,
)

TASK = "text-generation"


def chain(out: Path, *stages: str) -> dict[str, object]:
    """The content of a certificate on so many stages."""
    certify_language(
        Prior.from_pretrained(str(checkpoint("llama")), task=TASK),
        Documents.load(str(corpus())),
        out,
        quick(epochs=1.0),
        LanguageSettings(MAX_TOKENS, MIN_TOKENS, stage=list(stages)),
        progress=False,
    )
    content: dict[str, object] = json.loads((out / "certificate.json").read_text())
    return content


def test_stages_in_subspaces_and_a_prompt_before_them(tmp_path: Path) -> None:
    out = tmp_path / "out"
    content = chain(out, "prompt", "hashed:10", "hashed:30")
    stages = content["decoder"]["stages"]  # type: ignore[index]
    assert [stage["kind"] for stage in stages] == ["prompt", "hashed", "hashed"]
    verdict = verify(out)
    assert verdict.holds, verdict.problems
    prior = Prior.from_pretrained(str(checkpoint("llama")), task=TASK)
    decoded = decode_language_predictor(prior, (out / "offset.bin").read_bytes(), max_tokens=MAX_TOKENS)
    paid = [stage.bits for stage in decoded.stages]
    assert decoded.bits_to == pytest.approx((2.0 + paid[0], 2.0 + sum(paid[:2]), 2.0 + sum(paid)))
    assert decoded.bits == pytest.approx(content["message_bits"])
    # The prompt stands before the documents of the later stages too.
    assert all(stage.module.prompt.tolist() == stages[0]["prompt_tokens"] for stage in decoded.stages)


def test_the_stages_of_a_plain_command_grow_tenfold() -> None:
    assert [one.dim for one in default_stages(50_000, 6000)] == [60, 600, 6000]
    assert [one.dim for one in default_stages(900, 112)] == [112]


@pytest.mark.parametrize(
    "stages",
    [["hashed:10", "prompt"], ["hashed:x"], ["hashed:10"] * (MOST_STAGES + 1), ["prompt:3"], ["nothing:10"]],
)
def test_what_is_no_chain(tmp_path: Path, stages: list[str]) -> None:
    with pytest.raises(TransferboundError):
        chain(tmp_path / "out", *stages)
    assert not (tmp_path / "out").exists()


def test_bytes_of_a_chain_are_read_in_one_way_alone() -> None:
    message = GenerationMessage((Stage(3, prompt=(7, 300)), Stage(32, offset=b"ab")))
    data = encode_generation(message)
    assert decode_generation(data) == message
    first = len(encode_generation(GenerationMessage(message.stages[:1])))
    for cut in sorted({*range(len(data))} - {first}):  # there a shorter chain ends
        with pytest.raises(MessageError):
            decode_generation(data[:cut])
    with pytest.raises(MessageError):
        decode_generation(data + b"\0")
    with pytest.raises(MessageError, match="after 4 stages"):
        decode_generation(data[:3] + encode_generation(GenerationMessage((Stage(1, offset=b"a"),)))[3:] * 5)
