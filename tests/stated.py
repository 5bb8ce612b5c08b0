"""Certificates of messages that nobody trained: any kind of predictor, stated in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from conftest import save_rows
from spine_fixtures import bright_rows, grouped, text_data, world

from transferbound import Certificate, LabelledData, Prior
from transferbound.certificate.statement import make_statement
from transferbound.independence.check import check_independence
from transferbound.independence.reference import searched_reference
from transferbound.message import Header
from transferbound.message.short_codes import sparse_dim
from transferbound.message.stream import encode

__all__ = ["CASES", "case", "stated", "text_reference"]

_COMPONENTS = 8


def stated(
    prior: Prior,
    data: LabelledData,
    out: Path,
    header: Header,
    integers: np.ndarray,
    reference: str | None = None,
) -> Path:
    """Writes the certificate of this message to ``out``."""
    message = encode(header, integers)
    content: Any = make_statement(
        prior,
        data,
        message,
        confidence=0.95,
        independence=check_independence(prior, data),
        reference=None if reference is None else searched_reference(reference, data),
    )
    content["unverified"] = {"training": {}, "versions": {}}
    Certificate(content, message).save_pretrained(out)
    return out


def text_reference(folder: Path, n: int = 60) -> Path:
    """Texts of no task."""
    generator = np.random.default_rng(5)
    words = ["the", "film", "good", "bad", "plot", "music", "scene", "of", "not", "very"]
    texts = [" ".join(generator.choice(words, size=4 + i % 9)) + f" ref {i}" for i in range(n)]
    return save_rows(folder, {"text": texts})


def _sparse(integers: np.random.Generator) -> tuple[Header, np.ndarray]:
    dim = sparse_dim(2, _COMPONENTS)
    header = Header("sparse", dim, levels=7, step=-4, components=_COMPONENTS, classes=2)
    return header, integers.integers(-3, 4, dim)


def case(name: str, folder: Path, tiny_bert: Path) -> tuple[Path, LabelledData]:
    """One of :data:`CASES`: the folder of its certificate, and the rows that it counts."""
    draw = np.random.default_rng(7)
    reference = None
    if name.startswith("text"):
        prior = Prior.from_pretrained(str(tiny_bert))
        data = LabelledData.load(str(text_data(folder / "rows", n=60, pairs=name == "text pairs")))
    else:
        prior = Prior.from_pretrained(str(world() / "prior"))
        rows = bright_rows(60)
        save_rows(folder / "rows", grouped(rows, 3) if name == "image groups" else rows)
        group = "patient" if name == "image groups" else None
        data = LabelledData.load(str(folder / "rows"), group_column=group)
    header, integers = Header("film", 12, input_size=32, head_seed=5), draw.integers(-1, 2, 12)
    if name == "text sparse":
        header, integers = _sparse(draw)
        reference = str(text_reference(folder / "reference"))
    elif name == "text sparse default":
        header, integers = _sparse(draw)
    elif name in ("text constant", "image constant"):
        header, integers = Header("constant", 1, answer=1, classes=2), np.zeros(1, dtype=np.int64)
    elif name == "image hashed":
        header, integers = Header("hashed", 20, input_size=32, head_seed=5), draw.integers(-1, 2, 20)
    elif name == "image sparse":
        header, integers = _sparse(draw)
        reference = str(save_rows(folder / "reference", bright_rows(60, seed=3)))
    elif name == "image ties":
        header, integers = Header("film", 12, input_size=32), np.zeros(12, dtype=np.int64)
    return stated(prior, data, folder / "out", header, integers, reference), data


CASES = (
    *("text sparse", "text sparse default", "text pairs", "text constant"),
    *("image film", "image hashed", "image sparse", "image constant", "image groups", "image ties"),
)
