"""``certify``: finetune in a subspace, code the offset, and state what the message proves."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from transferbound._numerics import own_numerics
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content
from transferbound.certificate.statement import make_statement
from transferbound.certification.certify_language import certify_language
from transferbound.certification.inputs import Inputs
from transferbound.certification.language_settings import LanguageSettings
from transferbound.certification.settings import CertifySettings, default_set_aside
from transferbound.certification.training import Run, train
from transferbound.certification.writing import checked_out, versions, write_certificate
from transferbound.data.documents import Documents
from transferbound.data.labelled import LabelledData
from transferbound.distributed import accelerator_for
from transferbound.errors import ArgumentError
from transferbound.priors import Prior
from transferbound.tasks import CLASSIFICATION, TEXT_GENERATION

__all__ = ["certify", "certify_inputs"]


@own_numerics()
def certify(
    prior: Any,
    data: Any,
    out: str | os.PathLike[str] | None = None,
    settings: CertifySettings | None = None,
    *,
    language: LanguageSettings | None = None,
    test: Any = None,
    pretraining: Any = None,
    prior_split: LabelledData | str | None = None,
    reference: Any = None,
    reference_split: str = "train",
    allow_dependence: bool = False,
    progress: bool = True,
) -> Certificate:
    """Finetunes ``prior`` on ``data`` and bounds its error on new data.

    A prior that was opened for text generation is finetuned on documents, and its bits per token are bounded:
    :func:`transferbound.certification.certify_language.certify_language`.

    Args:
        prior: a checkpoint: a :class:`Prior`, a Hub id, a folder, a model of timm or sentence-transformers, or
            ``(model, processor)`` of transformers, its processor a tokenizer or an image processor.
        data: the training examples: :class:`LabelledData`, :class:`Documents` for a language model, or what their
            ``load`` takes: a Hub id, a folder or file, a ``datasets.Dataset`` or ``DatasetDict``.
        out: folder for the certificate; it must not exist. While the run lasts its state is kept in
            ``OUT.partial``, and the same call goes on from there. A model that was given as an object is written to
            ``OUT/prior``, where ``verify`` and ``predict`` find it. None: nothing is written.
        settings: see :class:`CertifySettings`.
        language: which documents, and what of them, where the prior is a language model.
        test: examples for reporting only, given as ``data`` is.
        pretraining: data that the checkpoint was trained on, to be searched for training rows.
        prior_split: the part of the same data set that the checkpoint was trained on: a data-dependent prior, and
            labelled so. It shares no row with ``data``: ``train[:50%]`` where ``data`` is ``train[50%:]``.
        reference: inputs that are not the training data, whose principal components serve as a basis where the
            subspace is found by trying: a Hub id, folder or object, or made by hand. None: the default ones.
        reference_split: of them.
        allow_dependence: go on, and record it, where the prior may have seen the training data.
        progress: show progress bars.

    Raises:
        TransferboundError: one of :mod:`transferbound.errors`; nothing is written to ``out`` then.
    """
    started = time.monotonic()
    settings = settings or CertifySettings()
    checked_out(out, settings)  # before anything is loaded
    prior = _opened(prior, data)
    if prior.task == TEXT_GENERATION:
        if prior_split is not None or reference is not None:
            what = "a prior split" if prior_split is not None else "reference inputs"
            raise ArgumentError(f"{what} is given, which says nothing of a language model; leave it out")
        return certify_language(
            prior,
            _documents(data, "data"),
            out,
            settings,
            language,
            test=None if test is None else _documents(test, "test"),
            pretraining=pretraining,
            allow_dependence=allow_dependence,
            progress=progress,
        )
    if language is not None:
        raise ArgumentError("settings of language models are given, and the prior was opened as a classifier")
    data, test = (
        _labelled(data, "data", prior.modality),
        None if test is None else _labelled(test, "test", prior.modality),
    )
    inputs = Inputs.resolve(
        prior,
        data.setting_aside(default_set_aside(settings, data, reference)),
        test=test,
        pretraining=pretraining,
        prior_split=prior_split,
        reference=reference,
        reference_split=reference_split,
        allow_dependence=allow_dependence,
    )
    return certify_inputs(inputs, out, settings, progress=progress, started=started)


def _opened(prior: Any, data: Any) -> Prior:
    """By its name it is opened as what the data calls for: a language model for documents."""
    if isinstance(data, LabelledData | Documents):
        return Prior.of(prior, task=TEXT_GENERATION if isinstance(data, Documents) else CLASSIFICATION)
    return Prior.of(prior)


def _documents(data: Any, what: str) -> Documents:
    if isinstance(data, LabelledData):
        raise ArgumentError(f"{what} is labelled examples, and a language model reads Documents")
    return data if isinstance(data, Documents) else Documents.load(data)


def _labelled(data: Any, what: str, modality: str) -> LabelledData:
    if isinstance(data, Documents):
        raise ArgumentError(
            f"{what} is documents without labels; open the prior with task={TEXT_GENERATION!r}, or give LabelledData"
        )
    return data if isinstance(data, LabelledData) else LabelledData.load(data, modality=modality)


@own_numerics()
def certify_inputs(
    inputs: Inputs,
    out: str | os.PathLike[str] | None,
    settings: CertifySettings,
    *,
    progress: bool = True,
    started: float | None = None,
) -> Certificate:
    """:func:`certify` for prior and data that are resolved.

    Args:
        inputs: prior and data, found to go together.
        out, settings, progress: as for :func:`certify`.
        started: ``time.monotonic()`` at which the time budget began; None: now.

    Raises:
        TransferboundError: as :func:`certify`.
    """
    target = checked_out(out, settings)
    started = time.monotonic() if started is None else started
    with accelerator_for(settings.finetune.mixed_precision) as accelerator:
        run = Run(
            inputs,
            settings,
            accelerator,
            progress,
            deadline=started + 60 * settings.finetune.budget_minutes,
            to_count=inputs.data.n + (inputs.test.n if inputs.test is not None else 0),
        )
        return _certified(run, target)


def _certified(run: Run, target: Path | None) -> Certificate:
    """Trains, states what the message proves, and writes it down."""
    settings, trained = run.settings, train(run, target)
    inputs = trained.inputs
    statement = make_statement(
        inputs.prior,
        inputs.data,
        trained.message,
        confidence=settings.confidence,
        risk=settings.risk,
        candidates=settings.candidates,
        list_written=settings.list_written,
        test=inputs.test,
        independence=inputs.independence,
        accelerator=run.accelerator,
        progress=run.progress,
        encoded=trained.encoded,
        reference=inputs.reference,
    )
    content: Content = {
        **statement,
        "unverified": {"training": trained.settings, "versions": versions()},
    }
    certificate = Certificate(content, trained.message)
    write_certificate(certificate, target, trained.state, run.accelerator, inputs.prior.saved)
    return certificate
