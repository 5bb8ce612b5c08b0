"""Certificates that are exported in the tests: for each target what it can carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from conftest import save_rows
from dense_checkpoint import with_dense
from spine_fixtures import bright_rows, text_data, world
from stated import case, stated, text_reference

from transferbound import LabelledData, Prior
from transferbound.message import Header
from transferbound.message.short_codes import sparse_dim

__all__ = ["CASES", "ExportCase", "Found", "Priors"]

Found = tuple[Path, LabelledData]


@dataclass(frozen=True)
class Priors:
    """The tiny checkpoints of conftest.py."""

    bert: Path
    timm_vit: Path
    vit: Path
    save_bert: Callable[..., Path]


@dataclass(frozen=True)
class ExportCase:
    """A certificate, and what it is exported to.

    Attributes:
        target: what writes it.
        make: from a new folder and the checkpoints to the certificate's folder and its rows.
        asked: of ``--to``; None: the default.
        base: whether the library needs the checkpoint itself.
    """

    target: str
    make: Callable[[Path, Priors], Found]
    asked: str | None = field(default=None)
    base: bool = False


def of_images(
    folder: Path, prior: Path | str, header: Header, integers: np.ndarray, own: bool = False
) -> Found:
    data = LabelledData.load(str(save_rows(folder / "rows", bright_rows(60))))
    reference = str(save_rows(folder / "reference", bright_rows(60, seed=3))) if own else None
    return stated(Prior.from_pretrained(str(prior)), data, folder / "out", header, integers, reference), data


def of_texts(folder: Path, prior: Path, header: Header, integers: np.ndarray, pairs: bool = False) -> Found:
    data = LabelledData.load(str(text_data(folder / "rows", n=60, pairs=pairs)))
    reference = str(text_reference(folder / "reference")) if header.kind == "sparse" else None
    return stated(Prior.from_pretrained(str(prior)), data, folder / "out", header, integers, reference), data


def draws(dim: int, most: int = 1) -> np.ndarray:
    return np.random.default_rng(7).integers(-most, most + 1, dim)


def sparse(features: int, **more: Any) -> tuple[Header, np.ndarray]:
    dim = sparse_dim(2, 8)
    return Header(
        "sparse", dim, levels=7, step=-4, features=features, components=8, classes=2, **more
    ), draws(dim, 3)


def hashed(**more: Any) -> tuple[Header, np.ndarray]:
    return Header("hashed", 40, **{"step": 8, "head_seed": 5} | more), draws(40)


def _classifier(folder: Path, priors: Priors, classes: int = 3) -> Path:
    return priors.save_bert(folder / "prior", "BertForSequenceClassification", num_labels=classes)


def _known(name: str) -> Callable[[Path, Priors], Found]:
    return lambda folder, priors: case(name, folder, priors.bert)


def _texts(folder: Path, priors: Priors, pairs: bool = False) -> Found:
    return of_texts(
        folder, _classifier(folder, priors), *hashed(input_size=9), pairs=pairs
    )  # longer rows are cut


def _adapter(folder: Path, priors: Priors) -> Found:
    header = Header("lora", 60, step=4, rank=2)
    return of_texts(folder, _classifier(folder, priors, 2), header, draws(60))


def _layers(folder: Path, priors: Priors) -> Found:
    return of_texts(folder, priors.save_bert(folder / "prior", num_hidden_layers=3), *sparse(2))


CASES: dict[str, ExportCase] = {
    "timm, at another size": ExportCase("timm", _known("image hashed")),
    "timm, components folded": ExportCase("timm", _known("image sparse")),
    "timm, positions": ExportCase(
        "timm", lambda folder, priors: of_images(folder, priors.timm_vit, *hashed(input_size=64))
    ),
    "transformers, texts": ExportCase("transformers", _texts),
    "transformers, pairs": ExportCase("transformers", lambda folder, priors: _texts(folder, priors, True)),
    "transformers, images": ExportCase(
        "transformers", lambda folder, priors: of_images(folder, priors.vit, *hashed())
    ),
    "transformers, images at another size": ExportCase(
        "transformers", lambda folder, priors: of_images(folder, priors.vit, *hashed(input_size=48))
    ),
    "sentence-transformers, dense layers": ExportCase(
        "sentence-transformers",
        lambda folder, priors: of_texts(folder, with_dense(priors.bert, folder / "prior"), *hashed()),
    ),
    "sentence-transformers, components folded": ExportCase("sentence-transformers", _known("text sparse")),
    "peft": ExportCase("peft", _adapter, "peft", base=True),
    "peft's, whole": ExportCase("transformers", _adapter),
    "onnx, texts": ExportCase("onnx", _known("text sparse"), "onnx"),
    "onnx, pairs": ExportCase("onnx", _known("text pairs")),
    "onnx, several layers": ExportCase("onnx", _layers),
    "onnx, images": ExportCase("onnx", _known("image film"), "onnx"),
    "onnx, several stages": ExportCase(
        "onnx",
        lambda folder, priors: of_images(folder, world() / "prior", *sparse(8, input_size=40), own=True),
    ),
    "onnx, an architecture of ours": ExportCase(
        "onnx",
        lambda folder, priors: of_images(
            folder, "random/transferbound_lenet5/0", *hashed(step=6, head_seed=3)
        ),
    ),
}
