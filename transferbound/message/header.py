"""What the header of a message says, and the declared code of each of its fields.

Every choice that the decoder needs and that may have been made with the data in view stands here and
is paid for. A field that does not apply to the kind costs nothing and must keep its default.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from transferbound.errors import ArgumentError
from transferbound.message.field_codes import (
    Arrangement,
    Code,
    EliasDelta,
    EliasGamma,
    Extended,
    Fixed,
    Listed,
    Mapped,
    OpenList,
    Optional,
    Text,
    Uniform,
)
from transferbound.message.kinds import (
    KINDS,
    SHORT_FIELDS,
    SHORT_KINDS,
    further_names,
    has_field,
    is_short,
    kinds_with,
    known_kinds,
    version_of,
)
from transferbound.message.short_codes import COMPONENTS, FEATURES, MAX_CLASSES, MIN_CLASSES, short_code

__all__ = [
    "DIMS",
    "INPUT_SIZES",
    "KINDS",
    "MAX_CANDIDATES",
    "MAX_DIM",
    "MAX_LEVELS",
    "MAX_SEED",
    "OPEN_LIST",
    "Header",
    "field_codes",
    "step_size",
]

DIMS: tuple[int, ...] = (
    *(10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 350, 400, 450, 500, 550, 600, 650, 700, 750),
    *(800, 850, 900, 1000, 1100, 1200, 1300, 1400, 1500, 1600, 1800, 2000, 2200, 2500, 2800, 3000, 3500),
    *(4000, 4500, 5000, 5500, 6000, 7000, 8000, 9000, 10_000, 12_000, 15_000, 18_000, 20_000, 25_000, 30_000),
    *(40_000, 50_000, 60_000, 80_000, 100_000, 150_000, 200_000, 300_000, 500_000, 1_000_000),
)
"""The 64 declared numbers of coordinates; others cost more."""

INPUT_SIZES: tuple[int, ...] = (
    *(28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 288, 320, 384, 448, 512),
)
"""The declared image sides (pixels) and text lengths (tokens); others cost more."""

MAX_DIM = 2**22
MAX_SEED = 2**63 - 1
MAX_LEVELS = 4095
MAX_CANDIDATES = 2**20
OPEN_LIST = 0
"""As a number of candidates: a list that may grow, in which a place pays for its own length."""
_MAX_INPUT_SIZE = 2**16
_MAX_RANK = 1024
_MAX_PATTERN_BYTES = 256
_MAX_STEP = 256
_MAX_HEAD_SCALE = 64

_TYPES = {"kind": str, "modules": str, "contexts": bool, "adaptive_signs": bool}
"""Of the fields that are no integers."""

_LIMITS = {
    "dim": (1, MAX_DIM),
    "seed": (0, MAX_SEED),
    "levels": (3, MAX_LEVELS),
    "step": (-_MAX_STEP, _MAX_STEP),
    "input_size": (0, _MAX_INPUT_SIZE),
    "head_seed": (0, MAX_SEED),
    "head_scale": (-_MAX_HEAD_SCALE, _MAX_HEAD_SCALE),
    "rank": (0, _MAX_RANK),
    "candidates": (OPEN_LIST, MAX_CANDIDATES),
    "features": (0, FEATURES - 1),
    "components": (0, max(COMPONENTS)),
    "answer": (0, MAX_CLASSES - 1),
    "classes": (0, MAX_CLASSES),
}


@dataclass(frozen=True)
class Header:
    """The choices a decoder needs beside the integers.

    Attributes:
        kind: kind of subspace, or a sum of distinct ones in the order of their coordinates ("film+kron").
        dim: number of coordinates d, 1 .. 2^22.
        seed: of the projection's random streams.
        levels: odd number of grid levels L >= 3; integers lie in [-(L-1)/2, (L-1)/2].
        step: lattice step exponent; step size = 2^(step/4).
        input_size: image side in pixels, or maximum number of tokens; 0 = the prior's own.
        head_seed: 0 = the head starts from zero; else the seed of its random start.
        head_scale: the head's part of the offset is scaled by 2^(head_scale/2).
        rank: of the factors, 1 .. 1024; only where a kind has it ("lora"), else 0.
        modules: name patterns; only where a kind has them ("modules"), else empty.
        candidate: which of ``candidates`` variants (prior, architecture), from 0.
        contexts: whether the coordinates' context ids have separate adaptive counts.
        adaptive_signs: whether signs have adaptive counts (else one bit each).
        candidates: number of variants on the list, or ``OPEN_LIST``; a constant of the decoder, never coded.
        features: place on the list of features, kind "sparse" only.
        components: their principal components K that the head reads, kind "sparse" only.
        answer: the class that is always answered, kind "constant" only.
        classes: number of classes, kinds "sparse" and "constant"; else 0. A constant of the decoder, never coded.

    Raises:
        ArgumentError: a field is out of range, or set where it does not apply.
    """

    kind: str
    dim: int
    seed: int = 0
    levels: int = 3
    step: int = 0
    input_size: int = 0
    head_seed: int = 0
    head_scale: int = 0
    rank: int = 0
    modules: str = ""
    candidate: int = 0
    contexts: bool = False
    adaptive_signs: bool = False
    candidates: int = 1
    features: int = 0
    components: int = 0
    answer: int = 0
    classes: int = 0

    def __post_init__(self) -> None:
        self.validate()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The base kinds that ``kind`` is the sum of."""
        return tuple(self.kind.split("+"))

    @property
    def version(self) -> int:
        """The version of the message format that names ``kind``."""
        return version_of(self.kind)

    def validate(self) -> None:
        """Raises ArgumentError, naming the field, its value and what is allowed."""
        for name, wanted in _TYPES.items():
            value = getattr(self, name)
            if type(value) is not wanted:
                raise ArgumentError(f"{name} is {value!r}; it must be of type {wanted.__name__}")
        self._check_kind()
        for name, (low, high) in _LIMITS.items():
            _check_integer(name, getattr(self, name), low, high)
        _check_integer("candidate", self.candidate, 0, (self.candidates or MAX_CANDIDATES) - 1)
        if self.levels % 2 == 0:
            raise ArgumentError(f"levels is {self.levels}; use an odd number, so that zero is a level")
        self._check_own_fields()
        if self.version == 3:
            self._check_short_fields()

    def _check_short_fields(self) -> None:
        """Every field is one that its code can say."""
        known: dict[str, object] = {name: getattr(self, name) for name in (*_CONSTANTS, *dict(_FIELDS))}
        for name, code in field_codes():
            try:
                code(known | {"version": 3}).write(known[name])
            except ArgumentError as error:
                raise ArgumentError(
                    f"{name}={known[name]!r} does not go with kind {self.kind!r}: {error}"
                ) from error

    def _check_kind(self) -> None:
        known = known_kinds()
        if not set(self.kinds) <= known.keys():
            raise ArgumentError(
                f"kind {self.kind!r} is none of {', '.join(known)}, nor a sum of them (film+kron)"
            )
        if len(self.kinds) > 1 and any(map(is_short, self.kinds)):
            raise ArgumentError(f"kind {self.kind!r} adds to one that stands alone; use it by itself")
        if len(set(self.kinds)) < len(self.kinds):
            raise ArgumentError(f"kind {self.kind!r} names a term twice; use distinct ones")

    def _check_own_fields(self) -> None:
        """A field that some kinds have to themselves is set where, and only where, it applies."""
        for name in SHORT_FIELDS:
            if getattr(self, name) and not has_field(self.kind, name):
                raise ArgumentError(f"{name}={getattr(self, name)!r} goes with kind {kinds_with(name)} only")
        if self.classes and not is_short(self.kind):
            those = " or ".join(kind.name for kind in SHORT_KINDS)
            raise ArgumentError(
                f"classes={self.classes!r} goes with kind {those} only, not with {self.kind!r}"
            )
        if self.classes < MIN_CLASSES and is_short(self.kind):
            raise ArgumentError(
                f"classes={self.classes!r} does not go with kind {self.kind!r}, which needs a number in "
                f"{MIN_CLASSES}..{MAX_CLASSES}"
            )
        for name, needed in (("rank", f"a rank in 1..{_MAX_RANK}"), ("modules", "patterns")):
            value = getattr(self, name)
            if value and not has_field(self.kind, name):
                raise ArgumentError(
                    f"{name}={value!r} goes with kind {kinds_with(name)} only, not with {self.kind!r}"
                )
            if not value and has_field(self.kind, name):
                raise ArgumentError(
                    f"{name}={value!r} does not go with kind {self.kind!r}, which needs {needed}"
                )
        try:
            Text(_MAX_PATTERN_BYTES).write(self.modules)
        except ArgumentError as error:
            raise ArgumentError(f"modules is out of range: {error}") from error


def step_size(exponent: int) -> float:
    """The lattice step 2^(exponent/4), the same float64 on every machine.

    The message carries the exponent; quarter powers of two are one of four constants times a power of two.
    """
    whole, quarter = divmod(exponent, 4)
    return math.ldexp((1.0, 1.189207115002721, 1.4142135623730951, 1.681792830507429)[quarter], whole)


def _check_integer(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ArgumentError(f"{name} is {value!r}; it must be an integer in {low}..{high}")


def _zigzag(value: int) -> int:
    return 2 * value + 1 if value >= 0 else -2 * value


def _unzigzag(code: int) -> int:
    return (code - 1) // 2 if code % 2 else -(code // 2)


def _signed(code: Code) -> Code:
    return Mapped(code, _zigzag, _unzigzag)


def _from_zero(code: Code) -> Code:
    return Mapped(code, lambda value: value + 1, lambda value: value - 1)


_SEED_CODE = _from_zero(EliasDelta(MAX_SEED + 1))
_FLAG_CODE = Mapped(Uniform(2), int, bool)
_DIM_CODE = Listed(DIMS, EliasDelta(MAX_DIM), "dims")
_LEVELS_CODE = Mapped(EliasGamma((MAX_LEVELS - 1) // 2), lambda n: (n - 1) // 2, lambda m: 2 * m + 1)
_STEP_CODE = Listed(tuple(range(-48, 16)), _signed(EliasDelta(2 * _MAX_STEP + 1)), "exponents -48..15")
_INPUT_CODE = Optional(0, Listed(INPUT_SIZES, EliasDelta(_MAX_INPUT_SIZE), "sizes"))
_HEAD_SCALE_CODE = _signed(EliasGamma(2 * _MAX_HEAD_SCALE + 1))

# In the order of the stream. A code may depend on fields already read, on `version` and on `candidates`.
_FIELDS: tuple[tuple[str, Callable[[dict[str, object]], Code]], ...] = (
    ("kind", lambda known: _kind_code(known)),
    *((name, lambda known: Fixed(0)) for name in SHORT_FIELDS),
    ("dim", lambda known: _DIM_CODE),
    ("seed", lambda known: _SEED_CODE),
    ("levels", lambda known: _LEVELS_CODE),
    ("step", lambda known: _STEP_CODE),
    ("input_size", lambda known: _INPUT_CODE),
    ("head_seed", lambda known: _SEED_CODE),
    ("head_scale", lambda known: _HEAD_SCALE_CODE),
    ("rank", lambda known: EliasGamma(_MAX_RANK) if has_field(str(known["kind"]), "rank") else Fixed(0)),
    (
        "modules",
        lambda known: Text(_MAX_PATTERN_BYTES) if has_field(str(known["kind"]), "modules") else Fixed(""),
    ),
    ("candidate", lambda known: _candidate_code(int(str(known["candidates"])))),
    ("contexts", lambda known: _FLAG_CODE),
    ("adaptive_signs", lambda known: _FLAG_CODE),
)


def _candidate_code(candidates: int) -> Code:
    return OpenList(MAX_CANDIDATES) if candidates == OPEN_LIST else Uniform(candidates)


def _kind_code(known: dict[str, object]) -> Code:
    if known.get("version", 1) == 1:
        return Arrangement(KINDS)
    return Extended(KINDS, further_names())


_CODES = dict(_FIELDS)
_CONSTANTS = ("candidates", "classes")


def field_codes() -> tuple[tuple[str, Callable[[dict[str, object]], Code]], ...]:
    """The coded fields in stream order, each with its code given the fields before it."""
    return tuple((name, partial(_code_of, name)) for name, _ in _FIELDS)


def _code_of(name: str, known: dict[str, object]) -> Code:
    if known.get("version", 1) == 3 and name != "candidate":
        return short_code(name, known, INPUT_SIZES, _MAX_INPUT_SIZE)
    return _CODES[name](known)
