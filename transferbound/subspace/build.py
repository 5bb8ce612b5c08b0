"""From a config and a layout to a projection."""

from __future__ import annotations

from collections.abc import Callable

from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.dense import DenseProjection
from transferbound.subspace.hashed import HashedProjection
from transferbound.subspace.kron import KronProjection
from transferbound.subspace.kron_sum import KronSumProjection
from transferbound.subspace.layout import Layout
from transferbound.subspace.lora import LoraProjection
from transferbound.subspace.projection import Projection
from transferbound.subspace.sums import SumProjection

__all__ = ["build_projection"]

_OWN_CLASS: dict[str, Callable[[int, SubspaceConfig, Layout], Projection]] = {
    "dense": DenseProjection,
    "kron": KronProjection,
    "kron-sum": KronSumProjection,
    "lora": LoraProjection,
}


def build_projection(config: SubspaceConfig, layout: Layout) -> Projection:
    """The projection that ``config`` names, for a model of this layout.

    Raises:
        SubspaceError: the kind or its dim does not fit the model.
    """
    terms = [
        _build_term(kind, dim, config, layout)
        for kind, dim in zip(config.terms, config.term_dims, strict=True)
    ]
    return terms[0] if len(terms) == 1 else SumProjection(config.kind, terms, layout)


def _build_term(kind: str, dim: int, config: SubspaceConfig, layout: Layout) -> Projection:
    if kind in _OWN_CLASS:
        return _OWN_CLASS[kind](dim, config, layout)
    return HashedProjection(kind, dim, config, layout)
