"""From a config and a layout to a projection."""

from __future__ import annotations

from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.hashed import HashedProjection
from transferbound.subspace.layout import Layout
from transferbound.subspace.projection import Projection

__all__ = ["build_projection"]


def build_projection(config: SubspaceConfig, layout: Layout) -> Projection:
    """The projection that ``config`` names, for a model of this layout.

    Raises:
        SubspaceError: the kind or its dim does not fit the model.
    """
    terms = [
        _build_term(kind, dim, config, layout)
        for kind, dim in zip(config.terms, config.term_dims, strict=True)
    ]
    return terms[0]


def _build_term(kind: str, dim: int, config: SubspaceConfig, layout: Layout) -> Projection:
    return HashedProjection(kind, dim, config, layout)
