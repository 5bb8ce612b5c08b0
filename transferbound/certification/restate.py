"""``restate``: an earlier certificate's message, stated anew in the form of this release.

A certificate is a function of prior, data, message and a few choices; so what a message proves can be stated again
without training, where prior and data are at hand. Nothing of the old statement is taken over but those choices.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from transferbound.certificate.certificate import CERTIFICATE_FILE, Certificate
from transferbound.certificate.content import Content
from transferbound.certificate.schema import MESSAGE_FILE
from transferbound.certificate.statement import make_statement
from transferbound.certification.inputs import Inputs
from transferbound.errors import CertificateError
from transferbound.message.stream import MAX_BYTES
from transferbound.report.card import write_card
from transferbound.storage.files import read_json, read_limited

__all__ = ["restate"]


def restate(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    inputs: Inputs,
    *,
    list_written: str | None = None,
    progress: bool = True,
) -> Certificate:
    """Writes the certificate that this release makes of the message in ``folder``.

    Args:
        folder: a certificate of any release.
        out: the new folder; it must not exist.
        inputs: prior and data, as they were then, checked as for ``certify``.
        list_written: see :class:`transferbound.certification.settings.CertifySettings`; default: what the old one says.
        progress: show progress bars.

    Raises:
        CertificateError: the old folder does not say what is needed.
        TransferboundError: as ``verify`` and ``certify``.
    """
    source = Path(folder)
    old: Any = read_json(source / CERTIFICATE_FILE, CertificateError)
    message = read_limited(source / MESSAGE_FILE, MAX_BYTES, CertificateError)
    try:
        confidence, candidates = float(old["confidence"]), int(old["decoder"]["candidates"])
        written = list_written or str(old["decoder"].get("list_written", "before"))
        unverified = dict(old["unverified"])
    except (KeyError, TypeError, ValueError) as error:
        raise CertificateError(
            f"{source / CERTIFICATE_FILE} does not say its {error}; nothing can be restated"
        ) from error
    stated = make_statement(
        inputs.prior,
        inputs.data,
        message,
        confidence=confidence,
        candidates=candidates,
        list_written=written,
        test=inputs.test,
        independence=inputs.independence,
        reference=inputs.reference,
        progress=progress,
    )
    certificate = Certificate(cast(Content, {**stated, "unverified": unverified}), message)
    certificate.save_pretrained(out, finish=lambda place: write_card(place, certificate))
    return certificate
