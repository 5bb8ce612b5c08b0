"""From a config and a layout to a projection."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.layout import Layout
from transferbound.subspace.projection import Projection
from transferbound.subspace.sums import SumProjection

__all__ = ["build_projection", "class_of"]


def build_projection(config: SubspaceConfig, layout: Layout) -> Projection:
    """The projection that ``config`` names, for a model of this layout.

    Raises:
        SubspaceError: the kind or its dim does not fit the model.
    """
    terms = [
        class_of(kind)(dim, config, layout) for kind, dim in zip(config.terms, config.term_dims, strict=True)
    ]
    return terms[0] if len(terms) == 1 else SumProjection(config.kind, terms, layout)


def class_of(kind: str) -> Callable[[int, SubspaceConfig, Layout], Projection]:
    """The class of a known kind, by its name: that of "kron-sum" is ``KronSumProjection`` in ``kinds/kron_sum.py``."""
    words = kind.split("-")
    module = importlib.import_module(f"transferbound.subspace.kinds.{'_'.join(words)}")
    found: Callable[[int, SubspaceConfig, Layout], Projection] = getattr(
        module, "".join(map(str.capitalize, words)) + "Projection"
    )
    return found
