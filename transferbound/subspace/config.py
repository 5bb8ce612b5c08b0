"""Which subspace: the choices that the decoder needs, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from transferbound.errors import ArgumentError, SubspaceError
from transferbound.message import Header
from transferbound.message.kinds import has_field

__all__ = ["SubspaceConfig", "header_for", "subspace_config"]

_DEFAULT_RANK = 4


@dataclasses.dataclass(frozen=True)
class SubspaceConfig:
    """A subspace theta = theta0 + P w of a model's parameters.

    Args:
        kind: one of ``transferbound.message.KINDS``, or several joined by "+" (their offsets add up).
        dim: d, the number of coordinates.
        seed: seed of P, in ``[0, 2**63)``.
        rank: rank of the factors, 1 .. 1024; kind "lora" only.
        modules: comma-separated shell patterns (``"layer4.*,fc"``), each matched against the names of
            parameters and of the modules that hold them; kind "modules" only.
        head_scale: the head's part of the offset is multiplied by ``2 ** (head_scale / 2)``.

    These are fields of a message's header, and its limits are theirs.

    Raises:
        SubspaceError: a field is out of range or does not go with the kind.
    """

    kind: str = "film"
    dim: int = 1000
    seed: int = 0
    rank: int = _DEFAULT_RANK
    modules: str = ""
    head_scale: int = 0

    def __post_init__(self) -> None:
        try:
            header_for(self)
        except ArgumentError as error:
            raise SubspaceError(str(error)) from error
        if self.dim < len(self.terms):
            raise SubspaceError(f"dim={self.dim} leaves a term of {self.kind!r} without a coordinate")

    @property
    def terms(self) -> tuple[str, ...]:
        """The kinds that are added up, in order."""
        return tuple(self.kind.split("+"))

    @property
    def term_dims(self) -> tuple[int, ...]:
        """Coordinates of each term, in order: shares as equal as can be, the larger ones first."""
        share, rest = divmod(self.dim, len(self.terms))
        return tuple(share + (i < rest) for i in range(len(self.terms)))

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of ``modules``, in order."""
        return tuple(part.strip() for part in self.modules.split(",") if part.strip())

    @property
    def head_factor(self) -> float:
        """``2 ** (head_scale / 2)``, the same float64 on every machine."""
        half, odd = divmod(self.head_scale, 2)
        return 2.0**half * (1.4142135623730951 if odd else 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SubspaceConfig:
        """The inverse of ``to_dict``.

        Raises:
            SubspaceError: a key is unknown, or a value is out of range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise SubspaceError(f"unknown subspace settings {unknown}; known are {sorted(known)}")
        return cls(**data)


def subspace_config(header: Header) -> SubspaceConfig:
    """The subspace that a header names.

    Raises:
        SubspaceError: it has fewer coordinates than terms.
    """
    own = {"rank": header.rank} if has_field(header.kind, "rank") else {}
    return SubspaceConfig(
        kind=header.kind,
        dim=header.dim,
        seed=header.seed,
        modules=header.modules,
        head_scale=header.head_scale,
        **own,
    )


def header_for(config: SubspaceConfig, **choices: Any) -> Header:
    """The header that names a subspace and the further ``choices`` (levels, step, input_size, ...).

    Raises:
        ArgumentError: one of them is out of range.
    """
    unused = config.rank == _DEFAULT_RANK and not has_field(str(config.kind), "rank")
    return Header(
        kind=config.kind,
        dim=config.dim,
        seed=config.seed,
        modules=config.modules,
        head_scale=config.head_scale,
        rank=0 if unused else config.rank,
        **choices,
    )
