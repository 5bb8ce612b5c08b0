"""From settings to a message: the model, its finetuner, the run and its state."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from transferbound.bounds.confidence import failure_probability
from transferbound.certification.automatic import Automatic, automatic_base
from transferbound.certification.constant import constant_answer
from transferbound.certification.inputs import Inputs
from transferbound.certification.settings import AUTOMATIC, CertifySettings, header_of
from transferbound.data.batches import LARGE_BATCH
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.distributed import from_first
from transferbound.features import CachedFeatures, cached_features, features_key
from transferbound.finetune import Finetuner
from transferbound.message import Header, cheapest
from transferbound.message.stream import encode as encode_message
from transferbound.risks import risk_named
from transferbound.risks.trial import try_rows_alone
from transferbound.storage.run_state import RunState, partial_of
from transferbound.subspace import SubspaceModel
from transferbound.subspace.config import subspace_config
from transferbound.subspace.quantizer import Quantizer

__all__ = ["Run", "Trained", "finetuner_for", "subspace_model", "train"]


@dataclass(frozen=True)
class Run:
    """One finetuning run: of what, with which settings, and where.

    Attributes:
        inputs, settings: what determines the message.
        accelerator: processes, device and precision.
        progress: show progress bars.
        deadline: ``time.monotonic()`` by which all should be done, where the budget decides the steps.
        to_count: rows that are evaluated afterwards, within the same budget.
    """

    inputs: Inputs
    settings: CertifySettings
    accelerator: Accelerator
    progress: bool
    deadline: float
    to_count: int = 0

    @cached_property
    def header(self) -> Header:
        """What the message will say beside its integers, but for the lattice step, which training finds."""
        return header_of(self.settings, self.inputs.prior, self.inputs.data)


@dataclass(frozen=True)
class Trained:
    """What training leaves: the message, the data as it was encoded, the settings, the state on disk.

    ``inputs`` are those that the message is counted on: all rows for a constant answer, which needs no others.
    """

    inputs: Inputs
    message: bytes
    encoded: EncodedData
    settings: dict[str, Any]
    state: RunState | None


def train(run: Run, target: Path | None) -> Trained:
    """Finetunes to the end. The state is kept beside ``target``, the folder of the certificate to come."""
    if run.settings.is_automatic:
        return _found(run)
    model = subspace_model(run)  # before any state is written: it may not fit
    preprocessing = run.inputs.prior.preprocessing(run.header.input_size)
    encoded = encode(preprocessing, run.inputs.data, progress=run.progress)
    _try_alone(run, encoded)  # before any time is spent on it
    state = _state(run, target)
    finetuner = finetuner_for(run, model, encoded, state)
    integers = finetuner.run()
    contexts = model.projection.contexts()
    header = cheapest(replace(run.header, step=finetuner.exponent), integers, contexts)
    message = encode_message(header, integers, contexts)
    return Trained(run.inputs, message, encoded, _training(run.settings, finetuner), state)


def _found(run: Run) -> Trained:
    """The best head of those that are tried; what is slow of it is kept in the cache folder, and no state is."""
    base = automatic_base(run.settings, run.inputs, run.accelerator.device, run.to_count)
    encoded = encode(run.inputs.prior.preprocessing(base.input_size), run.inputs.data, progress=run.progress)
    _try_alone(run, encoded, base.input_size)
    trial = Automatic(
        run.inputs,
        run.settings,
        base,
        encoded,
        run.accelerator.device,
        run.progress,
        run.deadline,
        run.to_count,
    )
    best = trial.run()
    inputs = run.inputs
    if best.header.kind == "constant" and inputs.data.whole is not None:
        # By its kind, and so whatever the rows are, a constant answer is counted on all of them.
        inputs = inputs.on_all_rows()
        best = constant_answer(inputs.data, base, failure_probability(run.settings.confidence))
        encoded = encode(inputs.prior.preprocessing(base.input_size), inputs.data, progress=run.progress)
    message = encode_message(best.header, best.integers, best.contexts)
    record = {"kind": AUTOMATIC, "tried": [attempt.to_dict() for attempt in trial.tried]}
    return Trained(inputs, from_first(message, run.accelerator), encoded, record, None)


def _try_alone(run: Run, encoded: EncodedData, input_size: int | None = None) -> None:
    """Refuses a prior whose answers move with the rows beside a row. A head that starts from zero would hide it."""
    prior, device = run.inputs.prior, run.accelerator.device
    size = run.header.input_size if input_size is None else input_size
    module = prior.build(run.inputs.data.num_classes, head_seed=1, input_size=size).to(device)
    try_rows_alone(module, encoded, batch_size=LARGE_BATCH, device=device)


def subspace_model(run: Run) -> SubspaceModel:
    """The model to train. Raises SubspaceError or PriorError where the header does not fit the prior."""
    prior, header, data = run.inputs.prior, run.header, run.inputs.data
    classes = data.num_classes
    module = prior.build(
        classes, head_seed=header.head_seed, input_size=header.input_size, class_names=data.class_names
    )
    quantizer = Quantizer(header.levels, threshold=run.settings.finetune.threshold)
    return SubspaceModel(module, subspace_config(header), prior.head_parameters(classes), quantizer)


def finetuner_for(
    run: Run, model: SubspaceModel, encoded: EncodedData, state: RunState | None = None
) -> Finetuner:
    """The finetuner of ``model`` on the encoded data, on cached features where they apply."""
    model.to(run.accelerator.device)
    return Finetuner(
        model,
        encoded,
        run.header,
        risk=risk_named(run.settings.risk).of(run.inputs.data),
        delta=failure_probability(run.settings.confidence),
        settings=run.settings.finetune,
        accelerator=run.accelerator,
        state=state,
        progress=run.progress,
        deadline=run.deadline,
        features=_features(run, model, encoded),
        to_count=run.to_count,
    )


def _features(run: Run, model: SubspaceModel, encoded: EncodedData) -> CachedFeatures | None:
    if not run.settings.cache_features:
        return None
    return cached_features(
        model,
        encoded,
        features_key(run.inputs.prior, run.inputs.data, run.header.input_size),
        accelerator=run.accelerator,
        progress=run.progress,
        deadline=None if run.settings.finetune.epochs else run.deadline,
    )


def _state(run: Run, target: Path | None) -> RunState | None:
    if target is None:
        return None
    settings = run.settings
    finetune = settings.finetune.to_dict()
    finetune.pop("save_seconds")
    what = {
        "prior": run.inputs.prior.fingerprint,
        "dataset": run.inputs.data.fingerprint,
        "decoder": asdict(run.header),
        "finetune": finetune,
        "confidence": settings.confidence,
    }
    if settings.search is not None:
        what["search"] = settings.search
    return RunState(partial_of(target), what, restart=settings.restart)


def _training(settings: CertifySettings, finetuner: Finetuner) -> dict[str, Any]:
    training = settings.finetune.to_dict()
    for key in ("budget_minutes", "epochs", "save_seconds"):
        training.pop(key)
    steps = finetuner.total_steps or 0
    training |= {"steps": steps, "epochs": round(steps / finetuner.per_epoch, 3)}
    return training if settings.search is None else training | {"search": settings.search}
