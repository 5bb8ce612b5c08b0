"""``certify`` for language models: finetune on documents, code the message, and state what it proves."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any, cast

from accelerate import Accelerator

from transferbound._numerics import own_numerics
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content
from transferbound.certificate.language_content import LanguageContent
from transferbound.certificate.language_statement import Scored, make_language_statement
from transferbound.certification.language_chain import Chain
from transferbound.certification.language_run import LanguageRun, kept_likelihoods
from transferbound.certification.language_settings import PROMPT, LanguageSettings
from transferbound.certification.settings import CertifySettings
from transferbound.certification.writing import checked_out, versions, write_certificate
from transferbound.data.documents import Documents
from transferbound.data.encoded_documents import encode_documents
from transferbound.distributed import accelerator_for
from transferbound.errors import ArgumentError, DataError, PriorError
from transferbound.independence.check import check_independence
from transferbound.independence.record import IndependenceRecord
from transferbound.message.generation import MOST_PROMPT_TOKENS, encode_generation
from transferbound.priors import DocumentPreprocessing, Prior
from transferbound.storage.run_state import partial_of, settings_of
from transferbound.subspace.config import SubspaceConfig
from transferbound.tasks import TEXT_GENERATION

__all__ = ["DEFAULT_KIND", "certify_language", "default_language_dim", "default_stages"]

DEFAULT_KIND = "hashed"
"""Of subspace, where none is named."""

_MOST_DEFAULT_STAGES, _SPLIT, _LEAST_DIM = 3, 300, 50


@own_numerics()
def certify_language(
    prior: Any,
    data: Any,
    out: str | os.PathLike[str] | None = None,
    settings: CertifySettings | None = None,
    language: LanguageSettings | None = None,
    *,
    kind: str | None = None,
    test: Documents | None = None,
    pretraining: Any = None,
    allow_dependence: bool = False,
    progress: bool = True,
) -> Certificate:
    """Finetunes the language model ``prior`` on documents and bounds its bits per token on new ones.

    Args:
        prior: a causal language model, given as for :func:`transferbound.certify`.
        data: the documents, or what :meth:`Documents.load` takes.
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
    if (kind == PROMPT or language.stage == [PROMPT]) and settings.candidates != 1:
        raise ArgumentError(
            "a prompt names no variant (--candidate); name another kind, or leave the list out"
        )
    prior = Prior.of(prior, task=TEXT_GENERATION)
    data = _drawn(data if isinstance(data, Documents) else Documents.load(data), language, target)
    _check_test(data, test)
    known = allow_dependence or data.pool is not None  # a pool may be known to the checkpoint
    independence = check_independence(prior, data, pretraining, override=known)
    deadline = started + 60 * settings.finetune.budget_minutes
    with accelerator_for(settings.finetune.mixed_precision) as accelerator:
        run = _run(prior, data, settings, language, accelerator, progress, deadline, prompted=kind == PROMPT)
        chain = Chain(run, _stages(kind, settings, language, run), target)
        return _certified(run, chain, target, test, independence)


def _certified(
    run: LanguageRun,
    chain: Chain,
    target: Path | None,
    test: Documents | None,
    independence: IndependenceRecord,
) -> Certificate:
    """Trains, states what the message proves, and writes it down."""
    message, after, training = chain.found()
    statement = make_language_statement(
        run.prior,
        run.data,
        encode_generation(message),
        confidence=run.settings.confidence,
        max_tokens=run.language.max_tokens,
        min_tokens=run.language.min_tokens,
        candidates=run.settings.candidates,
        list_written=run.settings.list_written,
        test=test,
        independence=independence,
        scored=Scored(
            run.encoded, run.before, after, tuple((stage.offset, stage.prompt) for stage in message.stages)
        ),
        **run.how,
    )
    content: LanguageContent = {
        **statement,
        "unverified": {"training": {"stages": training}, "versions": versions()},
    }
    certificate = Certificate(cast(Content, content), encode_generation(message))
    write_certificate(certificate, target, chain.state, run.accelerator, run.prior.saved)
    return certificate


def _check_test(data: Documents, test: Documents | None) -> None:
    """Raises DataError: the test split holds rows of the training split."""
    if test is not None and data.name == test.name and data.config == test.config and data.shared_rows(test):
        raise DataError(
            f"the test split {test.split} holds rows that the model is trained on; name another, or none"
        )


def _run(
    prior: Prior,
    data: Documents,
    settings: CertifySettings,
    language: LanguageSettings,
    accelerator: Accelerator,
    progress: bool,
    deadline: float,
    *,
    prompted: bool,
) -> LanguageRun:
    """The documents as tokens, and what the prior makes of them."""
    preprocessing = prior.preprocessing(language.max_tokens)
    assert isinstance(preprocessing, DocumentPreprocessing)
    if prompted or PROMPT in (language.stage or ()):
        _check_room(prior, preprocessing)
    encoded = encode_documents(preprocessing, data, min_tokens=language.min_tokens, progress=progress)
    before = kept_likelihoods(
        prior,
        data,
        encoded,
        vocabulary=preprocessing.vocabulary,
        desc="scoring, prior",
        accelerator=accelerator,
        progress=progress,
    )
    return LanguageRun(prior, data, encoded, before, settings, language, accelerator, progress, deadline)


def default_language_dim(n: int) -> int:
    """The number of coordinates of a last stage where the user names none: an eighth of n, from 100 to 8,000."""
    return min(max(n // 8, 100), 8000)


def default_stages(n: int, dim: int) -> tuple[SubspaceConfig, ...]:
    """The subspaces of a chain that ends with ``dim`` coordinates, for n units: each tenfold the one before it."""
    dims = [dim]
    while len(dims) < _MOST_DEFAULT_STAGES and dims[0] >= _SPLIT:
        dims.insert(0, max(dims[0] // 10, _LEAST_DIM))
    return tuple(SubspaceConfig(DEFAULT_KIND, one) for one in dims)


def _stages(
    kind: str | None, settings: CertifySettings, language: LanguageSettings, run: LanguageRun
) -> list[SubspaceConfig | None]:
    """The subspace of each stage; None for a prompt."""
    n = run.risk().units.n
    if language.stage:
        return [_parsed(text, n) for text in language.stage]
    if kind == PROMPT:
        return [None]
    if settings.subspace is not None:
        return [settings.subspace]
    return list(default_stages(n, default_language_dim(n)))


def _parsed(text: str, n: int) -> SubspaceConfig | None:
    """``KIND`` or ``KIND:DIM``. Raises ArgumentError."""
    kind, _, dim = text.partition(":")
    if kind == PROMPT and not dim:
        return None
    if dim and not (dim.isascii() and dim.isdigit()):
        raise ArgumentError(f"stage is {text!r}; write KIND or KIND:DIM, as hashed:300, or prompt")
    return SubspaceConfig(kind, int(dim) if dim else default_language_dim(n))


def _drawn(data: Documents, language: LanguageSettings, target: Path | None) -> Documents:
    """Those that are drawn where the split is a pool; an unfinished run goes on with the seed that it began with."""
    if language.pool is None:
        if language.pool_seed is not None:
            raise ArgumentError(f"pool-seed is {language.pool_seed}, and nothing is drawn; name --pool too")
        return data
    seed = language.pool_seed
    if seed is None and target is not None:
        seed = (settings_of(partial_of(target)) or {}).get("pool_seed")
    return data.drawn(language.pool, secrets.randbits(32) if seed is None else int(seed))


def _check_room(prior: Prior, preprocessing: DocumentPreprocessing) -> None:
    """Room for the longest prompt before a document. Raises ArgumentError."""
    size = preprocessing.input_size
    try:
        prior.preprocessing(size + MOST_PROMPT_TOKENS)
    except PriorError as error:
        raise ArgumentError(
            f"max-tokens is {size}, and a prompt takes up to {MOST_PROMPT_TOKENS} tokens more than the prior "
            f"{prior.name} can read; lower --max-tokens, or name another kind"
        ) from error
