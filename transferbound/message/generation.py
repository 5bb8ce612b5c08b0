"""Messages about language models: a chain of models, and how each is mixed with the one before it.

A message holds one to four stages. Each says the weight a = 2^-mix of the stage before, at first of the prior, in the
mixture q = (1 - a) p + a q_before, and then what p is: the model before moved in a subspace, by a message of
:mod:`transferbound.message.stream`, or, in the first stage alone, the checkpoint with a prompt, whose tokens are coded
under the checkpoint itself. The format is docs/message-format.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transferbound.errors import ArgumentError, MessageError
from transferbound.message.stream import MAX_BYTES

__all__ = [
    "GENERATION_MAGIC",
    "MIXES",
    "MIX_BITS",
    "MOST_PROMPT_TOKENS",
    "MOST_STAGES",
    "GenerationMessage",
    "Stage",
    "decode_generation",
    "encode_generation",
    "prompt_length_bits",
]

GENERATION_MAGIC = b"TG\x01"
"""First bytes of a message about a language model: name and version of the format."""

MIXES = range(1, 33)
"""The weights of the prior that can be named: a = 2^-mix. They are equally likely."""

MIX_BITS = 5.0 + 1.0
"""What the weight of a stage pays, and the choice between a subspace and a prompt."""

MOST_STAGES = 4
"""Their number is one of 1 to 4, equally likely."""

MOST_PROMPT_TOKENS = 64
_PROMPT = 32  # of the byte that says weight and what follows
_ID_BYTES, _LENGTH_BYTES = 4, 4


@dataclass(frozen=True)
class Stage:
    """One model of the chain, and its mixture.

    Attributes:
        mix: the weight of the stage before, or of the prior, is 2^-mix, mix in ``MIXES``.
        offset: a message about a subspace, as :func:`transferbound.message.stream.encode` writes it; else empty.
        prompt: token ids before each document; else empty.

    Raises:
        ArgumentError: a weight that cannot be named; neither offset nor prompt, or both; too long a prompt.
    """

    mix: int
    offset: bytes = b""
    prompt: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if type(self.mix) is not int or self.mix not in MIXES:
            raise ArgumentError(f"mix is {self.mix!r}; it must be an integer in {MIXES[0]}..{MIXES[-1]}")
        if bool(self.offset) == bool(self.prompt):
            raise ArgumentError(
                "a stage of a message about a language model has either an offset or a prompt"
            )
        if len(self.prompt) > MOST_PROMPT_TOKENS:
            raise ArgumentError(
                f"the prompt has {len(self.prompt)} tokens; at most {MOST_PROMPT_TOKENS} can be named"
            )
        if any(type(token) is not int or not 0 <= token < 2 ** (8 * _ID_BYTES) for token in self.prompt):
            raise ArgumentError("a token of the prompt is no token id")

    @property
    def weight(self) -> float:
        """a, the weight of what is before this stage."""
        return 2.0**-self.mix


@dataclass(frozen=True)
class GenerationMessage:
    """What a message about a language model says.

    Attributes:
        stages: from the first to the last.

    Raises:
        ArgumentError: no stage, or too many; a prompt that is not the first.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.stages) <= MOST_STAGES:
            raise ArgumentError(f"a message has {len(self.stages)} stages; it must have 1 to {MOST_STAGES}")
        if any(stage.prompt for stage in self.stages[1:]):
            raise ArgumentError("a prompt is the first stage of a message, or none")


def encode_generation(message: GenerationMessage) -> bytes:
    """The bytes of ``offset.bin``. Raises ArgumentError: it is longer than ``MAX_BYTES``.

    >>> encode_generation(GenerationMessage((Stage(mix=3, prompt=(7, 300)),))).hex()
    '5447012200000008000000070000012c'
    """
    data = GENERATION_MAGIC + b"".join(map(_stage_bytes, message.stages))
    if len(data) > MAX_BYTES:
        raise ArgumentError(f"the message takes {len(data)} bytes; at most {MAX_BYTES} fit")
    return data


def _stage_bytes(stage: Stage) -> bytes:
    body = np.array(stage.prompt, dtype=f">u{_ID_BYTES}").tobytes() or stage.offset
    head = (_PROMPT if stage.prompt else 0) + stage.mix - MIXES[0]
    return bytes([head]) + len(body).to_bytes(_LENGTH_BYTES) + body


def decode_generation(data: bytes) -> GenerationMessage:
    """The inverse of :func:`encode_generation`; what an offset says is left to its own reader.

    Raises:
        MessageError: the bytes are not exactly what ``encode_generation`` writes for some message.
    """
    if len(data) > MAX_BYTES:
        raise MessageError(f"the message has {len(data)} bytes; at most {MAX_BYTES} are allowed")
    if not data.startswith(GENERATION_MAGIC):
        raise MessageError(
            f"the message begins with {data[:3]!r}, not with {GENERATION_MAGIC!r}: not about a language model"
        )
    stages: list[Stage] = []
    place = len(GENERATION_MAGIC)
    while place < len(data) and len(stages) < MOST_STAGES:
        stage, place = _read_stage(data, place)
        stages.append(stage)
    if place < len(data):
        raise MessageError(f"the message has {len(data) - place} bytes after {MOST_STAGES} stages, the most")
    try:
        return GenerationMessage(tuple(stages))
    except ArgumentError as error:
        raise MessageError(f"the message does not hold: {error}") from error


def _read_stage(data: bytes, place: int) -> tuple[Stage, int]:
    """The stage that begins at ``place``, and where the next one begins."""
    begin = place + 1 + _LENGTH_BYTES
    end = begin + int.from_bytes(data[place + 1 : begin])
    if begin > len(data) or end > len(data) or data[place] >= 2 * _PROMPT:
        raise MessageError("the message is truncated, or a stage of it names no mixture")
    body, mix = data[begin:end], data[place] % _PROMPT + MIXES[0]
    is_prompt = data[place] >= _PROMPT
    if is_prompt and len(body) % _ID_BYTES:
        raise MessageError(f"the message has {len(body)} bytes of a prompt; that is no number of tokens")
    try:
        if is_prompt:
            ids = np.frombuffer(body[: _ID_BYTES * (MOST_PROMPT_TOKENS + 1)], dtype=f">u{_ID_BYTES}")
            return Stage(mix, prompt=tuple(int(i) for i in ids)), end
        return Stage(mix, offset=body), end
    except ArgumentError as error:
        raise MessageError(f"the message does not hold: {error}") from error


def prompt_length_bits(tokens: int) -> float:
    """What a prompt of so many tokens, 1 or more, pays for its length: Elias's gamma code (1975).

    >>> prompt_length_bits(1), prompt_length_bits(10)
    (1.0, 7.0)
    """
    return 2.0 * (int(tokens).bit_length() - 1) + 1.0
