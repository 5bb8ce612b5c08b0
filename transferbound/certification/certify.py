"""``certify``: finetune in a subspace, code the offset, and state what the message proves."""

from __future__ import annotations

import os
import time

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content
from transferbound.certificate.statement import make_statement
from transferbound.certification.inputs import Inputs
from transferbound.certification.settings import CertifySettings, default_set_aside
from transferbound.certification.training import Run, train
from transferbound.certification.writing import checked_out, versions, write_certificate
from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.distributed import accelerator_for
from transferbound.priors import Prior
from transferbound.priors.reference import Reference

__all__ = ["certify", "certify_inputs"]


def certify(
    prior: Prior | str,
    data: LabelledData | str,
    out: str | os.PathLike[str] | None = None,
    settings: CertifySettings | None = None,
    *,
    test: LabelledData | None = None,
    pretraining: str | Examples | None = None,
    prior_split: LabelledData | str | None = None,
    reference: Reference | str | None = None,
    reference_split: str = "train",
    allow_dependence: bool = False,
    progress: bool = True,
) -> Certificate:
    """Finetunes ``prior`` on ``data`` and bounds its error on new data.

    Args:
        prior: a checkpoint, or its name.
        data: the training examples, or the data set's name.
        out: folder for the certificate; it must not exist. While the run lasts its state is kept in
            ``OUT.partial``, and the same call goes on from there. None: nothing is written.
        settings: see :class:`CertifySettings`.
        test: examples for reporting only.
        pretraining: name of data that the checkpoint was trained on, or its rows, to be searched for training rows.
        prior_split: the part of the same data set that the checkpoint was trained on: a data-dependent prior, and
            labelled so. It shares no row with ``data``: ``train[:50%]`` where ``data`` is ``train[50%:]``.
        reference: inputs that are not the training data, whose principal components serve as a basis where the
            subspace is found by trying: a Hub id or folder, or made by hand. None: the default ones.
        reference_split: of them.
        allow_dependence: go on, and record it, where the prior may have seen the training data.
        progress: show progress bars.

    Raises:
        TransferboundError: one of :mod:`transferbound.errors`; nothing is written to ``out`` then.
    """
    started = time.monotonic()
    settings = settings or CertifySettings()
    checked_out(out, settings)  # before anything is loaded
    prior = Prior.from_pretrained(prior) if isinstance(prior, str) else prior
    data = LabelledData.load(data, modality=prior.modality) if isinstance(data, str) else data
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
    run = Run(
        inputs,
        settings,
        accelerator_for(settings.finetune.mixed_precision),
        progress,
        deadline=started + 60 * settings.finetune.budget_minutes,
        to_count=inputs.data.n + (inputs.test.n if inputs.test is not None else 0),
    )
    trained = train(run, target)
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
        progress=progress,
        encoded=trained.encoded,
        reference=inputs.reference,
    )
    content: Content = {
        **statement,
        "unverified": {"training": trained.settings, "versions": versions()},
    }
    certificate = Certificate(content, trained.message)
    write_certificate(certificate, target, trained.state, run.accelerator)
    return certificate
