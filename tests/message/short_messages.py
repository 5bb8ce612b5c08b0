"""Messages of version 3, for tests: headers with few words, integers, and reading back."""

from fractions import Fraction
from typing import Any

import numpy as np

from transferbound.message import Header
from transferbound.message.short_codes import sparse_dim
from transferbound.message.stream import decode
from transferbound.subspace.kinds.sparse import sparse_contexts

SHARE = Fraction(255, 2048) * Fraction(15, 16)
"""The mass of version 3: what version 1 leaves, but the sixteenth of it that version 2 has."""

PREFIX = b"TB\x03"


def sparse(classes: int = 3, components: int = 16, **choices: Any) -> Header:
    chosen = {"levels": 7, "components": components, "classes": classes} | choices
    return Header("sparse", sparse_dim(classes, components), **chosen)


def constant(answer: int = 0, classes: int = 3, **choices: Any) -> Header:
    return Header("constant", 1, answer=answer, classes=classes, **choices)


def contexts_of(header: Header) -> np.ndarray | None:
    return sparse_contexts(header.components, header.classes) if header.kind == "sparse" else None


def draw(seed: int, header: Header, density: float, shorter: float = 0.5) -> np.ndarray:
    """Integers of the header's grid; the constant kind has a zero."""
    if header.kind == "constant":
        return np.zeros(1, dtype=np.int64)
    stream = np.random.default_rng(seed)
    sizes = np.minimum(stream.geometric(shorter, header.dim), (header.levels - 1) // 2)
    return np.where(stream.random(header.dim) < density, sizes * stream.choice([-1, 1], header.dim), 0)


def read(data: bytes, classes: int, candidates: int = 1) -> tuple[Header, np.ndarray]:
    return decode(data, candidates=candidates, classes=classes, contexts=contexts_of, max_dim=10_000)
