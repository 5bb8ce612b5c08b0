"""``verify``: start from the prior and the message alone, compute every statement again, and compare."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from typing import Any

from transferbound._numerics import own_numerics
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.language_content import is_language
from transferbound.certificate.remote import certificate_folder
from transferbound.certificate.schema import check_content
from transferbound.certificate.statement import make_statement
from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.priors import Prior
from transferbound.report.card_check import check_card
from transferbound.risks import DEFAULT_RISK
from transferbound.storage.folders import scratch_folder
from transferbound.verification.compare import compare, differs
from transferbound.verification.independence_again import checked_again, silent_findings
from transferbound.verification.language import verify_language
from transferbound.verification.recorded import (
    Places,
    as_recorded,
    load_corpus,
    load_prior,
    load_rows,
    load_searched_reference,
    message_problems,
    notes_on,
    other_files,
    without_set_aside,
)
from transferbound.verification.verdict import REFUSALS, Verdict

__all__ = ["check_certificate", "verify"]


@own_numerics()
def verify(
    certificate: Certificate | str | os.PathLike[str],
    *,
    prior: Any = None,
    dataset: Any = None,
    pretraining_data: Any = None,
    reference: Any = None,
    batch_size: int = 250,
    progress: bool = False,
) -> Verdict:
    """Checks a certificate: the folder ``certificate``, or one in memory, which has no card to be compared.

    Args:
        certificate: what ``transferbound bound`` wrote, ``hf://OWNER/NAME[@REVISION]`` for one on the Hub, or what
            :func:`transferbound.certify` gave.
        prior, dataset: where the checkpoint and the data are now, if not under the recorded names, or they
            themselves, as :func:`transferbound.certify` takes them; the data as ``datasets`` objects, not as
            :class:`LabelledData`, because they are read as the certificate says. Their fingerprints must still be the
            recorded ones. A checkpoint in the folder ``prior`` beside the certificate is found there.
        pretraining_data: where the data is now that the checkpoint was trained on, if not under the recorded name.
            It has no fingerprint; what is found in it must still be what is stated.
        reference: where the reference inputs are now, if not under the recorded name.
        batch_size: rows at a time; without effect on the result.
        progress: show progress bars.

    Raises:
        CertificateError: the files are missing or malformed: there is nothing to check.
        PriorError, DataError: the checkpoint or the data cannot be had.
        ArgumentError: ``pretraining_data`` is given, and the certificate states none.
    """
    folder = None
    if isinstance(certificate, Certificate):
        check_content(certificate.content)
    else:
        folder = certificate_folder(certificate)
        certificate = Certificate.from_pretrained(folder)
    content = certificate.content
    problems = message_problems(certificate)
    if problems:
        return Verdict(False, tuple(problems), certificate)
    places = Places(prior, dataset, pretraining_data, reference)
    places = (places if folder is None else places.beside(folder, content)).elsewhere(content)
    if is_language(content):
        return verify_language(folder, certificate, places, batch_size=batch_size, progress=progress)
    checkpoint = load_prior(content["prior"], places.prior)
    if checkpoint.fingerprint != content["prior"]["sha256"]:
        line = differs("prior.sha256", content["prior"]["sha256"], checkpoint.fingerprint)
        return Verdict(False, (line,), certificate)
    rows = load_rows(content, places.dataset)
    verdict = check_certificate(
        certificate,
        checkpoint if places.prior is None else as_recorded(checkpoint, content["prior"]),
        rows.data,
        test=rows.test,
        prior_split=rows.prior_split,
        pretraining=load_corpus(content, places.pretraining_data),
        reference=places.reference,
        batch_size=batch_size,
        progress=progress,
    )
    problems = list(verdict.problems)
    if places.prior is not None:
        problems += silent_findings(content, checkpoint, rows.data)
    # The card is made from the statement: where that is false there is nothing to compare it with.
    if folder is not None:
        problems = problems or check_card(folder, certificate)
    notes = [*notes_on(content, checkpoint, places), *other_files(folder)]
    return replace(verdict, holds=not problems, problems=tuple(problems), notes=tuple(notes))


@own_numerics()
def check_certificate(
    certificate: Certificate,
    prior: Prior,
    data: LabelledData,
    *,
    test: LabelledData | None = None,
    prior_split: LabelledData | None = None,
    pretraining: Examples | None = None,
    reference: Any = None,
    batch_size: int = 250,
    progress: bool = False,
) -> Verdict:
    """Checks a certificate against a checkpoint and data that are loaded already, under their recorded names.

    Args:
        certificate, prior, data: what is checked, against what.
        test, prior_split: the splits that ``evaluation.test`` and ``independence.prior_split`` name, where they
            name one.
        pretraining: the rows that ``independence.checked.pretraining_data`` names. Default: they are read from there.
        reference: where the reference inputs are now; None: under their recorded name.
        batch_size, progress: as for :func:`verify`.

    Raises:
        DataError, PriorError: a row or a checkpoint of pretraining data cannot be read.
    """
    content = certificate.content
    problems = message_problems(certificate)
    if problems:
        return Verdict(False, tuple(problems), certificate)
    try:
        data = without_set_aside(data, content)
        with scratch_folder("transferbound-verify-") as scratch:  # no cache that others wrote
            computed = make_statement(
                prior,
                data,
                certificate.message,
                confidence=content["confidence"],
                risk=content.get("loss", DEFAULT_RISK),
                candidates=content["decoder"]["candidates"],
                list_written=content["decoder"].get("list_written", "before"),
                test=test,
                independence=checked_again(content["independence"], prior, data, prior_split, pretraining),
                reference=load_searched_reference(content, reference, data),
                batch_size=batch_size,
                progress=progress,
                cache_dir=scratch,
                seed=secrets.randbits(32),  # other batches than the writer's, which nobody can foresee
            )
    except REFUSALS as error:
        return Verdict.refused(certificate, error)
    problems = compare({key: value for key, value in content.items() if key != "unverified"}, computed)
    problems += _test_problems(test, data, prior_split)
    return Verdict(not problems, tuple(problems), certificate, computed["errors"])


def _test_problems(
    test: LabelledData | None, data: LabelledData, prior_split: LabelledData | None
) -> list[str]:
    seen = [split for split in (data, prior_split) if split is not None]
    if test is None or not any(split.shared_rows(test) for split in seen):
        return []
    return [f"evaluation.test.split {test.split} holds rows that were trained on"]
