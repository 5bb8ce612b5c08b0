"""What is explained: a message decoded against the checkpoint that it names, and rows that the certificate counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.content import Content
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.data.labelled import LabelledData
from transferbound.errors import ArgumentError, DataError
from transferbound.message import header_bits, message_bits
from transferbound.predictor import DecodedPredictor
from transferbound.priors import Prior
from transferbound.priors.reference import Reference
from transferbound.risks.risk import Risk
from transferbound.risks.zero_one import ZeroOne
from transferbound.verification.recorded import load_counted

__all__ = ["Held", "held"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Held:
    """A decoded message and rows.

    Attributes:
        prior, reference: what it was decoded against.
        decoded: the message.
        data, encoded: rows that are looked at.
        content: what the certificate states.
        risk: of all rows, or of those looked at.
        progress: show progress bars.
    """

    prior: Prior
    reference: Reference | None
    decoded: DecodedPredictor
    data: LabelledData
    encoded: EncodedData
    content: Content
    risk: Risk
    counted: int
    progress: bool

    @property
    def integers(self) -> Ints:
        return self.decoded.integers

    @property
    def whole(self) -> bool:
        """Whether all rows that the certificate counts are looked at."""
        return self.data.n == self.counted

    def bits(self, integers: Ints) -> float:
        """Of a message with the same header and these integers."""
        return message_bits(self.decoded.header, integers, self.decoded.contexts)

    @property
    def header_bits(self) -> float:
        return header_bits(self.decoded.header)

    def without(self, places: npt.ArrayLike) -> Ints:
        """The integers with zeros at these places."""
        changed = self.integers.copy()
        changed[np.asarray(places)] = 0
        return changed

    def bound(self, wrong: Bools, bits: float) -> float | None:
        """Of a predictor that is wrong on these rows; None where they are not all that are counted."""
        if not self.whole:
            return None
        delta = failure_probability(self.content["confidence"])
        return float(self.risk.bound(wrong.astype(np.float64), bits, delta))


def held(
    content: Content,
    decode: Callable[[], tuple[Prior, Reference | None, DecodedPredictor]],
    dataset: str | None,
    rows: int | None,
    few: int,
    progress: bool,
) -> Held:
    """Finds the rows, holds them to the certificate's fingerprint, and encodes those that are to be looked at.

    Args:
        content: of the certificate.
        decode: gives checkpoint, reference inputs and the decoded message.
        dataset: where the data is now; None: under its recorded name.
        rows: most rows to look at; None: all for kind "sparse", and ``few`` for others.
        few: see ``rows``.
        progress: show progress bars.

    Raises:
        DataError: the rows cannot be read, or are not those that the certificate counts.
        ArgumentError: no rows are to be looked at.
    """
    if rows is not None and rows < 1:
        raise ArgumentError(f"rows is {rows}; look at 1 or more")
    prior, reference, decoded = decode()
    data = load_counted(content, dataset)
    stated = content["dataset"]
    if data.fingerprint != stated["sha256"]:
        raise DataError(
            f"the rows of {data.name} (split {data.split}) are not those that the certificate counts: their "
            f"fingerprint is {data.fingerprint[:16]}..., dataset.sha256 says {stated['sha256'][:16]}...; name where "
            "they are now with dataset (--dataset)"
        )
    counted = data.n
    most = (counted if decoded.header.kind in ("sparse", "constant") else few) if rows is None else rows
    if most < counted:
        chosen = np.sort(np.random.default_rng(0).permutation(counted)[:most])
        data = some_rows(data, chosen)
    encoded = encode(decoded.preprocessing, data, progress=progress)
    risk = ZeroOne.of(data)
    return Held(prior, reference, decoded, data, encoded, content, risk, counted, progress)


def some_rows(data: LabelledData, rows: Ints) -> LabelledData:
    """Some rows, each a unit of its own: to be looked at, no bound is of them."""
    return replace(data, labels=data.labels[rows], groups=None, _table=data._table.select(rows))
