"""From the options of ``transferbound bound`` to the settings of a certificate; no library is loaded for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferbound.bounds.confidence import failure_probability
from transferbound.certification.settings import AUTOMATIC, DEFAULT_HEAD_SCALE, CertifySettings
from transferbound.cli.candidates import parse_candidate
from transferbound.cli.options import fill
from transferbound.cli.request import BoundRequest
from transferbound.finetune.settings import FinetuneSettings
from transferbound.message.kinds import has_field
from transferbound.subspace.config import SubspaceConfig, header_for

__all__ = ["check_settings", "settings_of"]


def settings_of(request: BoundRequest, given: Mapping[str, Any], unnamed_dim: int) -> CertifySettings:
    """The settings of one point of the search's grid; ``unnamed_dim`` is d where none is named."""
    dim = unnamed_dim if given["dim"] is None else given["dim"]
    kind = "film" if given["kind"] == AUTOMATIC else given["kind"]
    unused = {} if has_field(kind, "rank") else {"rank": SubspaceConfig.rank}
    subspace = fill(SubspaceConfig, given, kind=kind, dim=dim, **unused)
    plain = SubspaceConfig("film", dim=unnamed_dim, head_scale=DEFAULT_HEAD_SCALE)
    if given["kind"] == AUTOMATIC and subspace == plain:
        automatic = _filled(request, given, None)
        if automatic.is_automatic and not request.search:
            return automatic
    return _filled(request, given, subspace)


def _filled(
    request: BoundRequest, given: Mapping[str, Any], subspace: SubspaceConfig | None
) -> CertifySettings:
    candidate, candidates = parse_candidate(request.candidate)
    return fill(
        CertifySettings,
        given,
        subspace=subspace,
        finetune=fill(FinetuneSettings, given),
        candidate=candidate,
        candidates=candidates,
    )


def check_settings(settings: CertifySettings) -> None:
    """The header's own checks and that of the confidence, on the options as they stand; some defaults come later."""
    failure_probability(settings.confidence)
    header_for(
        settings.subspace or SubspaceConfig(),
        levels=settings.levels,
        input_size=settings.input_size or 0,
        head_seed=settings.head_seed,
    )
