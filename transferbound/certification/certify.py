"""``certify``: finetune in a subspace, code the offset, and state what the message proves."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from transferbound._version import __version__
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.certificate import Certificate, check_out
from transferbound.certificate.statement import make_statement
from transferbound.data.encoded import EncodedData, encode
from transferbound.data.labelled import Examples, LabelledData, check_modality
from transferbound.errors import DataError
from transferbound.features import cached_features, features_key
from transferbound.finetune import Finetuner, FinetuneSettings
from transferbound.independence.check import check_independence
from transferbound.message import DIMS, INPUT_SIZES, Header, cheapest
from transferbound.message.stream import encode as encode_message
from transferbound.predictor import header_for, subspace_config, with_step
from transferbound.priors import Prior
from transferbound.report.card import write_card
from transferbound.storage.run_state import RunState
from transferbound.subspace import SubspaceConfig, SubspaceModel
from transferbound.subspace.quantizer import Quantizer

__all__ = [
    "CertifySettings",
    "certify",
    "check_together",
    "default_dim",
    "default_input_size",
    "finetuner_for",
    "header_of",
    "subspace_model",
]

DEFAULT_HEAD_SCALE = 8
"""A new head starts from zero and has the longest way to go: its part of the offset counts 16-fold."""


@dataclass(frozen=True)
class CertifySettings:
    """What ``certify`` does beside finetuning. All that the decoder needs of it is paid for in the message.

    Attributes:
        subspace: kind, d and seed of P; None: kind "film" with :func:`default_dim` coordinates and
            ``DEFAULT_HEAD_SCALE``.
        levels: odd number of grid levels.
        input_size: image side in pixels or most tokens; 0: the checkpoint's own; None: the checkpoint's own
            for text, :func:`default_input_size` for images.
        head_seed: 0: a new head starts from zero; else the seed of its random start.
        candidate, candidates: this run is variant ``candidate`` of ``candidates`` declared in advance.
        confidence: 1 - delta, fixed before training.
        restart: throw away an unfinished run of the same output folder.
        cache_features: where the subspace touches the head or the last blocks alone, compute what enters them once,
            keep it in the cache folder, and train on that (:mod:`transferbound.features`).
        search: what :mod:`transferbound.certification.search` tried before it chose these settings; recorded
            under ``unverified.training``.
    """

    subspace: SubspaceConfig | None = None
    levels: int = 3
    input_size: int | None = None
    head_seed: int = 0
    candidate: int = 0
    candidates: int = 1
    confidence: float = 0.95
    restart: bool = False
    cache_features: bool = True
    finetune: FinetuneSettings = field(default_factory=FinetuneSettings)
    search: dict[str, Any] | None = field(default=None, hash=False)


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
    trained = _train(
        prior,
        data,
        target,
        settings,
        accelerator=accelerator,
        progress=progress,
        deadline=started + 60 * settings.finetune.budget_minutes,
        to_count=data.n + (test.n if test is not None else 0),
    )
    content = make_statement(
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
    content["unverified"] = {"training": trained.settings, "versions": _versions()}
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


def check_together(
    prior: Prior, data: LabelledData, test: LabelledData | None, part: LabelledData | None
) -> None:
    """Refuses a prior that cannot read the data, and a test split that is no test. Raises TransferboundError."""
    check_modality(prior, data)
    if test is None:
        return
    if test.class_names != data.class_names:
        raise DataError(
            f"the split {test.split} declares the classes {list(test.class_names)[:8]}, the training split "
            f"{list(data.class_names)[:8]}; name another test split, or none"
        )
    for other, what in ((data, "the model is trained on"), (part, "the prior was trained on")):
        if other is not None and (test.name, test.config) == (other.name, other.config):
            shared = other.shared_rows(test)
            if shared:
                raise DataError(
                    f"the test split {test.split} holds the rows {shared[0]}, which {what}; name another, or none"
                )


def default_dim(n: int) -> int:
    """The number of coordinates where the user names none: a declared one, a tenth of n, from 100 to 2000."""
    return min(DIMS, key=lambda dim: abs(dim - min(max(n / 10, 100), 2000)))


def default_input_size(prior: Prior, data: LabelledData) -> int:
    """Small images are not blown up to the checkpoint's full size, which would cost time and tell nothing.

    The first declared size that is at least 1.4 times the side of the first image; 0, the checkpoint's own, if
    that is not smaller, and for text. The message pays for the choice like for any other.
    """
    if data.modality != "image":
        return 0
    side = 1.4 * max(next(data.images()).size)
    size = next((size for size in INPUT_SIZES if size >= side), prior.input_size)
    return size if size < prior.input_size else 0


def header_of(settings: CertifySettings, prior: Prior, data: LabelledData) -> Header:
    """What a message of these settings says beside its integers; the lattice step is known after training."""
    config = settings.subspace or SubspaceConfig(
        kind="film", dim=default_dim(data.n_units), head_scale=DEFAULT_HEAD_SCALE
    )
    return header_for(
        config,
        levels=settings.levels,
        input_size=default_input_size(prior, data) if settings.input_size is None else settings.input_size,
        head_seed=settings.head_seed,
        candidate=settings.candidate,
        candidates=settings.candidates,
    )


def subspace_model(
    prior: Prior, data: LabelledData, header: Header, settings: CertifySettings
) -> SubspaceModel:
    """The model to train. Raises SubspaceError or PriorError where the header does not fit the prior."""
    module = prior.build(data.num_classes, head_seed=header.head_seed, input_size=header.input_size)
    quantizer = Quantizer(header.levels, threshold=settings.finetune.threshold)
    head = prior.head_parameters(data.num_classes)
    return SubspaceModel(module, subspace_config(header), head, quantizer)


@dataclass(frozen=True)
class _Trained:
    """What training leaves: the message, the data as it was encoded, the settings, the state on disk."""

    message: bytes
    encoded: EncodedData
    settings: dict[str, Any]
    state: RunState | None


def _train(
    prior: Prior,
    data: LabelledData,
    target: Path | None,
    settings: CertifySettings,
    *,
    accelerator: Accelerator,
    progress: bool,
    deadline: float,
    to_count: int,
) -> _Trained:
    header = header_of(settings, prior, data)
    model = subspace_model(prior, data, header, settings)  # before any state is written: it may not fit
    encoded = encode(prior.preprocessing(header.input_size), data, progress=progress)
    state = _state(target, prior, data, header, settings)
    finetuner = finetuner_for(
        prior,
        data,
        encoded,
        model,
        header,
        settings,
        accelerator=accelerator,
        progress=progress,
        deadline=deadline,
        to_count=to_count,
        state=state,
    )
    integers = finetuner.run()
    contexts = model.projection.contexts()
    header = cheapest(with_step(header, finetuner.exponent), integers, contexts)
    message = encode_message(header, integers, contexts)
    return _Trained(message, encoded, _training(settings, finetuner), state)


def finetuner_for(
    prior: Prior,
    data: LabelledData,
    encoded: EncodedData,
    model: SubspaceModel,
    header: Header,
    settings: CertifySettings,
    *,
    accelerator: Accelerator,
    progress: bool,
    deadline: float,
    to_count: int = 0,
    state: RunState | None = None,
) -> Finetuner:
    """The finetuner of these settings, on cached features where they apply. Arguments as for ``Finetuner``."""
    model.to(accelerator.device)
    features = None
    if settings.cache_features:
        features = cached_features(
            model,
            encoded,
            features_key(prior, data, header.input_size),
            accelerator=accelerator,
            progress=progress,
            deadline=None if settings.finetune.epochs else deadline,
        )
    return Finetuner(
        model,
        encoded,
        header,
        delta=failure_probability(settings.confidence),
        settings=settings.finetune,
        accelerator=accelerator,
        state=state,
        progress=progress,
        deadline=deadline,
        features=features,
        to_count=to_count,
    )


def _state(
    target: Path | None, prior: Prior, data: LabelledData, header: Header, settings: CertifySettings
) -> RunState | None:
    if target is None:
        return None
    finetune = settings.finetune.to_dict()
    finetune.pop("save_seconds")
    what = {
        "prior": prior.fingerprint,
        "dataset": data.fingerprint,
        "decoder": asdict(header),
        "finetune": finetune,
        "confidence": settings.confidence,
    }
    if settings.search is not None:
        what["search"] = settings.search
    return RunState(target.with_name(target.name + ".partial"), what, restart=settings.restart)


def _training(settings: CertifySettings, finetuner: Finetuner) -> dict[str, Any]:
    training = settings.finetune.to_dict()
    for key in ("budget_minutes", "epochs", "save_seconds"):
        training.pop(key)
    steps = finetuner.total_steps or 0
    training |= {"steps": steps, "epochs": round(steps / finetuner.per_epoch, 3)}
    return training if settings.search is None else training | {"search": settings.search}


def _versions() -> dict[str, str]:
    names = ("torch", "timm", "transformers", "datasets", "accelerate", "constriction", "numpy", "scipy")
    return {
        "transferbound": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }
