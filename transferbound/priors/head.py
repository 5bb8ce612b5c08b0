"""The starting value of a new classification head: zero, or a function of the charged seed."""

from __future__ import annotations

import math

import numpy as np
import torch

from transferbound.errors import PriorError

__all__ = ["initial_head"]


def initial_head(name: str, shape: torch.Size, head_seed: int) -> torch.Tensor:
    """Float32 tensor of ``shape``: zeros for seed 0 and for vectors (biases), else uniform.

    A seeded entry is (2u + 1 - 2^24) / 2^24 times the power of two next below 1 / sqrt(fan-in), where u is
    the top 24 bits of one word of the stream (head_seed, "head/" + name): an exact float32 on every machine.
    """
    if head_seed < 0:
        raise PriorError(f"head_seed is {head_seed}; it must be 0 (a zero head) or positive")
    if head_seed == 0 or len(shape) < 2:
        return torch.zeros(shape, dtype=torch.float32)
    from transferbound.streams import words

    count = math.prod(shape)
    fan_in = math.prod(shape[1:])
    raw = np.asarray(words(head_seed, f"head/{name}", 0, count), dtype=np.uint64)
    centred = 2 * (raw >> np.uint64(40)).astype(np.int64) + 1 - (1 << 24)
    scale = 2.0 ** (math.floor(-0.5 * math.log2(fan_in)) - 24)
    values = (centred.astype(np.float64) * scale).astype(np.float32)
    return torch.from_numpy(values.reshape(tuple(shape)))
