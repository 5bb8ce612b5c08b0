"""``verify``: start from the prior and the message alone, compute every statement again, and compare."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferbound.certificate import Certificate
from transferbound.data import LabelledData
from transferbound.errors import MessageError
from transferbound.independence import check_independence
from transferbound.priors import Prior
from transferbound.report.card import check_card
from transferbound.report.numbers import percent_up
from transferbound.statement import make_statement

__all__ = ["Verdict", "compare", "verify"]

_RELATIVE = 1e-9
"""Floats are recomputed to this relative difference: libraries' logarithms differ in their last digits."""


@dataclass(frozen=True)
class Verdict:
    """What came of checking a certificate.

    Attributes:
        holds: whether every statement was recomputed and agreed.
        problems: one line for each that did not, naming it.
        certificate: what was checked.
        errors: the errors counted anew, or None where it did not come to that.
    """

    holds: bool
    problems: tuple[str, ...]
    certificate: Certificate
    errors: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        content = self.certificate.content
        keys = ("risk_bound", "confidence", "n", "errors", "message_bits")
        return {
            "holds": self.holds,
            "problems": list(self.problems),
            "errors_counted": self.errors,
            **{key: content[key] for key in keys},
        }

    def text(self) -> str:
        """The verdict, for a terminal."""
        if not self.holds:
            return "\n".join(["DOES NOT HOLD", *(f"- {line}" for line in self.problems)])
        content = self.certificate.content
        return (
            f"HOLDS: error on new data at most {percent_up(content['risk_bound'])} with "
            f"{100 * content['confidence']:g} % confidence; {self.errors:,} errors counted anew, "
            f"{content['message_bits']:.1f} bits"
        )


def verify(
    folder: str | os.PathLike[str],
    *,
    prior: str | None = None,
    dataset: str | None = None,
    batch_size: int = 250,
    progress: bool = False,
) -> Verdict:
    """Checks the certificate in ``folder``.

    Args:
        folder: what ``transferbound bound`` wrote.
        prior, dataset: where the checkpoint and the data are now, if not under the recorded names. Their
            fingerprints must still be the recorded ones.
        batch_size: rows at a time; without effect on the result.
        progress: show progress bars.

    Raises:
        CertificateError: the files are missing or malformed: there is nothing to check.
        PriorError, DataError: the checkpoint or the data cannot be had.
    """
    certificate = Certificate.from_pretrained(folder)
    content = certificate.content
    problems = _message_problems(certificate)
    if problems:
        return Verdict(False, tuple(problems), certificate)
    checkpoint = Prior.from_pretrained(
        prior or content["prior"]["id"], revision=None if prior else _pinned(content["prior"])
    )
    if checkpoint.fingerprint != content["prior"]["sha256"]:
        return Verdict(
            False,
            (_differs("prior.sha256", content["prior"]["sha256"], checkpoint.fingerprint),),
            certificate,
        )
    data = _load(content, dataset, content["dataset"]["split"])
    try:
        stated = make_statement(
            checkpoint,
            data,
            certificate.message,
            confidence=content["confidence"],
            candidates=content["decoder"]["candidates"],
            test=_test(content, dataset),
            independence=_independence(checkpoint, data, content),
            batch_size=batch_size,
            progress=progress,
        )
    except MessageError as error:
        return Verdict(False, (f"offset.bin: {error}",), certificate)
    found = compare(_comparable(content, prior, dataset), _comparable(stated, prior, dataset))
    found += check_card(Path(folder), certificate)
    return Verdict(not found, tuple(found), certificate, stated["errors"])


def compare(stated: Any, computed: Any, path: str = "") -> list[str]:
    """Every place in which two pieces of plain data differ, a line each."""
    if isinstance(stated, dict) and isinstance(computed, dict):
        found = []
        for key in [*stated, *(k for k in computed if k not in stated)]:
            inner = f"{path}.{key}" if path else str(key)
            if key not in computed:
                found.append(f"{inner} is stated but has no meaning here")
            elif key not in stated:
                found.append(f"{inner} is missing")
            else:
                found += compare(stated[key], computed[key], inner)
        return found
    if isinstance(stated, list) and isinstance(computed, list) and len(stated) == len(computed):
        return [
            line
            for place, (a, b) in enumerate(zip(stated, computed, strict=True))
            for line in compare(a, b, f"{path}[{place}]")
        ]
    return [] if _same(stated, computed) else [_differs(path, stated, computed)]


def _same(stated: Any, computed: Any) -> bool:
    if isinstance(stated, bool) or isinstance(computed, bool):
        return stated is computed
    if isinstance(stated, float | int) and isinstance(computed, float | int):
        return math.isclose(stated, computed, rel_tol=_RELATIVE, abs_tol=0.0)
    return type(stated) is type(computed) and bool(stated == computed)


def _differs(path: str, stated: Any, computed: Any) -> str:
    return f"{path} is stated as {_short(stated)}, computed as {_short(computed)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _message_problems(certificate: Certificate) -> list[str]:
    stated, message = certificate.content["message"], certificate.message
    digest = hashlib.sha256(message).hexdigest()
    if digest == stated["sha256"]:
        return []
    if 8 * len(message) != stated["file_bits"]:
        return [f"offset.bin has {8 * len(message)} bits, message.file_bits says {stated['file_bits']}"]
    return [_differs("message.sha256", stated["sha256"], digest)]


def _pinned(prior: dict[str, Any]) -> str | None:
    return prior["revision"]


def _load(content: dict[str, Any], dataset: str | None, split: str) -> LabelledData:
    stated = content["dataset"]
    columns = stated["columns"] if isinstance(stated["columns"], dict) else {}
    images = columns.get("image") or [None]
    return LabelledData.load(
        dataset or stated["id"],
        split=split,
        config=stated["config"],
        revision=None if dataset else stated["revision"],
        image_column=images[0],
        text_columns=columns.get("text"),
        label_column=columns.get("label"),
        group_column=columns.get("group"),
        num_classes=None if stated["classes_from"] == "features" else len(stated["class_names"]),
    )


def _test(content: dict[str, Any], dataset: str | None) -> LabelledData | None:
    evaluation = content["evaluation"]
    test = evaluation.get("test") if isinstance(evaluation, dict) else None
    if not isinstance(test, dict):
        return None
    return _load(content, dataset, str(test.get("split")))


def _independence(checkpoint: Prior, data: LabelledData, content: dict[str, Any]) -> dict[str, Any]:
    """The check again, as it was made."""
    stated = content["independence"]
    checked = stated.get("checked") if isinstance(stated, dict) else None
    named = checked.get("pretraining_data") if isinstance(checked, dict) else None
    corpus: dict[str, Any] | None = named if isinstance(named, dict) else None
    return check_independence(
        checkpoint,
        data,
        None if corpus is None else str(corpus.get("id")),
        override=isinstance(stated, dict) and stated.get("override") is True,
        pretraining_split="train" if corpus is None else str(corpus.get("split")),
    )


def _comparable(content: dict[str, Any], prior: str | None, dataset: str | None) -> dict[str, Any]:
    """What can be recomputed; names and revisions fall out where the user named another place."""
    kept = {key: value for key, value in content.items() if key not in ("unverified",)}
    if prior is not None:
        kept["prior"] = {k: v for k, v in kept["prior"].items() if k not in ("id", "revision", "provenance")}
    if dataset is not None:
        kept["dataset"] = {k: v for k, v in kept["dataset"].items() if k not in ("id", "revision", "config")}
    if prior is not None or dataset is not None:
        kept.pop("assumptions", None)
        kept.pop("independence", None)
    return kept
