"""Which subspace: the choices that the decoder needs, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from transferbound.errors import SubspaceError
from transferbound.message import Header

__all__ = ["BASE_KINDS", "SubspaceConfig", "header_for", "subspace_config"]

#: The kinds of P; a sum of distinct kinds is written "film+kron".
BASE_KINDS = ("dense", "kron-sum", "kron", "hashed", "film", "head", "modules", "lora")

_MAX_DIM = 1 << 22
_MAX_SEED = (1 << 63) - 1
_MAX_RANK = 1024
_MAX_HEAD_SCALE = 64


@dataclasses.dataclass(frozen=True)
class SubspaceConfig:
    """A subspace theta = theta0 + P w of a model's parameters.

    Args:
        kind: one of ``BASE_KINDS``, or several joined by "+" (their offsets add up).
        dim: d, the number of coordinates.
        seed: seed of P, in ``[0, 2**63)``.
        rank: rank of the factors; kind "lora" only.
        modules: comma-separated shell patterns (``"layer4.*,fc"``), each matched against the names of
            parameters and of the modules that hold them; kind "modules" only.
        head_scale: the head's part of the offset is multiplied by ``2 ** (head_scale / 2)``.

    Raises:
        SubspaceError: a field is out of range or does not go with the kind.
    """

    kind: str = "film"
    dim: int = 1000
    seed: int = 0
    rank: int = 4
    modules: str = ""
    head_scale: int = 0

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        for name, low, high in (
            ("dim", 1, _MAX_DIM),
            ("seed", 0, _MAX_SEED),
            ("rank", 1, _MAX_RANK),
            ("head_scale", -_MAX_HEAD_SCALE, _MAX_HEAD_SCALE),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise SubspaceError(f"{name} must be an integer in [{low}, {high}], not {value!r}")
        if not isinstance(self.modules, str):
            raise SubspaceError(f"modules must be a string of patterns, not {self.modules!r}")
        if ("modules" in self.terms) != bool(self.modules):
            raise SubspaceError(
                f"modules={self.modules!r} does not go with kind {self.kind!r}: "
                'kind "modules" needs patterns, and the other kinds take none'
            )
        if "lora" not in self.terms and self.rank != 4:
            raise SubspaceError(f'rank={self.rank} goes with kind "lora" only, not with {self.kind!r}')
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
    """The subspace that a header names."""
    rank = {"rank": header.rank} if header.rank else {}
    return SubspaceConfig(
        kind=header.kind,
        dim=header.dim,
        seed=header.seed,
        modules=header.modules,
        head_scale=header.head_scale,
        **rank,
    )


def header_for(config: SubspaceConfig, **choices: Any) -> Header:
    """The header that names a subspace and the further ``choices`` (levels, step, input_size, ...)."""
    return Header(
        kind=config.kind,
        dim=config.dim,
        seed=config.seed,
        modules=config.modules,
        head_scale=config.head_scale,
        rank=config.rank if "lora" in config.terms else 0,
        **choices,
    )


def _check_kind(kind: object) -> None:
    terms = kind.split("+") if isinstance(kind, str) else []
    if not terms or any(term not in BASE_KINDS for term in terms):
        raise SubspaceError(
            f"kind {kind!r} is none of {', '.join(BASE_KINDS)}, nor a sum of them (film+kron)"
        )
    if len(set(terms)) != len(terms):
        raise SubspaceError(f"kind {kind!r} names a term twice")
