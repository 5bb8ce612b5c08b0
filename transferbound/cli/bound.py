"""``transferbound bound``: from the options of the command line to ``certify``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from transferbound.certificate.certificate import Certificate
from transferbound.certification.certify import certify_inputs
from transferbound.certification.inputs import Inputs
from transferbound.certification.search import search_inputs
from transferbound.certification.settings import (
    default_dim,
    default_set_aside,
)
from transferbound.cli.bound_language import run_bound_language
from transferbound.cli.early import check_bound
from transferbound.cli.options import fill
from transferbound.cli.request import BoundRequest
from transferbound.cli.request_settings import settings_of
from transferbound.cli.search_grid import parse_grid
from transferbound.data.documents import has_label
from transferbound.data.labelled import LabelledData
from transferbound.data.reading import DataReading
from transferbound.errors import ArgumentError, DataError
from transferbound.priors import Prior
from transferbound.priors.prior import is_language_model
from transferbound.tasks import CLASSIFICATION, TASKS, TEXT_GENERATION

__all__ = ["run_bound"]

_TEST_SPLITS = ("test", "validation")


def run_bound(given: Mapping[str, Any], progress: bool = True) -> Certificate:
    """Checks the options before anything is loaded, loads prior and data, searches if asked to, and certifies.

    Args:
        given: the values of ``BOUND_OPTIONS`` by their names.
        progress: show progress bars.

    Raises:
        TransferboundError: one of :mod:`transferbound.errors`.
    """
    request, reading = fill(BoundRequest, given), fill(DataReading, given)
    check_bound(given)
    if _task(request, reading) == TEXT_GENERATION:
        return run_bound_language(request, reading, given, progress)
    grid = parse_grid(request.search or ())
    prior = Prior.from_pretrained(request.prior, revision=request.revision)
    data = _load(request, reading, prior)
    settings = [settings_of(request, {**given, **point}, default_dim(data.n_units)) for point in grid]
    data = data.setting_aside(default_set_aside(settings[0], data, request.reference))
    part = None
    if request.prior_split is not None:
        part = data.other_split(request.prior_split)
    test = _test(request, reading, [data] if part is None else [data, part], prior)
    started = time.monotonic()
    inputs = Inputs.resolve(
        prior,
        data,
        test=test,
        pretraining=request.pretraining_data,
        prior_split=part,
        reference=request.reference,
        reference_split=request.reference_split,
        allow_dependence=request.allow_dependence,
    )
    if not request.search:
        return certify_inputs(inputs, request.out, settings[0], progress=progress, started=started)
    found = search_inputs(inputs, settings, request.out, share=request.search_share, progress=progress)
    return certify_inputs(inputs, request.out, found.settings, progress=progress)


def _task(request: BoundRequest, reading: DataReading) -> str:
    """The one that was named; else text generation where prior and data are made for it."""
    if request.task is not None:
        if request.task not in TASKS:
            raise ArgumentError(f"task is {request.task!r}; it must be one of {', '.join(TASKS)}")
        return request.task
    labels = (reading.label_column, reading.class_names, reading.label_map)
    if any(named is not None for named in labels) or not is_language_model(request.prior, request.revision):
        return CLASSIFICATION
    labelled = has_label(request.dataset, reading.split, reading.config, reading.revision)
    return CLASSIFICATION if labelled else TEXT_GENERATION


def _load(request: BoundRequest, reading: DataReading, prior: Prior) -> LabelledData:
    return LabelledData.load(request.dataset, **vars(reading), modality=prior.modality)


def _test(
    request: BoundRequest, reading: DataReading, seen: Sequence[LabelledData], prior: Prior
) -> LabelledData | None:
    """The named split, or the first customary one that is there, labelled, and no part of what was trained on."""
    if request.test_split == "none":
        return None
    if request.test_split is not None:
        return _load(request, replace(reading, split=request.test_split, max_rows=None), prior)
    for split in _TEST_SPLITS:
        try:
            test = _load(request, replace(reading, split=split, max_rows=None), prior)
        except DataError:
            continue
        if not any(data.shared_rows(test) for data in seen):
            return test
    return None
