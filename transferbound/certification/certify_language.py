"""``certify`` for language models: finetune on documents, code the message, and state what it proves."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from accelerate import Accelerator

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content
from transferbound.certificate.language_content import LanguageContent
from transferbound.certificate.language_statement import Scored, make_language_statement
from transferbound.certification.language_run import LanguageRun, kept_likelihoods, trained_offset
from transferbound.certification.language_settings import PROMPT, LanguageSettings
from transferbound.certification.settings import CertifySettings
from transferbound.certification.writing import checked_out, versions, write_certificate
from transferbound.data.documents import Documents
from transferbound.data.encoded_documents import encode_documents
from transferbound.data.examples import Examples
from transferbound.errors import ArgumentError, DataError
from transferbound.finetune.prompt import search_prompt
from transferbound.independence.check import check_independence
from transferbound.language_predictor import decode_language_predictor
from transferbound.message.generation import MIXES, GenerationMessage, encode_generation
from transferbound.priors import DocumentPreprocessing, Prior
from transferbound.priors.backends.choose import TEXT_GENERATION
from transferbound.risks.likelihoods import Likelihoods, log_likelihoods
from transferbound.storage.run_state import RunState
from transferbound.subspace.config import SubspaceConfig

__all__ = ["DEFAULT_KIND", "certify_language", "default_language_dim"]

DEFAULT_KIND = "hashed"
"""Of subspace, where none is named."""


def certify_language(
    prior: Prior | str,
    data: Documents | str,
    out: str | os.PathLike[str] | None = None,
    settings: CertifySettings | None = None,
    language: LanguageSettings | None = None,
    *,
    kind: str | None = None,
    test: Documents | None = None,
    pretraining: str | Examples | None = None,
    allow_dependence: bool = False,
    progress: bool = True,
) -> Certificate:
    """Finetunes the language model ``prior`` on documents and bounds its bits per token on new ones.

    Args:
        prior: a causal language model, or its name.
        data: the documents, or the data set's name.
        out: as for :func:`transferbound.certify`.
        settings: of the subspace, the finetuning, the confidence and the list of variants.
        language: what is bounded.
        kind: ``prompt`` for a prompt; None: the subspace of ``settings``, or the default one.
        test: documents for reporting only.
        pretraining, allow_dependence, progress: as for :func:`transferbound.certify`.

    Raises:
        TransferboundError: one of :mod:`transferbound.errors`; nothing is written to ``out`` then.
    """
    started = time.monotonic()
    settings, language = settings or CertifySettings(), language or LanguageSettings()
    target = checked_out(out, settings)
    if kind == PROMPT and settings.candidates != 1:
        raise ArgumentError(
            "a prompt names no variant (--candidate); name another kind, or leave the list out"
        )
    prior = Prior.from_pretrained(prior, task=TEXT_GENERATION) if isinstance(prior, str) else prior
    data = Documents.load(data) if isinstance(data, str) else data
    if test is not None and data.name == test.name and data.config == test.config and data.shared_rows(test):
        raise DataError(
            f"the test split {test.split} holds rows that the model is trained on; name another, or none"
        )
    independence = check_independence(prior, data, pretraining, override=allow_dependence)
    preprocessing = prior.preprocessing(language.max_tokens)
    assert isinstance(preprocessing, DocumentPreprocessing)
    encoded = encode_documents(preprocessing, data, min_tokens=language.min_tokens, progress=progress)
    accelerator = Accelerator(mixed_precision=settings.finetune.mixed_precision)
    how: dict[str, Any] = {"accelerator": accelerator, "progress": progress}
    before = kept_likelihoods(
        prior, data, encoded, vocabulary=preprocessing.vocabulary, desc="scoring, prior", **how
    )
    deadline = started + 60 * settings.finetune.budget_minutes
    run = LanguageRun(prior, data, encoded, before, settings, language, accelerator, progress, deadline)
    message, after, training, state = _found(run, kind, target, how)
    decoded = message.offset, message.prompt
    statement = make_language_statement(
        prior,
        data,
        encode_generation(message),
        confidence=settings.confidence,
        max_tokens=language.max_tokens,
        min_tokens=language.min_tokens,
        candidates=settings.candidates,
        list_written=settings.list_written,
        test=test,
        independence=independence,
        scored=Scored(encoded, before, after, decoded),
        **how,
    )
    content: LanguageContent = {**statement, "unverified": {"training": training, "versions": versions()}}
    certificate = Certificate(cast(Content, content), encode_generation(message))
    write_certificate(certificate, target, state, accelerator)
    return certificate


def default_language_dim(n: int) -> int:
    """The number of coordinates where the user names none: a fiftieth of n, from 100 to 3,000."""
    return min(max(n // 50, 100), 3000)


def _found(
    run: LanguageRun, kind: str | None, target: Path | None, how: dict[str, Any]
) -> tuple[GenerationMessage, Likelihoods, dict[str, Any], RunState | None]:
    """The message, what the decoded model makes of the documents, and what is told of the training."""
    state = None
    if kind == PROMPT:
        prompt, training = search_prompt(
            run.prior, run.encoded, run.risk(), run.delta, run.deadline, run.progress
        )
        plain = GenerationMessage(MIXES[0], prompt=prompt)
    else:
        config = run.settings.subspace or SubspaceConfig(
            DEFAULT_KIND, default_language_dim(run.risk().units.n)
        )
        state = _state(run, config, target)
        offset, training = trained_offset(run, config, state)
        plain = GenerationMessage(MIXES[0], offset=offset)
    predictor = decode_language_predictor(
        run.prior,
        encode_generation(plain),
        max_tokens=run.language.max_tokens,
        candidates=run.settings.candidates,
    )
    predictor.module.to(run.accelerator.device)
    after = log_likelihoods(predictor.module, run.encoded, run.vocabulary, desc="scoring, finetuned", **how)
    risk = run.risk()

    def bound(mix: int) -> float:
        return risk.bounds(risk.mixture(after.log2, mix), predictor.bits, run.delta, mix).risk

    mix = min(MIXES, key=bound)  # paid: the message names it
    return GenerationMessage(mix, plain.offset, plain.prompt), after, training, state


def _state(run: LanguageRun, config: SubspaceConfig, target: Path | None) -> RunState | None:
    if target is None:
        return None
    finetune = run.settings.finetune.to_dict()
    finetune.pop("save_seconds")
    what = {
        "task": TEXT_GENERATION,
        "prior": run.prior.fingerprint,
        "dataset": run.data.fingerprint,
        "documents": hashlib.sha256(run.encoded.rows.tobytes()).hexdigest(),
        "language": asdict(run.language),
        "subspace": asdict(config),
        "levels": run.settings.levels,
        "candidate": [run.settings.candidate, run.settings.candidates],
        "finetune": finetune,
        "confidence": run.settings.confidence,
    }
    return RunState(target.with_name(target.name + ".partial"), what, restart=run.settings.restart)
