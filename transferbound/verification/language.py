"""``verify`` for language models: every document scored again, from prior and message alone."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.language_content import LanguageContent, LanguageStatement, language_content
from transferbound.certificate.language_statement import TOP_SLACK, make_language_statement
from transferbound.data.documents import Documents
from transferbound.errors import ArgumentError, DataError
from transferbound.language_predictor import PROMPT_SLACK_BITS
from transferbound.priors import Prior
from transferbound.report.card_check import check_card
from transferbound.risks.likelihoods import SLACK
from transferbound.tasks import TEXT_GENERATION
from transferbound.verification.compare import compare, differs
from transferbound.verification.independence_again import checked_again, silent_findings
from transferbound.verification.recorded import (
    Places,
    as_recorded,
    is_local,
    load_corpus,
    load_prior,
    message_problems,
    notes_on,
    other_files,
)
from transferbound.verification.verdict import REFUSALS, Verdict

__all__ = ["check_language", "verify_language"]

_LOSSES = (
    *("risk_bound", "excess_bound", "prior_risk_bound", "train_risk", "prior_train_risk"),
    *("bounds.", "comparison.train_bits_per_byte", "comparison.holdout_tenth.", "evaluation.test."),
)
_PAID = re.compile(r"message_bits|message\.ideal_bits|message\.costs\[3\]\.bits|decoder\.stages\[0\]\.bits")
_SHARES = "comparison.next_token."


def verify_language(
    folder: Path | None, certificate: Certificate, places: Places, *, batch_size: int, progress: bool
) -> Verdict:
    """Checks the certificate in ``folder``, or in memory, whose message is the one that it names.

    Raises:
        PriorError, DataError: the checkpoint or the documents cannot be had.
    """
    content = language_content(certificate.content)
    prior = load_prior(content["prior"], places.prior, TEXT_GENERATION)
    if prior.fingerprint != content["prior"]["sha256"]:
        return Verdict(
            False, (differs("prior.sha256", content["prior"]["sha256"], prior.fingerprint),), certificate
        )
    try:
        data = _counted(content, places.dataset)
    except ArgumentError as error:
        return Verdict(False, (f"dataset.pool: {error}",), certificate)
    stated_test = content["evaluation"]["test"]
    test = None if stated_test is None else _documents(content, places.dataset, stated_test["split"])
    named = prior if places.prior is None else as_recorded(prior, content["prior"])
    verdict = check_language(
        certificate, named, data, test=test, places=places, batch_size=batch_size, progress=progress
    )
    problems = list(verdict.problems)
    if places.prior is not None:
        problems += silent_findings(certificate.content, prior, data)
    if folder is not None:
        problems = problems or check_card(folder, certificate)
    if test is not None and data.shared_rows(test):
        problems.append(f"evaluation.test.split {test.split} holds rows that were trained on")
    notes = [*notes_on(certificate.content, prior, places), *other_files(folder)]
    return Verdict(not problems, tuple(problems), certificate, verdict.errors, tuple(notes))


def check_language(
    certificate: Certificate,
    prior: Prior,
    data: Documents,
    *,
    test: Documents | None = None,
    places: Places | None = None,
    batch_size: int = 250,
    progress: bool = False,
) -> Verdict:
    """Checks a certificate against a language model and documents that are loaded, under their recorded names."""
    content = language_content(certificate.content)
    if problems := message_problems(certificate):
        return Verdict(False, tuple(problems), certificate)
    elsewhere = None if places is None else places.pretraining_data
    try:
        corpus = load_corpus(certificate.content, elsewhere)
        independence = checked_again(content["independence"], prior, data, None, corpus)
        computed = make_language_statement(
            prior,
            data,
            certificate.message,
            confidence=content["confidence"],
            max_tokens=content["decoder"]["max_tokens"],
            min_tokens=content["decoder"]["min_tokens"],
            candidates=content["decoder"]["candidates"],
            list_written=content["decoder"].get("list_written", "before"),
            test=test,
            independence=independence,
            batch_size=batch_size,
            progress=progress,
            seed=secrets.randbits(32),  # other batches than the writer's, which nobody can foresee
        )
    except REFUSALS as error:
        return Verdict.refused(certificate, error)
    stated = {key: value for key, value in content.items() if key != "unverified"}
    problems = compare(stated, dict(computed), slack=_slack_of(computed))
    return Verdict(not problems, tuple(problems), certificate)


def _slack_of(content: LanguageStatement) -> Callable[[str], float]:
    """By how much a number may differ from what is computed here, ``content``. Bounds have the slack added already:
    one that is stated as smaller by up to it is still none below the truth."""
    data = content["dataset"]
    tokens = data["tokens"] / max(data["rows"] - data["left_out"], 1)
    perplexity: float = 2.0 ** min(content["risk_bound"], 64.0)
    document, prompt = SLACK * tokens, PROMPT_SLACK_BITS
    has_prompt = any("prompt" in stage for stage in content["decoder"]["stages"])

    def slack(path: str) -> float:
        if path.startswith(_LOSSES):
            return SLACK
        if path.startswith(_SHARES):
            return TOP_SLACK
        if path == "comparison.train_bits_per_document":
            return document
        if path == "comparison.perplexity_bound":
            return SLACK * perplexity
        # Of a prompt alone: what a subspace pays is exact.
        return prompt if has_prompt and _PAID.fullmatch(path) else 0.0

    return slack


def _documents(content: LanguageContent, elsewhere: Any, split: str) -> Documents:
    """The documents under their recorded name, wherever they lie now."""
    stated = content["dataset"]

    def load(data: Any, config: str | None, revision: str | None) -> Documents:
        return Documents.load(
            data,
            split=split,
            config=config,
            revision=revision,
            text_column=stated["columns"]["text"][0],
            group_column=stated["columns"]["group"],
        )

    if elsewhere is None:
        return load(stated["id"], stated["config"], stated["revision"])
    try:
        found = load(elsewhere, stated["config"], None)
    except DataError:
        # A local folder or file may hold that one configuration alone, and know nothing of its name on the Hub.
        if stated["config"] is None or not is_local(elsewhere):
            raise
        found = load(elsewhere, None, None)
    return found.under_name(stated["id"], config=stated["config"], revision=stated["revision"])


def _counted(content: LanguageContent, elsewhere: Any) -> Documents:
    """The training documents: those that were drawn, where they were drawn from a pool."""
    data, pool = _documents(content, elsewhere, content["dataset"]["split"]), content["dataset"].get("pool")
    return data if pool is None else data.drawn(content["dataset"]["rows"], pool["seed"])
