"""From settings to a message: the model, its finetuner, the run and its state."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from transferbound.bounds.confidence import failure_probability
from transferbound.certification.settings import CertifySettings, header_of
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.data.labelled import LabelledData
from transferbound.features import cached_features, features_key
from transferbound.finetune import Finetuner
from transferbound.message import Header, cheapest
from transferbound.message.stream import encode as encode_message
from transferbound.priors import Prior
from transferbound.storage.run_state import RunState
from transferbound.subspace import SubspaceModel
from transferbound.subspace.config import subspace_config
from transferbound.subspace.quantizer import Quantizer

__all__ = ["Trained", "finetuner_for", "subspace_model", "train"]


def subspace_model(
    prior: Prior, data: LabelledData, header: Header, settings: CertifySettings
) -> SubspaceModel:
    """The model to train. Raises SubspaceError or PriorError where the header does not fit the prior."""
    module = prior.build(data.num_classes, head_seed=header.head_seed, input_size=header.input_size)
    quantizer = Quantizer(header.levels, threshold=settings.finetune.threshold)
    head = prior.head_parameters(data.num_classes)
    return SubspaceModel(module, subspace_config(header), head, quantizer)


@dataclass(frozen=True)
class Trained:
    """What training leaves: the message, the data as it was encoded, the settings, the state on disk."""

    message: bytes
    encoded: EncodedData
    settings: dict[str, Any]
    state: RunState | None


def train(
    prior: Prior,
    data: LabelledData,
    target: Path | None,
    settings: CertifySettings,
    *,
    accelerator: Accelerator,
    progress: bool,
    deadline: float,
    to_count: int,
) -> Trained:
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
    header = cheapest(replace(header, step=finetuner.exponent), integers, contexts)
    message = encode_message(header, integers, contexts)
    return Trained(message, encoded, _training(settings, finetuner), state)


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
