"""Kind "modules": a hashed map of the parameters whose names match the config's patterns."""

from __future__ import annotations

import fnmatch

from transferbound.errors import SubspaceError
from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.kinds.hashed import HashedProjection
from transferbound.subspace.layout import Layout

__all__ = ["ModulesProjection"]


class ModulesProjection(HashedProjection):
    """Raises SubspaceError where a pattern matches nothing."""

    kind = "modules"

    def chosen(self, config: SubspaceConfig, layout: Layout) -> tuple[int, ...]:
        """Tensors of which the name, or the name of a module around it, matches a pattern."""
        found: set[int] = set()
        for pattern in config.patterns:
            hits = {i for i, spec in enumerate(layout.specs) if _matches(pattern, spec.name)}
            if not hits:
                raise SubspaceError(
                    f"modules pattern {pattern!r} matches no parameter; the first are "
                    f"{[spec.name for spec in layout.specs[:4]]}"
                )
            found |= hits
        return tuple(sorted(found))


def _matches(pattern: str, name: str) -> bool:
    parts = name.split(".")
    return any(fnmatch.fnmatchcase(".".join(parts[:k]), pattern) for k in range(1, len(parts) + 1))
