"""``certify``: finetune in a subspace, code the offset, and state what the message proves."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import torch
from accelerate import Accelerator

from transferbound._version import __version__
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.certificate import Certificate, check_out
from transferbound.certificate.content import Content
from transferbound.certificate.statement import make_statement
from transferbound.certification.inputs import check_together
from transferbound.certification.settings import CertifySettings
from transferbound.certification.training import train
from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.independence.check import check_independence
from transferbound.priors import Prior
from transferbound.report.card import write_card
from transferbound.storage.run_state import RunState

__all__ = ["certify"]


def certify(
    prior: Prior | str,
    data: LabelledData | str,
    out: str | os.PathLike[str] | None = None,
    settings: CertifySettings | None = None,
    *,
    test: LabelledData | None = None,
    pretraining: str | Examples | None = None,
    prior_split: LabelledData | str | None = None,
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
        allow_dependence: go on, and record it, where the prior may have seen the training data.
        progress: show progress bars.

    Raises:
        TransferboundError: one of :mod:`transferbound.errors`; nothing is written to ``out`` then.
    """
    started = time.monotonic()
    settings = settings or CertifySettings()
    failure_probability(settings.confidence)  # checks it
    target = None if out is None else Path(out)
    if target is not None:
        check_out(target)
    prior = Prior.from_pretrained(prior) if isinstance(prior, str) else prior
    data = LabelledData.load(data) if isinstance(data, str) else data
    part = data.other_split(prior_split) if isinstance(prior_split, str) else prior_split
    check_together(prior, data, test, part)
    independence = check_independence(prior, data, pretraining, override=allow_dependence, prior_split=part)
    accelerator = Accelerator(mixed_precision=settings.finetune.mixed_precision)
    trained = train(
        prior,
        data,
        target,
        settings,
        accelerator=accelerator,
        progress=progress,
        deadline=started + 60 * settings.finetune.budget_minutes,
        to_count=data.n + (test.n if test is not None else 0),
    )
    statement = make_statement(
        prior,
        data,
        trained.message,
        confidence=settings.confidence,
        candidates=settings.candidates,
        test=test,
        independence=independence,
        accelerator=accelerator,
        progress=progress,
        encoded=trained.encoded,
    )
    content: Content = {
        **statement,
        "unverified": {"training": trained.settings, "versions": _versions()},
    }
    certificate = Certificate(content, trained.message)
    _write(certificate, target, trained.state, accelerator)
    return certificate


def _write(
    certificate: Certificate, target: Path | None, state: RunState | None, accelerator: Accelerator
) -> None:
    if target is not None and accelerator.is_main_process:
        certificate.save_pretrained(target, finish=lambda folder: write_card(folder, certificate))
        assert state is not None
        state.remove()
    accelerator.wait_for_everyone()  # a launcher ends all processes when one has ended badly


def _versions() -> dict[str, str]:
    names = ("torch", "timm", "transformers", "datasets", "accelerate", "constriction", "numpy", "scipy")
    return {
        "transferbound": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }
