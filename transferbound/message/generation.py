"""Messages about language models: how the prediction is mixed with the prior's, and what stands beside the prior.

A message says the weight a = 2^-mix of the prior in the mixture (1 - a) p + a p0, and then what p is: the checkpoint
moved in a subspace, by a message of :mod:`transferbound.message.stream`, or the checkpoint with a prompt, whose tokens
are coded under the checkpoint itself. The format is docs/message-format.md.
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
    "GenerationMessage",
    "decode_generation",
    "encode_generation",
    "prompt_length_bits",
]

GENERATION_MAGIC = b"TG\x01"
"""First bytes of a message about a language model: name and version of the format."""

MIXES = range(1, 33)
"""The weights of the prior that can be named: a = 2^-mix. They are equally likely."""

MIX_BITS = 5.0 + 1.0
"""What the weight pays, and the choice between a subspace and a prompt."""

MOST_PROMPT_TOKENS = 64
_PROMPT = 32  # of the byte that says weight and what follows
_ID_BYTES = 4


@dataclass(frozen=True)
class GenerationMessage:
    """What a message about a language model says.

    Attributes:
        mix: the prior's weight in the mixture is 2^-mix, mix in ``MIXES``.
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
            raise ArgumentError("a message about a language model has either an offset or a prompt")
        if len(self.prompt) > MOST_PROMPT_TOKENS:
            raise ArgumentError(
                f"the prompt has {len(self.prompt)} tokens; at most {MOST_PROMPT_TOKENS} can be named"
            )
        if any(type(token) is not int or not 0 <= token < 2 ** (8 * _ID_BYTES) for token in self.prompt):
            raise ArgumentError("a token of the prompt is no token id")

    @property
    def weight(self) -> float:
        """a, the prior's weight in the mixture."""
        return 2.0**-self.mix


def encode_generation(message: GenerationMessage) -> bytes:
    """The bytes of ``offset.bin``. Raises ArgumentError: it is longer than ``MAX_BYTES``.

    >>> encode_generation(GenerationMessage(mix=3, prompt=(7, 300))).hex()
    '54470122000000070000012c'
    """
    tokens = np.array(message.prompt, dtype=f">u{_ID_BYTES}").tobytes()
    head = (_PROMPT if message.prompt else 0) + message.mix - MIXES[0]
    data = GENERATION_MAGIC + bytes([head]) + (tokens or message.offset)
    if len(data) > MAX_BYTES:
        raise ArgumentError(f"the message takes {len(data)} bytes; at most {MAX_BYTES} fit")
    return data


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
    head, body = data[3:4], data[4:]
    if not head or head[0] >= 2 * _PROMPT or not body:
        raise MessageError("the message is truncated, or its fourth byte names no mixture")
    mix = head[0] % _PROMPT + MIXES[0]
    if head[0] < _PROMPT:
        return GenerationMessage(mix, offset=body)
    if len(body) % _ID_BYTES or len(body) > _ID_BYTES * MOST_PROMPT_TOKENS:
        raise MessageError(
            f"the message has {len(body)} bytes of a prompt; that is no number of tokens it may have"
        )
    return GenerationMessage(mix, prompt=tuple(int(i) for i in np.frombuffer(body, dtype=f">u{_ID_BYTES}")))


def prompt_length_bits(tokens: int) -> float:
    """What a prompt of so many tokens, 1 or more, pays for its length: Elias's gamma code (1975).

    >>> prompt_length_bits(1), prompt_length_bits(10)
    (1.0, 7.0)
    """
    return 2.0 * (int(tokens).bit_length() - 1) + 1.0
