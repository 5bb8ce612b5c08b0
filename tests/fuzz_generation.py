"""Random and mutated messages about language models: one clear error, or what is written in the same bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from fuzz_messages import mutate

from transferbound.errors import MessageError
from transferbound.message.generation import (
    GENERATION_MAGIC,
    MIXES,
    MOST_PROMPT_TOKENS,
    MOST_STAGES,
    GenerationMessage,
    Stage,
    decode_generation,
    encode_generation,
)

_TELLING = (0, 1, 4, 32, 63, 64, 255)
"""Bytes that begin stages, lengths and prompts, or just fail to."""


def honest(stream: np.random.Generator) -> bytes:
    """A message of one to four stages, the first of which may be a prompt."""
    stages = [
        Stage(int(stream.integers(MIXES[0], MIXES[-1] + 1)), offset=stream.bytes(int(stream.integers(1, 40))))
        for _ in range(int(stream.integers(1, MOST_STAGES + 1)))
    ]
    if stream.random() < 0.5:
        ids = stream.integers(0, 2**32, int(stream.integers(1, MOST_PROMPT_TOKENS + 1)))
        stages[0] = Stage(stages[0].mix, prompt=tuple(ids.tolist()))
    return encode_generation(GenerationMessage(tuple(stages)))


def generation_messages(count: int, seed: int) -> Iterator[bytes]:
    """``count`` strings: honest, mutated, made of telling bytes, or of any."""
    stream = np.random.default_rng(seed)
    before = honest(stream)
    for number in range(count):
        size = int(stream.integers(0, 60))
        match number % 4:
            case 0:
                before = honest(stream)
                yield before
            case 1:
                yield mutate(before, honest(stream), stream)
            case 2:
                yield GENERATION_MAGIC + bytes(stream.choice(_TELLING, size).tolist())
            case _:
                yield GENERATION_MAGIC[: int(stream.integers(0, 4))] + stream.bytes(size)


def feed_generation(count: int, seed: int) -> Counter[str]:
    """What came of ``count`` strings in the decoder."""
    outcomes: Counter[str] = Counter()
    for data in generation_messages(count, seed):
        try:
            message = decode_generation(data)
        except MessageError:
            outcomes["refused"] += 1
        else:
            assert encode_generation(message) == data
            outcomes[f"decoded, {len(message.stages)} stages"] += 1
    return outcomes
