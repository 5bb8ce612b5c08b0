"""``transferbound bound``: from the options of the command line to ``certify``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transferbound.accounting import Header
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate import Certificate, check_out
from transferbound.certification import CertifySettings, certify, default_dim
from transferbound.data import LabelledData
from transferbound.errors import ArgumentError, DataError
from transferbound.finetune import FinetuneSettings
from transferbound.priors import Prior
from transferbound.subspace import SubspaceConfig

__all__ = ["BoundRequest", "run_bound"]

_TEST_SPLITS = ("test", "validation")


@dataclass(frozen=True)
class BoundRequest:
    """The options of ``transferbound bound``, as given."""

    prior: str
    dataset: str
    out: Path
    split: str
    confidence: float
    budget_minutes: float
    epochs: float | None
    kind: str
    dim: int | None
    seed: int
    levels: int
    rank: int
    modules: str
    head_scale: int
    head_seed: int
    input_size: int | None
    candidate: str
    batch_size: int
    learning_rate: float
    rate: float
    training_seed: int
    mixed_precision: str
    revision: str | None
    dataset_config: str | None
    dataset_revision: str | None
    image_column: str | None
    text_column: list[str] | None
    label_column: str | None
    group_column: str | None
    num_classes: int | None
    test_split: str | None
    prior_split: str | None
    pretraining_data: str | None
    allow_dependence: bool
    restart: bool
    cache_features: bool = True


def run_bound(request: BoundRequest, progress: bool = True) -> Certificate:
    """Checks the options before anything is loaded, loads prior and data, and certifies."""
    failure_probability(request.confidence)
    candidate, candidates = parse_candidate(request.candidate)
    finetune = FinetuneSettings(
        epochs=request.epochs,
        budget_minutes=request.budget_minutes,
        batch_size=request.batch_size,
        learning_rate=request.learning_rate,
        rate=request.rate,
        seed=request.training_seed,
        mixed_precision=request.mixed_precision,
    )
    _check_choices(request)
    check_out(request.out)
    prior = Prior.from_pretrained(request.prior, revision=request.revision)
    data = _load(request, request.split)
    part = None if request.prior_split is None else _load(request, request.prior_split)
    settings = CertifySettings(
        subspace=_subspace(request, request.dim or default_dim(data.n_units)),
        levels=request.levels,
        input_size=request.input_size,
        head_seed=request.head_seed,
        candidate=candidate,
        candidates=candidates,
        confidence=request.confidence,
        restart=request.restart,
        cache_features=request.cache_features,
        finetune=finetune,
    )
    return certify(
        prior,
        data,
        request.out,
        settings,
        test=_test(request, [data] if part is None else [data, part]),
        pretraining=request.pretraining_data,
        prior_split=part,
        allow_dependence=request.allow_dependence,
        progress=progress,
    )


def _subspace(request: BoundRequest, dim: int) -> SubspaceConfig:
    rank = {"rank": request.rank} if "lora" in request.kind.split("+") else {}
    return SubspaceConfig(
        request.kind, dim, request.seed, modules=request.modules, head_scale=request.head_scale, **rank
    )


def _check_choices(request: BoundRequest) -> None:
    """The header's own checks, on the options as they stand; the default dimension is known later."""
    config = _subspace(request, request.dim or 1000)
    Header(
        kind=config.kind,
        dim=config.dim,
        seed=config.seed,
        levels=request.levels,
        input_size=request.input_size or 0,
        head_seed=request.head_seed,
        head_scale=request.head_scale,
        rank=config.rank if "lora" in config.terms else 0,
        modules=request.modules,
    )


def _load(request: BoundRequest, split: str) -> LabelledData:
    return LabelledData.load(
        request.dataset,
        split=split,
        config=request.dataset_config,
        revision=request.dataset_revision,
        image_column=request.image_column,
        text_columns=request.text_column,
        label_column=request.label_column,
        group_column=request.group_column,
        num_classes=request.num_classes,
    )


def _test(request: BoundRequest, seen: list[LabelledData]) -> LabelledData | None:
    """The named split, or the first customary one that is there, labelled, and no part of what was trained on."""
    if request.test_split == "none":
        return None
    if request.test_split is not None:
        return _load(request, request.test_split)
    for split in _TEST_SPLITS:
        try:
            test = _load(request, split)
        except DataError:
            continue
        if not any(data.shared_rows(test) for data in seen):
            return test
    return None


def parse_candidate(text: str) -> tuple[int, int]:
    """``"I/N"`` as two integers. Raises ArgumentError."""
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or not int(parts[0]) < int(parts[1]):
        raise ArgumentError(f"candidate is {text!r}; write I/N with 0 <= I < N, for example 2/5")
    return int(parts[0]), int(parts[1])
