"""What a bound would be, before any training: from n, a train error and a message size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferbound.bounds import (
    all_bounds,
    errors_at,
    failure_probability,
    max_bits,
    max_bits_kl,
    min_n,
    min_n_kl,
    occam_binomial,
    occam_kl,
)
from transferbound.errors import ArgumentError

# The held-out shares that a plan compares with.
HOLDOUT_SHARES = (0.1, 0.2)
# What occam_bounded pays for the choice between its two forms.
_CHOICE_BITS = 1.0
_SWEPT = 2.0 ** np.arange(-3, 4)


@dataclass(frozen=True)
class HoldoutPlan:
    """What a held-out part of the same data would certify.

    Attributes:
        share: part of the n examples held out. m: their number.
        errors: wrong ones among them; None for groups, where the loss is a mean.
        bound: upper Clopper-Pearson limit (groups: the kl form), a fraction, at the plan's confidence.
        break_even_bits: message size below which the compression bound on all n examples is smaller than
            ``bound``; None where even 0 bits would not do.
    """

    share: float
    m: int
    errors: int | None
    bound: float
    break_even_bits: float | None


@dataclass(frozen=True)
class Plan:
    """Bounds for one choice of n, train error and bits. Errors and bounds are fractions, sizes bits.

    Attributes:
        n: independent training examples, or groups. train_error: as asked.
        errors: ceil(train_error n); None for groups.
        bits: message size. confidence: 1 - delta. holdout_error: assumed error on held-out data.
        grouped: whether n counts groups of rows.
        risk_bound: the headline: the binomial tail; for groups the most that occam_bounded can give for
            this mean, that is the kl form at one bit more. bounds: every bound by name.
        holdouts: what holding out a tenth and a fifth would give.
        target: wanted bound, or None; then also the two below are None.
        bits_allowed: largest message that meets the target at this n and train error; None: not even 0 bits
            do.
        n_needed: smallest n that meets the target at this train error and these bits; None: no n does.
    """

    n: int
    train_error: float
    errors: int | None
    bits: float
    confidence: float
    holdout_error: float
    grouped: bool
    risk_bound: float
    bounds: dict[str, float]
    holdouts: tuple[HoldoutPlan, ...]
    target: float | None
    bits_allowed: float | None
    n_needed: int | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: dicts, lists, numbers and None, never nan or inf."""
        return asdict(self) | {"holdouts": [asdict(holdout_plan) for holdout_plan in self.holdouts]}


@dataclass(frozen=True)
class Sweep:
    """Bounds over a grid of n and bits at one train error.

    Attributes:
        n: shape (rows,). bits: shape (columns,). bounds: shape (rows, columns), the headline bound.
        holdout_tenth: shape (rows,), what a held-out tenth of each n would certify.
    """

    n: NDArray[np.int64]
    bits: NDArray[np.float64]
    train_error: float
    confidence: float
    grouped: bool
    bounds: NDArray[np.float64]
    holdout_tenth: NDArray[np.float64]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            key: value.tolist() if isinstance(value, np.ndarray) else value
            for key, value in vars(self).items()
        }


def plan(
    n: int,
    train_error: float,
    bits: float,
    confidence: float = 0.95,
    target: float | None = None,
    holdout_error: float | None = None,
    grouped: bool = False,
) -> Plan:
    """What a bound would be for n examples, this train error and a message of ``bits`` bits.

    Args:
        n: number of independent training examples, at least 1; of groups, where rows are grouped.
        train_error: fraction of them the coded predictor gets wrong, counted as ceil(train_error n)
            errors; for groups the mean over groups of the error within each.
        bits: message size, at least 0.
        confidence: 1 - delta, in (0, 1).
        target: a bound to reach, a fraction; answers with the bits it allows and the n it needs.
        holdout_error: error assumed on held-out examples; the train error where None. A real one is
            seldom below the train error, so the default flatters the held-out split.
        grouped: n counts groups (patients, documents): the losses are means, and the kl form applies.

    Raises:
        ArgumentError: an argument is out of its range.
    """
    delta = failure_probability(confidence)
    _check_error("train_error", train_error)
    holdout_error = train_error if holdout_error is None else holdout_error
    _check_error("holdout_error", holdout_error)
    if target is not None and not 0.0 < target < 1.0:
        raise ArgumentError(f"target must be a fraction strictly between 0 and 1, got {target}")
    bounds = _bounds(n, train_error, bits, delta, grouped)  # checks n and bits
    allowed = needed = math.nan
    if target is not None:
        allowed = _allowed(target, train_error, n, delta, grouped)
        needed = (
            min_n_kl(target, train_error, bits + _CHOICE_BITS, delta)
            if grouped
            else min_n(target, train_error, bits, delta)
        )
    return Plan(
        n=int(n),
        train_error=float(train_error),
        errors=None if grouped else errors_at(train_error, n),
        bits=float(bits),
        confidence=float(confidence),
        holdout_error=float(holdout_error),
        grouped=bool(grouped),
        risk_bound=bounds["occam_bounded" if grouped else "occam_binomial"],
        bounds=bounds,
        holdouts=tuple(
            _holdout_plan(share, int(n), train_error, holdout_error, delta, grouped)
            for share in HOLDOUT_SHARES
        ),
        target=None if target is None else float(target),
        bits_allowed=_finite(allowed),
        n_needed=int(needed) if math.isfinite(needed) else None,
    )


def sweep(
    n: ArrayLike, train_error: float, bits: ArrayLike, confidence: float = 0.95, grouped: bool = False
) -> Sweep:
    """The headline bound for every pair of a list of n and a list of bits; arguments as :func:`plan`."""
    delta = failure_probability(confidence)
    _check_error("train_error", train_error)
    sizes = np.atleast_1d(np.asarray(n))
    lengths = np.atleast_1d(np.asarray(bits, dtype=np.float64))
    if sizes.ndim != 1 or lengths.ndim != 1 or sizes.size == 0 or lengths.size == 0:
        raise ArgumentError(
            f"n and bits must be lists of numbers, got shapes {sizes.shape} and {lengths.shape}"
        )
    if not bool((sizes >= 1).all()) or not bool((sizes == np.floor(sizes)).all()):
        raise ArgumentError(f"n must hold whole numbers of at least 1, got {sizes.min()} to {sizes.max()}")
    sizes = sizes.astype(np.int64)
    held = [_held_out(0.1, int(size)) for size in sizes]
    return Sweep(
        n=sizes,
        bits=lengths,
        train_error=float(train_error),
        confidence=float(confidence),
        grouped=bool(grouped),
        bounds=np.array(
            [[_headline(size, train_error, length, delta, grouped) for length in lengths] for size in sizes]
        ),
        holdout_tenth=np.array([_held_out_bound(m, train_error, delta, grouped) for m in held]),
    )


def sweep_around(plan: Plan, over: Sequence[str]) -> Sweep:
    """The headline bound around ``plan``: for 1/8 to 8 times its n, its bits, or both, as ``over`` names.

    Raises ArgumentError where ``over`` names anything but ``n`` and ``bits``.
    """
    for name in over:
        if name not in ("n", "bits"):
            raise ArgumentError(f"a sweep goes over n or bits, got {name!r}")
    sizes = np.unique(np.maximum(1, np.round(plan.n * _SWEPT)).astype(np.int64)) if "n" in over else [plan.n]
    lengths = np.unique(plan.bits * _SWEPT) if "bits" in over else [plan.bits]
    return sweep(sizes, plan.train_error, lengths, plan.confidence, plan.grouped)


def _bounds(n: int, error: float, bits: float, delta: float, grouped: bool) -> dict[str, float]:
    if not grouped:
        return all_bounds(errors_at(error, n) if n >= 1 else 0, n, bits, delta)
    return {
        "occam_bounded": occam_kl(error, n, bits + _CHOICE_BITS if bits >= 0 else bits, delta),
        "occam_kl": occam_kl(error, n, bits, delta),
    }


def _headline(n: int, error: float, bits: float, delta: float, grouped: bool) -> float:
    if grouped:
        return _bounds(n, error, bits, delta, grouped)["occam_bounded"]
    return occam_binomial(errors_at(error, n), n, bits, delta)


def _allowed(target: float, error: float, n: int, delta: float, grouped: bool) -> float:
    if not grouped:
        return max_bits(target, errors_at(error, n), n, delta)
    bits = max_bits_kl(target, error, n, delta) - _CHOICE_BITS
    return bits if bits >= 0.0 else math.nan


def _held_out_bound(m: int, error: float, delta: float, grouped: bool) -> float:
    return occam_kl(error, m, 0.0, delta) if grouped else occam_binomial(errors_at(error, m), m, 0.0, delta)


def _holdout_plan(
    share: float, n: int, error: float, holdout_error: float, delta: float, grouped: bool
) -> HoldoutPlan:
    m = _held_out(share, n)
    bound = _held_out_bound(m, holdout_error, delta, grouped)
    return HoldoutPlan(
        share=share,
        m=m,
        errors=None if grouped else errors_at(holdout_error, m),
        bound=bound,
        break_even_bits=_finite(_allowed(bound, error, n, delta, grouped)),
    )


def _held_out(share: float, n: int) -> int:
    return max(1, round(share * n))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _check_error(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ArgumentError(f"{name} must be a fraction between 0 and 1, got {value}")
