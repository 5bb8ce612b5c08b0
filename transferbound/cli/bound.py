"""``transferbound bound``: from the options of the command line to ``certify``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.certificate import Certificate
from transferbound.certification.certify import certify_inputs
from transferbound.certification.inputs import Inputs
from transferbound.certification.search import check_candidates, search_inputs
from transferbound.certification.settings import CertifySettings, default_dim
from transferbound.cli.search_grid import parse_grid
from transferbound.data.labelled import LabelledData
from transferbound.errors import ArgumentError, DataError
from transferbound.finetune import FinetuneSettings
from transferbound.message.kinds import has_field
from transferbound.priors import Prior
from transferbound.storage.folders import check_out
from transferbound.subspace import SubspaceConfig
from transferbound.subspace.config import header_for

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
    bit_weight: float
    polish: int
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
    search: list[str] | None = None
    search_share: float = 0.3
    fix_until: float | None = None


def run_bound(request: BoundRequest, progress: bool = True) -> Certificate:
    """Checks the options before anything is loaded, loads prior and data, searches if asked to, and certifies."""
    failure_probability(request.confidence)
    grid = parse_grid(request.search or ())
    settings = [_settings(request, point, default=1000) for point in grid]
    for one in settings:
        _check_header(one)
    if request.search:
        check_candidates(settings, request.search_share)
    check_out(request.out)
    prior = Prior.from_pretrained(request.prior, revision=request.revision)
    data = _load(request, request.split)
    part = None if request.prior_split is None else _load(request, request.prior_split)
    settings = [_settings(request, point, default=default_dim(data.n_units)) for point in grid]
    started = time.monotonic()
    inputs = Inputs.resolve(
        prior,
        data,
        test=_test(request, [data] if part is None else [data, part]),
        pretraining=request.pretraining_data,
        prior_split=part,
        allow_dependence=request.allow_dependence,
    )
    if not request.search:
        return certify_inputs(inputs, request.out, settings[0], progress=progress, started=started)
    found = search_inputs(inputs, settings, request.out, share=request.search_share, progress=progress)
    return certify_inputs(inputs, request.out, found.settings, progress=progress)


def _settings(request: BoundRequest, point: Mapping[str, Any], default: int) -> CertifySettings:
    """The options, changed to those of a ``point`` of the search's grid; ``default`` is d where none is named."""
    more = {name: value for name, value in point.items() if name not in BoundRequest.__dataclass_fields__}
    request = replace(request, **{name: value for name, value in point.items() if name not in more})
    candidate, candidates = parse_candidate(request.candidate)
    finetune = FinetuneSettings(
        epochs=request.epochs,
        budget_minutes=request.budget_minutes,
        batch_size=request.batch_size,
        learning_rate=request.learning_rate,
        bit_weight=request.bit_weight,
        polish=request.polish,
        fix_until=request.fix_until,
        seed=request.training_seed,
        mixed_precision=request.mixed_precision,
        **more,
    )
    return CertifySettings(
        subspace=_subspace(request, default if request.dim is None else request.dim),
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


def _subspace(request: BoundRequest, dim: int) -> SubspaceConfig:
    rank = {"rank": request.rank} if has_field(request.kind, "rank") else {}
    return SubspaceConfig(
        request.kind, dim, request.seed, modules=request.modules, head_scale=request.head_scale, **rank
    )


def _check_header(settings: CertifySettings) -> None:
    """The header's own checks, on the options as they stand; some defaults are known later."""
    assert settings.subspace is not None
    header_for(
        settings.subspace,
        levels=settings.levels,
        input_size=settings.input_size or 0,
        head_seed=settings.head_seed,
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
