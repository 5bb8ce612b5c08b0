"""Kind "head": a hashed map of the head, all classes but the first.

Softmax does not see what is added to all classes alike, so coordinates that move the first class too would say the
same thing twice.
"""

from __future__ import annotations

from transferbound.errors import SubspaceError
from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.kinds.hashed import HashedProjection
from transferbound.subspace.layout import Layout, TensorSpec

__all__ = ["HeadProjection"]


class HeadProjection(HashedProjection):
    """Raises SubspaceError where no parameters are named as the head."""

    kind = "head"

    def chosen(self, config: SubspaceConfig, layout: Layout) -> tuple[int, ...]:
        found = layout.with_roles(["head"])
        if not found:
            raise SubspaceError('kind "head" finds no parameters in this model: name the head\'s parameters')
        return found

    def fixed_entries(self, spec: TensorSpec) -> int:
        """Those of the first class; none where there is but one output."""
        return spec.size // spec.shape[0] if spec.shape and spec.shape[0] >= 2 else 0
