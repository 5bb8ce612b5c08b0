"""``transferbound bound --task text-generation``: from the options of the command line to ``certify_language``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferbound.certificate.certificate import Certificate
from transferbound.certification.certify_language import DEFAULT_KIND, certify_language, default_language_dim
from transferbound.certification.language_settings import PROMPT, LanguageSettings
from transferbound.certification.settings import AUTOMATIC, CertifySettings
from transferbound.cli.candidates import parse_candidate
from transferbound.cli.options import fill
from transferbound.cli.request import BOUND_OPTIONS, BoundRequest
from transferbound.data.documents import Documents
from transferbound.data.reading import DataReading
from transferbound.errors import ArgumentError, DataError
from transferbound.finetune import FinetuneSettings
from transferbound.message.kinds import has_field
from transferbound.priors import Prior
from transferbound.storage.folders import check_out
from transferbound.subspace import SubspaceConfig
from transferbound.tasks import TEXT_GENERATION

__all__ = ["run_bound_language"]

_TEST_SPLITS = ("test", "validation")
_UNUSED = (
    *("image_column", "label_column", "num_classes", "input_size", "head_seed", "head_scale", "set_aside"),
    *(
        "search",
        "reference",
        "prior_split",
        "class_names",
        "label_map",
        "data_files",
        "shuffle_seed",
        "max_rows",
    ),
    "image_bits",
)
"""Options that say nothing of a language model."""


def run_bound_language(
    request: BoundRequest, reading: DataReading, given: Mapping[str, Any], progress: bool
) -> Certificate:
    """Checks the options before anything is loaded, loads prior and documents, and certifies.

    Raises:
        TransferboundError: one of :mod:`transferbound.errors`.
    """
    _refuse_unused(given)
    language = fill(LanguageSettings, given)
    if language.stage and (given["kind"] != AUTOMATIC or given["dim"] is not None):
        key = "kind" if given["kind"] != AUTOMATIC else "dim"
        raise ArgumentError(
            f"{key} is {given[key]!r}, and stages are named too (--stage); leave one of the two out"
        )
    kind = None if given["kind"] == AUTOMATIC else str(given["kind"])
    _settings(request, given, kind, dim=100)  # as far as it can be checked now
    check_out(request.out)
    columns: list[str] = reading.text_columns or []
    if len(columns) > 1:
        raise ArgumentError(f"text-column is given {len(columns)} times; a language model reads one column")
    prior = Prior.from_pretrained(request.prior, revision=request.revision, task=TEXT_GENERATION)
    data = Documents.load(
        request.dataset,
        split=reading.split,
        config=reading.config,
        revision=reading.revision,
        text_column=columns[0] if columns else None,
        group_column=reading.group_column,
    )
    return certify_language(
        prior,
        data,
        request.out,
        _settings(request, given, kind, default_language_dim(data.n_units)),
        language,
        kind=kind,
        test=_test(request, data),
        pretraining=request.pretraining_data,
        allow_dependence=request.allow_dependence,
        progress=progress,
    )


def _settings(request: BoundRequest, given: Mapping[str, Any], kind: str | None, dim: int) -> CertifySettings:
    candidate, candidates = parse_candidate(request.candidate)
    subspace = None
    if kind != PROMPT:
        name = kind or DEFAULT_KIND
        unused = {} if has_field(name, "rank") else {"rank": SubspaceConfig.rank}
        subspace = fill(SubspaceConfig, given, kind=name, dim=given["dim"] or dim, head_scale=0, **unused)
        if kind is None and given["dim"] is None and subspace == SubspaceConfig(name, dim):
            subspace = None  # the stages that n calls for
    finetune = fill(FinetuneSettings, given)
    return fill(
        CertifySettings,
        given,
        subspace=subspace,
        finetune=finetune,
        candidate=candidate,
        candidates=candidates,
    )


def _refuse_unused(given: Mapping[str, Any]) -> None:
    plain = {option.field: (option.key, option.name, option.default) for option in BOUND_OPTIONS}
    for name in _UNUSED:
        key, parameter, default = plain[name]
        if given[parameter] not in (default, None):
            raise ArgumentError(
                f"{key} is {given[parameter]!r}, which says nothing of a language model; leave it out, or name another "
                "task"
            )


def _test(request: BoundRequest, data: Documents) -> Documents | None:
    """The named split, or the first customary one that is there and no part of what is trained on."""
    if request.test_split == "none":
        return None
    if request.test_split is not None:
        return data.other_split(request.test_split)
    for split in _TEST_SPLITS:
        try:
            test = data.other_split(split)
        except DataError:
            continue
        if not data.shared_rows(test):
            return test
    return None
