"""Honest certificates of version 3 of the message format, a second each: no time budget decides what they say."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from conftest import save_rows, text_rows
from fuzz_messages import contexts_of
from spine_fixtures import bright_rows, world

from transferbound import LabelledData, Prior
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.statement import make_statement
from transferbound.data.batches import LARGE_BATCH, evaluation_batches, evaluation_order
from transferbound.data.encode import encode as encode_data
from transferbound.independence.check import check_independence
from transferbound.independence.reference import SearchedReference, searched_reference
from transferbound.message import OPEN_LIST, Header
from transferbound.message.short_codes import sparse_dim
from transferbound.message.stream import encode
from transferbound.priors.components.basis import component_classifier
from transferbound.report.card import write_card

UNVERIFIED: Any = {"training": {"kind": "auto"}, "versions": {"torch": "2"}}
_COMPONENTS, _LEVELS = 8, 7


@dataclass(frozen=True)
class Case:
    """A certificate's folder, and what it is about, loaded."""

    folder: Path
    prior: Prior
    data: LabelledData
    test: LabelledData | None
    reference: SearchedReference | None

    @property
    def certificate(self) -> Certificate:
        return Certificate.from_pretrained(self.folder)


def certified(folder: Path, prior: Prior, data: LabelledData, message: bytes, **how: Any) -> Case:
    """Writes the certificate that is true of ``message``, with its card. ``how``: as for ``make_statement``."""
    how = {"confidence": 0.95} | how
    how["independence"] = how.get("independence") or check_independence(prior, data)
    stated: Any = make_statement(prior, data, message, progress=False, **how)
    certificate = Certificate(stated | {"unverified": UNVERIFIED}, message)
    certificate.save_pretrained(folder, finish=lambda place: write_card(place, certificate))
    return Case(folder, prior, data, how.get("test"), how.get("reference"))


def fitted(
    prior: Prior, data: LabelledData, header: Header, reference: SearchedReference | None = None
) -> np.ndarray:
    """Integers of a two-class head of kind ``sparse``: least squares, rounded to the grid."""
    encoded = encode_data(prior.preprocessing(header.input_size), data, progress=False)
    module = component_classifier(
        prior,
        2,
        features=header.features,
        components=header.components,
        reference=None if reference is None else reference.reference,
        input_size=header.input_size,
        class_names=data.class_names,
    )
    seen = np.ones((data.n, header.components + 1))
    cpu = torch.device("cpu")
    with torch.inference_mode():
        for rows in evaluation_batches(encoded, evaluation_order(encoded), LARGE_BATCH, cpu):
            seen[rows, :-1] = module.answer_and_components(encoded.batch(rows, cpu))[1].numpy()
    weights = np.linalg.lstsq(seen, 2.0 * np.asarray(data.labels) - 1, rcond=None)[0]
    most = (header.levels - 1) // 2
    return np.rint(most * weights / np.abs(weights).max()).astype(np.int64)


def _sparse_header(**more: Any) -> Header:
    dim = sparse_dim(2, _COMPONENTS)
    return Header("sparse", dim, levels=_LEVELS, features=1, components=_COMPONENTS, classes=2, **more)


@cache
def of_pictures() -> Case:
    """Kind ``sparse`` on the default reference inputs, with a test split: one of a list of three variants."""
    prior = Prior.from_pretrained(str(world() / "prior"))
    data, test = (
        LabelledData.load(str(world() / "bright-squares"), split=split) for split in ("train", "test")
    )
    header = _sparse_header(input_size=32, candidate=1, candidates=3)
    message = encode(header, fitted(prior, data, header))
    return certified(world() / "sparse", prior, data, message, test=test, candidates=3)


@cache
def of_texts(checkpoint: Path) -> Case:
    """Kind ``sparse`` on reference inputs of the user's own."""
    rows = text_rows(160)
    # The label tells of a word: something that components of texts can hold.
    rows["label"] = [int("good" in text or "film" in text) for text in rows["text"]]
    mine = {key: value[:100] for key, value in rows.items()}
    others = {key: value[100:] for key, value in rows.items()}
    # Short ones: of so few words, a long text would hold nearly all of another's.
    others["text"] = [" ".join(text.split()[:6]) for text in others["text"]]
    data = LabelledData.load(str(save_rows(world() / "sentences", mine)))
    prior = Prior.from_pretrained(str(checkpoint))
    reference = searched_reference(str(save_rows(world() / "other-sentences", others)), data)
    header = _sparse_header(contexts=True)
    message = encode(header, fitted(prior, data, header, reference), contexts_of(header))
    return certified(world() / "texts", prior, data, message, reference=reference)


@cache
def of_doubt(checkpoint: Path) -> Case:
    """Of texts, where the checkpoint's card names the data, and training rows stand among the reference inputs."""
    plain = of_texts(checkpoint)
    assert plain.reference is not None
    folder = Path(shutil.copytree(checkpoint, world() / "doubtful-prior"))
    (folder / "README.md").write_text("---\ndatasets:\n- sentences\n---\n", encoding="utf-8")
    prior = Prior.from_pretrained(str(folder))
    mine = [" ".join(parts) for parts in plain.data.text_rows()][:20]
    rows = {"text": [*plain.reference.reference.rows, *mine]}
    reference = searched_reference(str(save_rows(world() / "both", rows)), plain.data, override=True)
    header = _sparse_header()
    return certified(
        world() / "doubt",
        prior,
        plain.data,
        encode(header, fitted(prior, plain.data, header, reference)),
        reference=reference,
        independence=check_independence(prior, plain.data, override=True),
    )


@cache
def of_one_class() -> Case:
    """Kind ``constant``, of a list that may grow and was written after results were seen."""
    rows = bright_rows(60, seed=4, classes=3)
    rows["label"] = [label if i % 5 == 0 else 2 for i, label in enumerate(rows["label"])]
    data = LabelledData.load(str(save_rows(world() / "mostly-one", rows)))
    header = Header("constant", 1, answer=2, classes=3, candidate=4, candidates=OPEN_LIST)
    message = encode(header, np.zeros(1, dtype=np.int64))
    prior = Prior.from_pretrained(str(world() / "prior"))
    return certified(world() / "constant", prior, data, message, candidates=OPEN_LIST, list_written="after")
