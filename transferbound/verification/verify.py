"""``verify``: start from the prior and the message alone, compute every statement again, and compare."""

from __future__ import annotations

import copy
import hashlib
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.statement import make_statement
from transferbound.data.encoded import EncodedData
from transferbound.data.labelled import Examples, LabelledData
from transferbound.errors import ArgumentError, MessageError, PriorIndependenceError
from transferbound.independence.check import check_independence
from transferbound.priors import Prior
from transferbound.report.card import check_card
from transferbound.report.summary import prior_label, warnings
from transferbound.wording import confidence_text, percent_up

__all__ = ["Verdict", "check_certificate", "compare", "verify"]

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
        notes: what was taken on the certificate's word.
    """

    holds: bool
    problems: tuple[str, ...]
    certificate: Certificate
    errors: int | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        content = self.certificate.content
        keys = ("risk_bound", "confidence", "n", "errors", "message_bits")
        return {
            "holds": self.holds,
            "problems": list(self.problems),
            "warnings": warnings(self.certificate.content),
            "notes": list(self.notes),
            "data_dependent_prior": content["independence"]["data_dependent"],
            "errors_counted": self.errors,
            **{key: content[key] for key in keys},
        }

    def text(self) -> str:
        """The verdict, for a terminal."""
        if not self.holds:
            return "\n".join(["DOES NOT HOLD", *(f"- {line}" for line in self.problems)])
        content = self.certificate.content
        lines = [
            f"HOLDS: error on new data at most {percent_up(content['risk_bound'])} with "
            f"{confidence_text(content['confidence'])} confidence; {self.errors:,} errors counted anew, "
            f"{content['message_bits']:.1f} bits"
        ]
        lines.append(f"- {prior_label(content)}")
        lines += [f"- WARNING: {line}" for line in warnings(content)]
        if self.certificate.is_vacuous:
            lines.append("- the bound is vacuous: no better than guessing")
        return "\n".join(lines + [f"- {line}" for line in self.notes])


def verify(
    folder: str | os.PathLike[str],
    *,
    prior: str | None = None,
    dataset: str | None = None,
    pretraining_data: str | None = None,
    batch_size: int = 250,
    progress: bool = False,
) -> Verdict:
    """Checks the certificate in ``folder``.

    Args:
        folder: what ``transferbound bound`` wrote.
        prior, dataset: where the checkpoint and the data are now, if not under the recorded names. Their
            fingerprints must still be the recorded ones.
        pretraining_data: where the data is now that the checkpoint was trained on, if not under the recorded name.
            It has no fingerprint; what is found in it must still be what is stated.
        batch_size: rows at a time; without effect on the result.
        progress: show progress bars.

    Raises:
        CertificateError: the files are missing or malformed: there is nothing to check.
        PriorError, DataError: the checkpoint or the data cannot be had.
        ArgumentError: ``pretraining_data`` is given, and the certificate states none.
    """
    certificate = Certificate.from_pretrained(folder)
    content = certificate.content
    problems = _message_problems(certificate)
    if problems:
        return Verdict(False, tuple(problems), certificate)
    prior = None if prior == content["prior"]["id"] else prior
    dataset = None if dataset == content["dataset"]["id"] else dataset
    corpus = _corpus(content, pretraining_data)
    checkpoint = Prior.from_pretrained(
        prior or content["prior"]["id"], revision=None if prior else content["prior"]["revision"]
    )
    if checkpoint.fingerprint != content["prior"]["sha256"]:
        line = _differs("prior.sha256", content["prior"]["sha256"], checkpoint.fingerprint)
        return Verdict(False, (line,), certificate)
    stated_test, stated_part = content["evaluation"]["test"], content["independence"]["prior_split"]
    verdict = check_certificate(
        certificate,
        checkpoint,
        _load(content, dataset, content["dataset"]["split"]),
        test=None if stated_test is None else _load(content, dataset, stated_test["split"]),
        prior_split=None if stated_part is None else _load(content, dataset, stated_part["split"]),
        pretraining=corpus,
        prior_elsewhere=prior is not None,
        data_elsewhere=dataset is not None,
        batch_size=batch_size,
        progress=progress,
    )
    # The card is made from the statement: where that is false there is nothing to compare it with.
    wrong = check_card(Path(folder), certificate) if verdict.holds else []
    return replace(verdict, holds=False, problems=tuple(wrong)) if wrong else verdict


def check_certificate(
    certificate: Certificate,
    checkpoint: Prior,
    data: LabelledData,
    *,
    test: LabelledData | None = None,
    prior_split: LabelledData | None = None,
    pretraining: Examples | None = None,
    prior_elsewhere: bool = False,
    data_elsewhere: bool = False,
    batch_size: int = 250,
    progress: bool = False,
    encoded: EncodedData | None = None,
) -> Verdict:
    """Checks a certificate against a checkpoint and data that are loaded already.

    Args:
        certificate, checkpoint, data: what is checked, against what.
        test, prior_split: the splits that ``evaluation.test`` and ``independence.prior_split`` name, where they
            name one.
        pretraining: the rows that ``independence.checked.pretraining_data`` names, where they were read from another
            place than the recorded one. Default: they are read from there.
        prior_elsewhere, data_elsewhere: the checkpoint or the data was read from another place than the
            recorded one, so that its name and revision are the certificate's word.
        encoded: ``data`` under the message's preprocessing, where it is at hand already.
        batch_size, progress: as for :func:`verify`.

    Raises:
        DataError, PriorError: a row or a checkpoint of pretraining data cannot be read.
    """
    content = certificate.content
    problems = _message_problems(certificate)
    if problems:
        return Verdict(False, tuple(problems), certificate)
    named = _as_recorded(checkpoint, content["prior"]) if prior_elsewhere else checkpoint
    rows = _data_as_recorded(data, content["dataset"]) if data_elsewhere else data
    part = _data_as_recorded(prior_split, content["dataset"]) if data_elsewhere else prior_split
    try:
        independence, lines = _independence(named, checkpoint, rows, part, pretraining, content)
        problems += lines
        computed = make_statement(
            named,
            rows,
            certificate.message,
            confidence=content["confidence"],
            candidates=content["decoder"]["candidates"],
            test=test,
            independence=independence,
            batch_size=batch_size,
            progress=progress,
            encoded=encoded,
        )
    except PriorIndependenceError as error:
        return Verdict(False, (f"independence: {error}",), certificate)
    except MessageError as error:
        return Verdict(False, (f"offset.bin: {error}",), certificate)
    except ArgumentError as error:
        return Verdict(False, (f"a stated value is out of range: {error}",), certificate)
    problems += compare({key: value for key, value in content.items() if key != "unverified"}, computed)
    problems += _test_problems(test, data, prior_split)
    notes = _notes(checkpoint, content, prior_elsewhere, data_elsewhere)
    if pretraining is not None:
        notes.append(
            f"the pretraining data was read from another place; that {pretraining.name} holds the same rows was not "
            "checked"
        )
    return Verdict(not problems, tuple(problems), certificate, computed["errors"], tuple(notes))


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
    if isinstance(stated, int) and isinstance(computed, int):
        return stated == computed
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


def _test_problems(
    test: LabelledData | None, data: LabelledData, prior_split: LabelledData | None
) -> list[str]:
    seen = [split for split in (data, prior_split) if split is not None]
    if test is None or not any(split.shared_rows(test) for split in seen):
        return []
    return [f"evaluation.test.split {test.split} holds rows that were trained on"]


def _load(content: dict[str, Any], dataset: str | None, split: str) -> LabelledData:
    stated = content["dataset"]
    columns = stated["columns"]
    images = columns.get("image") or [None]
    return LabelledData.load(
        dataset or stated["id"],
        split=split,
        config=stated["config"],
        revision=None if dataset else stated["revision"],
        image_column=images[0],
        text_columns=columns.get("text"),
        label_column=columns["label"],
        group_column=columns["group"],
        num_classes=None if stated["classes_from"] == "features" else len(stated["class_names"]),
    )


def _as_recorded(checkpoint: Prior, stated: dict[str, Any]) -> Prior:
    """The checkpoint under its recorded name, with what its recorded card said."""
    named = copy.copy(checkpoint)
    named.name, named.revision = stated["id"], stated["revision"]
    named.provenance, named.licence = stated["provenance"], stated["licence"]
    return named


def _corpus(content: dict[str, Any], elsewhere: str | None) -> Examples | None:
    """The pretraining data from where it is now, under its recorded name; None where it is still there."""
    stated = content["independence"]["checked"]["pretraining_data"]
    if elsewhere is None or (stated is not None and elsewhere == stated.get("id")):
        return None
    if stated is None:
        raise ArgumentError(
            f"pretraining data {elsewhere!r} is given, but the certificate states none; leave it out"
        )
    found = Examples.open(elsewhere, split=str(stated.get("split")))
    return replace(found, name=str(stated.get("id")))


_Data = TypeVar("_Data", LabelledData, None, LabelledData | None)


def _data_as_recorded(data: _Data, stated: dict[str, Any]) -> _Data:
    if data is None:
        return data
    named = copy.copy(data)
    for here, there in (("name", "id"), ("revision", "revision"), ("config", "config")):
        object.__setattr__(named, here, stated[there])
    return named


def _independence(
    named: Prior,
    checkpoint: Prior,
    data: LabelledData,
    part: LabelledData | None,
    pretraining: Examples | None,
    content: dict[str, Any],
) -> tuple[dict[str, Any], list[str]]:
    """The check again, as it was made; and what the card of the checkpoint at hand says beyond it."""
    stated = content["independence"]
    corpus = stated["checked"]["pretraining_data"]
    try:
        record = check_independence(
            named,
            data,
            pretraining or (None if corpus is None else str(corpus.get("id"))),
            override=stated["override"],
            pretraining_split="train" if corpus is None else str(corpus.get("split")),
            prior_split=part,
        )
    except (TypeError, AttributeError, KeyError) as error:
        raise MessageError(f"prior.provenance is malformed: {error}") from error
    if named is checkpoint:
        return record, []
    here = copy.copy(checkpoint)
    here.name = named.name
    known = {finding["message"] for finding in record["findings"]}
    found = check_independence(here, data, override=True)["findings"]
    return record, [
        f"independence.findings is without: {item['message']}"
        for item in found
        if item["message"] not in known
    ]


def _notes(
    checkpoint: Prior, content: dict[str, Any], prior_elsewhere: bool, data_elsewhere: bool
) -> list[str]:
    """What was taken on the certificate's word."""
    notes = []
    if prior_elsewhere:
        notes.append(
            f"the checkpoint was read from {checkpoint.name}; that {content['prior']['id']} holds the same "
            "tensors was not checked"
        )
        if checkpoint.provenance != content["prior"]["provenance"]:
            notes.append("the card of that checkpoint says other things than prior.provenance")
    if data_elsewhere:
        notes.append(
            f"the data was read from another place; that {content['dataset']['id']} holds the same rows was "
            "not checked"
        )
    return notes
