"""The form of the record that the check of a prior leaves in a certificate: plain JSON."""

from __future__ import annotations

from typing import NotRequired, TypedDict

__all__ = ["Checked", "CorpusRecord", "Finding", "IndependenceRecord", "PriorSplitRecord", "ReferenceOverlap"]


class Finding(TypedDict):
    """``kind``: ``name``, ``content`` or ``order``; ``severity``: ``refuse``, ``warn`` or ``declared``."""

    kind: str
    severity: str
    message: str


class PriorSplitRecord(TypedDict):
    """The part of the data that the prior was trained on, and how many bounded rows look like rows of it."""

    split: str
    sha256: str
    rows: int
    units: int
    rows_compared: int
    near_rows_compared: int
    exact_duplicates: int
    near_duplicates: int
    first_rows: list[int]


class CorpusRecord(TypedDict):
    """Pretraining data, and how many training rows stand in it; ``first_rows`` where there are any.

    ``rows_compared`` rows were looked for as they are, ``near_rows_compared`` also for near duplicates.
    """

    id: str
    split: str
    rows: int
    rows_compared: int
    near_rows_compared: int
    exact_duplicates: int
    near_duplicates: int
    first_rows: NotRequired[list[int]]


class Checked(TypedDict):
    """What was compared: names of the data, names by where they stand on the prior's card, pretraining data."""

    data_names: list[str]
    prior_names: dict[str, list[str]]
    pretraining_data: CorpusRecord | None


class IndependenceRecord(TypedDict):
    """What was compared and found; ``verdict``: ``none found``, ``warning`` or ``overridden``."""

    data_dependent: bool
    prior_split: PriorSplitRecord | None
    checked: Checked
    findings: list[Finding]
    verdict: str
    override: bool
    assumption: str


class ReferenceOverlap(TypedDict):
    """Plain JSON: rows found, as for pretraining data; what that means; one of the verdicts of a prior's check."""

    rows: CorpusRecord
    findings: list[Finding]
    verdict: str
