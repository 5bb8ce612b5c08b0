"""``verify``: start from the prior and the message alone, compute every statement again, and compare."""

from __future__ import annotations

import copy
import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.statement import make_statement
from transferbound.data.encoded import EncodedData
from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.errors import ArgumentError, MessageError, PriorIndependenceError
from transferbound.independence.check import check_independence
from transferbound.priors import Prior
from transferbound.report.card_check import check_card
from transferbound.verification.compare import compare, differs
from transferbound.verification.recorded import (
    data_as_recorded,
    load_as_recorded,
    notes_on,
    prior_as_recorded,
    recorded_corpus,
)
from transferbound.verification.verdict import Verdict

__all__ = ["check_certificate", "verify"]


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
    corpus = recorded_corpus(content, pretraining_data)
    checkpoint = Prior.from_pretrained(
        prior or content["prior"]["id"], revision=None if prior else content["prior"]["revision"]
    )
    if checkpoint.fingerprint != content["prior"]["sha256"]:
        line = differs("prior.sha256", content["prior"]["sha256"], checkpoint.fingerprint)
        return Verdict(False, (line,), certificate)
    stated_test, stated_part = content["evaluation"]["test"], content["independence"]["prior_split"]
    verdict = check_certificate(
        certificate,
        checkpoint,
        load_as_recorded(content, dataset, content["dataset"]["split"]),
        test=None if stated_test is None else load_as_recorded(content, dataset, stated_test["split"]),
        prior_split=None if stated_part is None else load_as_recorded(content, dataset, stated_part["split"]),
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
    named = prior_as_recorded(checkpoint, content["prior"]) if prior_elsewhere else checkpoint
    rows = data_as_recorded(data, content["dataset"]) if data_elsewhere else data
    part = data_as_recorded(prior_split, content["dataset"]) if data_elsewhere else prior_split
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
    notes = notes_on(checkpoint, content, prior_elsewhere, data_elsewhere)
    if pretraining is not None:
        notes.append(
            f"the pretraining data was read from another place; that {pretraining.name} holds the same rows was not "
            "checked"
        )
    return Verdict(not problems, tuple(problems), certificate, computed["errors"], tuple(notes))


def _message_problems(certificate: Certificate) -> list[str]:
    stated, message = certificate.content["message"], certificate.message
    digest = hashlib.sha256(message).hexdigest()
    if digest == stated["sha256"]:
        return []
    if 8 * len(message) != stated["file_bits"]:
        return [f"offset.bin has {8 * len(message)} bits, message.file_bits says {stated['file_bits']}"]
    return [differs("message.sha256", stated["sha256"], digest)]


def _test_problems(
    test: LabelledData | None, data: LabelledData, prior_split: LabelledData | None
) -> list[str]:
    seen = [split for split in (data, prior_split) if split is not None]
    if test is None or not any(split.shared_rows(test) for split in seen):
        return []
    return [f"evaluation.test.split {test.split} holds rows that were trained on"]


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
