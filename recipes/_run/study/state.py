"""From integers that a study's own training found to a certificate: as ``certify`` does it, by the decoder's path."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

import transferbound
from transferbound import Certificate
from transferbound.certificate.content import Content
from transferbound.certificate.statement import make_statement
from transferbound.certification.inputs import Inputs
from transferbound.data.encoded import EncodedData
from transferbound.message import Header, cheapest
from transferbound.message.stream import encode
from transferbound.report.card import write_card

CONFIDENCE = 0.95


def stated(
    inputs: Inputs,
    header: Header,
    integers: npt.NDArray[np.int64],
    out: Path,
    *,
    variant: Mapping[str, Any],
    training: Mapping[str, Any],
    contexts: npt.NDArray[np.int64] | None = None,
    encoded: EncodedData | None = None,
) -> Certificate:
    """Codes the integers, decodes the message, counts with what was decoded, and writes the certificate.

    Args:
        inputs: prior and data.
        header, integers, contexts: the message.
        out: a new folder.
        variant: its place on the study's list.
        training: plain JSON of how the integers were found; ``study`` of it goes into the row.
        encoded: the rows, where they are at hand.
    """
    coded = cheapest(header, integers, contexts)
    message = encode(coded, integers, contexts)
    statement = make_statement(
        inputs.prior,
        inputs.data,
        message,
        confidence=CONFIDENCE,
        candidates=variant["candidates"],
        list_written=variant["list_written"],
        independence=inputs.independence,
        reference=inputs.reference,
        encoded=encoded,
    )
    versions = {name: version(name) for name in ("torch", "timm", "transformers", "numpy")}
    versions |= {"transferbound": transferbound.__version__, "python": platform.python_version()}
    unverified = {"training": dict(training), "versions": versions}
    certificate = Certificate(cast(Content, {**statement, "unverified": unverified}), message)
    certificate.save_pretrained(out, finish=lambda folder: write_card(folder, certificate))
    return certificate
