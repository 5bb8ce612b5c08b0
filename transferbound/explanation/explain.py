"""``explain``: from a certificate's folder to what its bits are for."""

from __future__ import annotations

import os
from pathlib import Path

from transferbound.certificate.certificate import Certificate
from transferbound.errors import ArgumentError, CertificateError
from transferbound.explanation.explanation import Cut, Explanation
from transferbound.explanation.held import Held, held
from transferbound.explanation.linear import LinearHead
from transferbound.explanation.moved import Moved, agreement
from transferbound.prediction.certified import decoded_with_prior
from transferbound.risks import DEFAULT_RISK
from transferbound.risks.answers import answers_of

__all__ = ["FEW_ROWS", "MOST_COORDINATES", "explain"]

FEW_ROWS, MOST_COORDINATES = 2000, 48


def explain(
    folder: str | os.PathLike[str],
    *,
    prior: str | None = None,
    dataset: str | None = None,
    reference: str | None = None,
    rows: int | None = None,
    coordinates: int = MOST_COORDINATES,
    progress: bool = True,
) -> Explanation:
    """What each coordinate of a certificate's message buys, and what would be answered with less of it.

    Kind "sparse" is counted exactly: the network runs once, and all rows are counted with a zero in place of each
    coordinate. Of other kinds some coordinates are tried on some rows, and all are ranked by an estimate that
    ``agreement`` holds to those. Nothing here is part of what is certified.

    Args:
        folder: that ``transferbound bound`` wrote.
        prior, dataset, reference: where checkpoint, data and reference inputs are now, where not as recorded.
        rows: most rows to look at; None: all for kind "sparse", 2,000 for others.
        coordinates: most coordinates to try, for kinds other than "sparse".
        progress: show progress bars.

    Raises:
        ArgumentError: ``rows`` or ``coordinates`` is not positive.
        CertificateError: the certificate is not of a classifier.
        TransferboundError: as :meth:`transferbound.Predictor.from_pretrained`; DataError where the rows are not those
            that the certificate counts.
    """
    if coordinates < 1:
        raise ArgumentError(f"coordinates is {coordinates}; try 1 or more")
    certificate = Certificate.from_pretrained(folder)
    loss = certificate.content.get("loss", DEFAULT_RISK)
    if loss != DEFAULT_RISK:
        raise CertificateError(f"{folder} bounds {loss!r}; only certificates of classifiers can be explained")
    found = held(
        certificate.content,
        lambda: decoded_with_prior(certificate, Path(folder), prior, reference, dataset),
        dataset,
        rows,
        FEW_ROWS,
        progress,
    )
    kind = found.decoded.header.kind
    if kind == "constant":
        return _constant(found)
    return _linear(found) if kind == "sparse" else _moved(found, coordinates)


def _linear(found: Held) -> Explanation:
    head = LinearHead(found)
    return _explanation(
        found,
        errors=head.errors,
        exact=found.whole,
        coordinates=head.coordinates(),
        parts=head.parts(),
        cuts=head.cuts(),
        order="errors bought for each bit, counted anew after each cut",
        notes=(
            f"The first class, {found.data.class_names[0]}, has no coordinates: the others move against it.",
        ),
    )


def _moved(found: Held, most: int) -> Explanation:
    model = Moved(found)
    credits = model.credits()
    coordinates = model.coordinates(most, credits)
    nonzero = int((found.integers != 0).sum())
    return _explanation(
        found,
        errors=model.errors,
        exact=found.whole and len(coordinates) == nonzero,
        coordinates=coordinates,
        parts=model.parts(),
        cuts=model.cuts(credits),
        order="share of what training gained (integrated gradients)",
        agreement=agreement(coordinates, credits),
        notes=(
            "Each coordinate moves many weights, so a module has no bits of its own: what is counted is the errors "
            "without its offset.",
        ),
    )


def _constant(found: Held) -> Explanation:
    """A message that names a class; there is nothing to take away."""
    answers = answers_of(found.decoded.module, found.encoded, len(found.data.class_names)).classes
    wrong = answers != found.data.labels
    bits = found.bits(found.integers)
    cut = Cut(0, bits, int(wrong.sum()), 0, found.bound(wrong, bits))
    return _explanation(
        found,
        errors=cut.errors,
        exact=found.whole,
        coordinates=(),
        parts={},
        cuts=(cut,),
        order="nothing to rank",
        notes=("The message names the class that is always answered, and holds nothing else.",),
    )


def _explanation(found: Held, **own: object) -> Explanation:
    header, notes = found.decoded.header, list(own.pop("notes"))  # type: ignore[call-overload]
    stated = found.content["errors"]
    if not found.whole:
        notes.append(
            f"{found.data.n:,} of {found.counted:,} rows were looked at, drawn once for all: errors are of those, and "
            "no bound is of them."
        )
    elif own["errors"] != stated:
        notes.append(
            f"{own['errors']:,} rows are wrong as counted here, {stated:,} in the certificate: some are at the "
            "border of a tie."
        )
    return Explanation(
        kind=header.kind,
        nonzero=int((found.integers != 0).sum()),
        dim=header.dim,
        bits=found.bits(found.integers),
        header_bits=found.header_bits,
        rows=found.data.n,
        counted=found.counted,
        stated_errors=stated,
        notes=tuple(notes),
        **own,  # type: ignore[arg-type]
    )
