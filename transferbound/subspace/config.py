"""Which subspace: the choices that the decoder needs, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from transferbound.errors import ArgumentError, SubspaceError
from transferbound.message import Header
from transferbound.message.kinds import has_field, is_short, kinds_with, known_kinds

__all__ = ["SubspaceConfig", "header_for", "subspace_config"]

_DEFAULT_RANK = 4


@dataclasses.dataclass(frozen=True)
class SubspaceConfig:
    """A subspace theta = theta0 + P w of a model's parameters.

    These are fields of a message's header, and its limits are theirs.

    Raises:
        SubspaceError: a field is out of range or does not go with the kind.
    """

    kind: str = dataclasses.field(
        default="film",
        metadata={
            "help": f"Subspace: {', '.join(known_kinds())}, or a sum such as film+kron, whose offsets add up.",
            "search": True,
        },
    )
    dim: int = dataclasses.field(default=1000, metadata={"help": "Coordinates d.", "search": True})
    seed: int = dataclasses.field(
        default=0,
        metadata={"help": "Seed of the projection P, below 2^63; the message pays for it.", "search": True},
    )
    rank: int = dataclasses.field(
        default=_DEFAULT_RANK,
        metadata={
            "help": f"Rank of the factors, up to 1024, kind {kinds_with('rank')} only.",
            "search": True,
        },
    )
    modules: str = dataclasses.field(
        default="",
        metadata={
            "help": 'Comma-separated shell patterns ("layer4.*,fc"), each matched against the names of parameters '
            f"and of the modules that hold them, kind {kinds_with('modules')} only."
        },
    )
    head_scale: int = dataclasses.field(
        default=0, metadata={"help": "The head's part of the offset is scaled by 2^(this/2).", "search": True}
    )

    def __post_init__(self) -> None:
        try:
            _check(self)
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


def _check(config: SubspaceConfig) -> None:
    """The header's own checks; a kind that stands alone has no header without the classes of a task."""
    if is_short(str(config.kind)):
        Header("film", dim=config.dim)
        return
    header_for(config)


def header_for(config: SubspaceConfig, **choices: Any) -> Header:
    """The header that names a subspace and the further ``choices`` (levels, step, input_size, ...).

    Raises:
        ArgumentError: one of them is out of range.
    """
    if is_short(str(config.kind)):
        raise ArgumentError(
            f"kind is {config.kind!r}, which is found by trying; leave it out, or choose another"
        )
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
