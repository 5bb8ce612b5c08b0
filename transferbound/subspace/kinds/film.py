"""Kind "film": a hashed map of normalization scales and shifts, biases and the head (Perez et al. 2018, FiLM)."""

from __future__ import annotations

from transferbound.errors import SubspaceError
from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.kinds.hashed import HashedProjection
from transferbound.subspace.layout import Layout

__all__ = ["FilmProjection"]

_ROLES = ("norm_scale", "norm_shift", "bias", "head")


class FilmProjection(HashedProjection):
    """Raises SubspaceError where the model has none of these parameters."""

    kind = "film"

    def chosen(self, config: SubspaceConfig, layout: Layout) -> tuple[int, ...]:
        found = layout.with_roles(_ROLES)
        if not found:
            raise SubspaceError('kind "film" finds no parameters in this model: use kind "hashed" or "lora"')
        return found
