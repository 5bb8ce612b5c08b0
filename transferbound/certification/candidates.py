"""Settings that a search may try: distinct, few enough, and alike in what no search can choose."""

from __future__ import annotations

from collections.abc import Sequence

from transferbound.certification.settings import MAX_POINTS, CertifySettings
from transferbound.errors import ArgumentError

__all__ = ["check_candidates"]


def check_candidates(candidates: Sequence[CertifySettings], share: float) -> list[CertifySettings]:
    """The distinct ones, in order. Raises ArgumentError where they or ``share`` cannot be searched with."""
    if not 0.0 < share < 1.0:
        raise ArgumentError(
            f"search_share is {share!r}; it must lie between 0 and 1, for example 0.3: the full run gets the rest"
        )
    points = list(dict.fromkeys(candidates))
    if len(points) < 2:
        raise ArgumentError(f"the search has {len(points)} distinct candidates; name at least 2")
    if len(points) > MAX_POINTS:
        raise ArgumentError(f"the search has {len(points)} candidates; name at most {MAX_POINTS}")
    alike: dict[str, list[object]] = {
        "confidence": [point.confidence for point in points],
        "number of declared candidates": [point.candidates for point in points],
        "list_written": [point.list_written for point in points],
        "epochs": [point.finetune.epochs for point in points],
        "budget_minutes": [point.finetune.budget_minutes for point in points],
        "mixed_precision": [point.finetune.mixed_precision for point in points],
    }
    for name, given in alike.items():
        values = list(dict.fromkeys(given))
        if len(values) > 1:
            raise ArgumentError(
                f"the candidates differ in {name} ({values[0]!r}, {values[1]!r}); use one value"
            )
    return points
