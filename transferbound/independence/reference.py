"""Do training rows stand among the reference inputs? Then their components have seen them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from transferbound.data.labelled import LabelledData
from transferbound.data.reference import load_reference, reference_set_aside
from transferbound.errors import PriorIndependenceError
from transferbound.independence.check import compare_content, verdict_of
from transferbound.independence.record import ReferenceOverlap
from transferbound.priors.reference import Reference, row_content

__all__ = [
    "ReferenceOverlap",
    "SearchedReference",
    "reference_overlap",
    "searched_reference",
    "set_aside_reference",
]


@dataclass(frozen=True)
class SearchedReference:
    """Reference inputs that are not the default ones.

    Attributes:
        reference: the inputs.
        split: of which they are; None for rows of the data set itself that are set aside.
        overlap: which training rows stand among them; None for rows that are set aside, which are others by what they
            are, and repeat one only where rows of the data set repeat one another.
    """

    reference: Reference
    split: str | None
    overlap: ReferenceOverlap | None


def searched_reference(
    reference: Any, data: LabelledData, *, split: str = "train", override: bool = False
) -> SearchedReference:
    """The rows of ``reference``, made by hand or read by :func:`load_reference`, searched for rows of ``data``.

    Raises:
        DataError, PriorIndependenceError: as :func:`load_reference` and :func:`reference_overlap`.
    """
    found = (
        reference
        if isinstance(reference, Reference)
        else load_reference(reference, modality=data.modality, split=split)
    )
    return SearchedReference(found, split, reference_overlap(found, data, split=split, override=override))


def set_aside_reference(data: LabelledData) -> SearchedReference | None:
    """The rows that ``data`` has set aside; None where it has none."""
    return None if data.aside is None else SearchedReference(reference_set_aside(data), None, None)


def reference_overlap(
    reference: Reference, data: LabelledData, *, split: str = "train", override: bool = False
) -> ReferenceOverlap:
    """Search the reference inputs for training rows, by the rules of :func:`check_independence` for pretraining data.

    Args:
        reference: a basis is computed of its rows; of no other rows of where they come from.
        data: the training data.
        split: of the reference inputs, for the record.
        override: record findings that would refuse them, and go on.

    Raises:
        PriorIndependenceError: too many training rows are among them.
        DataError: a row cannot be read, or the two are of different kinds.
    """
    counts, findings = compare_content(_ReferenceRows(reference, split), data, "reference inputs")
    verdict = verdict_of(findings)
    if verdict == "overridden" and not override:
        refused = "; ".join(found["message"] for found in findings if found["severity"] == "refuse")
        raise PriorIndependenceError(
            f"the reference inputs {reference.name} are not independent of the data set {data.name}: {refused}. "
            "A bound with their components would not hold. Choose other inputs, or override if this is mistaken"
        )
    return {"rows": counts, "findings": findings, "verdict": verdict}


@dataclass(frozen=True)
class _ReferenceRows:
    """A reference as rows that are searched."""

    reference: Reference
    split: str

    @property
    def name(self) -> str:
        return self.reference.name

    @property
    def modality(self) -> str:
        return self.reference.modality

    @property
    def n(self) -> int:
        return self.reference.n

    @property
    def row_hashes(self) -> np.ndarray:
        """uint8 [n, 32], as :class:`transferbound.data.Examples` has them."""
        digests = [hashlib.sha256(row_content(row)).digest() for row in self.reference.each()]
        return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32)

    def text_rows(self) -> Iterator[tuple[str, ...]]:
        yield from ((row,) if isinstance(row, str) else row for row in self.reference.each())

    def images(self, rows: np.ndarray | None = None) -> Iterator[Image.Image]:
        """Those of ``rows``, in rising order, or all."""
        wanted = None if rows is None else {int(row) for row in rows}
        yield from (
            row for place, row in enumerate(self.reference.each()) if wanted is None or place in wanted
        )
