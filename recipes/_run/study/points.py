"""A study is a list of declared points; each is a certificate, and leaves a row of plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from transferbound import Certificate
from transferbound.certification.inputs import Inputs
from transferbound.storage.files import write_text

Row = dict[str, Any]

FIRST_PLACE = 127
"""Places 127 to 254 of a list that may grow cost the same 14 bits. Those before are what the package came with and
what its recipes tried: see ``transferbound.certification.settings.TRIED_ON``."""
MOST_POINTS = 128

_SAID = "study"
"""Under ``unverified.training`` of a certificate: what its instrument adds to the row."""


class Instrument(Protocol):
    """How a point is trained; what the decoder needs of it is paid in the message."""

    def certify(self, inputs: Inputs, out: Path, variant: Mapping[str, Any]) -> Certificate:
        """The certificate, written to ``out``; ``variant`` are candidate, candidates and list_written."""


@dataclass(frozen=True)
class Point:
    """One setting at one seed.

    Attributes:
        setting: plain JSON that tells the points of a study apart, with the seed.
        seed: draws the sample of rows and whatever else is drawn: noise, the prior's start, the order of the rows.
        prior: gives the prior's name or path, and writes it if it is not there.
        rows: gives the data set's path, and writes it if it is not there.
        instrument: how it is trained.
        split: of ``rows`` that is bounded.
        prior_split: of ``rows`` that the prior was trained on.
        kept: whether the certificate is kept for anyone to check.
    """

    setting: Mapping[str, Any]
    seed: int
    prior: Callable[[], str]
    rows: Callable[[], str]
    instrument: Instrument
    split: str = "train"
    prior_split: str | None = None
    kept: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        """Tells it apart."""
        return (*sorted(self.setting.items()), self.seed)

    @property
    def name(self) -> str:
        """Of its folder."""
        words = [re.sub(r"[^A-Za-z0-9.]+", "_", str(value)) for value in self.setting.values()]
        return "-".join([*words, str(self.seed)])


def variant_of(rows: Sequence[Row]) -> dict[str, Any]:
    """The next place on the list of a study's points, for which a message pays; every place costs the same.

    Places are given in the order in which points are certified, none twice. The list was written with the data sets in
    view, and the certificates say so.
    """
    place = max((row["candidate"] for row in rows), default=FIRST_PLACE - 1) + 1
    if place >= FIRST_PLACE + MOST_POINTS:
        raise ValueError(f"the study has {len(rows)} points; {MOST_POINTS} have places of the same price")
    return {"candidate": place, "candidates": 0, "list_written": "after"}


def row_of(point: Point, certificate: Certificate, seconds: float) -> Row:
    """What the study tells of a point; errors and bounds are fractions, lengths are in bits."""
    content = certificate.content
    costs = {cost["field"]: cost["bits"] for cost in content["message"]["costs"]}
    training = content["unverified"]["training"]
    return {
        **point.setting,
        "seed": point.seed,
        "n": content["n"],
        "errors": content["errors"],
        "train_error": content["train_error"],
        "bits": content["message_bits"],
        "symbol_bits": costs["symbols"],
        "nonzero": content["message"]["nonzero"],
        "dim": content["decoder"]["dim"],
        "risk_bound": content["risk_bound"],
        "guess": content["comparison"]["majority_class_error"],
        "seconds": round(seconds, 1),
        "candidate": content["decoder"]["candidate"],
        "sha256": content["message"]["sha256"],
        **training.get(_SAID, {}),
    }


def read_rows(path: Path) -> list[Row]:
    """A row a line; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """A row a line, over what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def has_row(rows: Sequence[Row], point: Point) -> bool:
    """Whether a point's row is among these."""
    wanted = {**point.setting, "seed": point.seed}
    return any(all(row.get(key) == value for key, value in wanted.items()) for row in rows)
