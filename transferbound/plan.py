"""What a bound would be, before any training: from n, a train error and a message size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferbound.bounds import Form, failure_probability, held_out
from transferbound.errors import ArgumentError
from transferbound.risks.zero_one import ZeroOne

# The held-out shares that a plan compares with.
HOLDOUT_SHARES = (0.1, 0.2)
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

        >>> round(plan(n=5000, train_error=0.1, bits=600).risk_bound, 4)
        0.2629
    """
    delta = failure_probability(confidence)
    _check_error("train_error", train_error)
    holdout_error = train_error if holdout_error is None else holdout_error
    _check_error("holdout_error", holdout_error)
    if target is not None and not 0.0 < target < 1.0:
        raise ArgumentError(f"target must be a fraction strictly between 0 and 1, got {target}")
    form = _form(grouped)
    bounds = form.expected(train_error, n, bits, delta)  # checks n and bits
    allowed = needed = math.nan
    if target is not None:
        allowed = form.max_bits(target, train_error, n, delta)
        needed = form.min_n(target, train_error, bits, delta)
    return Plan(
        n=int(n),
        train_error=float(train_error),
        errors=form.errors(train_error, n),
        bits=float(bits),
        confidence=float(confidence),
        holdout_error=float(holdout_error),
        grouped=bool(grouped),
        risk_bound=bounds[form.headline],
        bounds=bounds,
        holdouts=tuple(
            _holdout_plan(form, share, int(n), train_error, holdout_error, delta) for share in HOLDOUT_SHARES
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
    form = _form(grouped)
    return Sweep(
        n=sizes,
        bits=lengths,
        train_error=float(train_error),
        confidence=float(confidence),
        grouped=bool(grouped),
        bounds=np.array(
            [[form.expected_bound(train_error, size, length, delta) for length in lengths] for size in sizes]
        ),
        holdout_tenth=np.array([held_out(form, 0.1, int(size), train_error, delta).bound for size in sizes]),
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


def _form(grouped: bool) -> Form:
    return ZeroOne.form_for(grouped)


def _holdout_plan(
    form: Form, share: float, n: int, error: float, holdout_error: float, delta: float
) -> HoldoutPlan:
    held = held_out(form, share, n, holdout_error, delta)
    even = form.max_bits(held.bound, error, n, delta)
    return HoldoutPlan(share, held.n, held.errors, held.bound, _finite(even))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _check_error(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ArgumentError(f"{name} must be a fraction between 0 and 1, got {value}")
