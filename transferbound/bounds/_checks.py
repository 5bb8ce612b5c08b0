"""Argument checks and broadcasting shared by all bounds."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, cast, overload

import numpy as np
from numpy.typing import NDArray

from transferbound.errors import ArgumentError

Scalar: TypeAlias = float | int | np.floating[Any] | np.integer[Any]
FloatArray: TypeAlias = NDArray[np.float64]

# Beyond this the tail sum near its centre, some 6 sqrt(n) terms, would take seconds.
MAX_N = 2**42


def _plain(value: Any) -> Any:
    """A numpy scalar as Python's own, for messages."""
    return value.item() if isinstance(value, np.generic) else value


def check_count(name: str, value: Any, low: int, high: int) -> int:
    """``value`` as an int in [low, high]; a float is taken when it is a whole number."""
    number: int | None = None
    try:
        number = operator.index(value)
    except TypeError:
        if isinstance(value, float | np.floating) and math.isfinite(value) and value == math.floor(value):
            number = int(value)
    if number is None:
        raise ArgumentError(f"{name} must be a whole number, got {_plain(value)!r}")
    if not low <= number <= high:
        raise ArgumentError(f"{name} must lie between {low} and {high}, got {number}")
    return number


def _check_float(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise ArgumentError(f"{name} must be a number, got {_plain(value)!r}")
    if not math.isfinite(number):
        raise ArgumentError(f"{name} must be finite, got {number}")
    return number


def check_finite(name: str, value: Any) -> float:
    """A finite number of any sign."""
    return _check_float(name, value)


def check_n(n: Any) -> int:
    return check_count("n", n, 1, MAX_N)


def check_fraction(name: str, value: Any) -> float:
    """A risk: a number in [0, 1]."""
    number = _check_float(name, value)
    if not 0.0 <= number <= 1.0:
        raise ArgumentError(f"{name} must be a fraction between 0 and 1, got {number}")
    return number


def check_delta(delta: Any) -> float:
    number = _check_float("delta", delta)
    if not 0.0 < number < 1.0:
        raise ArgumentError(
            f"delta must lie strictly between 0 and 1 (0.05 for 95 % confidence), got {number}"
        )
    return number


def check_share(share: Any) -> float:
    """A part of delta."""
    number = _check_float("share", share)
    if not 0.0 < number < 1.0:
        raise ArgumentError(f"share must lie strictly between 0 and 1, got {number}")
    return number


def check_bits(bits: Any) -> float:
    number = _check_float("bits", bits)
    if number < 0.0:
        raise ArgumentError(
            f"bits must be at least 0: nothing is ever subtracted from a message; got {number}"
        )
    return number


def nats(bits: float, delta: float) -> float:
    """ln(1 / (delta * 2^-bits)): what a message of ``bits`` and the confidence cost together, in nats."""
    return bits * math.log(2.0) - math.log(delta)


class CountBound(Protocol):
    """A bound from an error count; arrays broadcast."""

    __name__: str

    @overload
    def __call__(self, errors: Scalar, n: Scalar, bits: Scalar, delta: Scalar) -> float: ...
    @overload
    def __call__(self, errors: Any, n: Any, bits: Any, delta: Any) -> FloatArray: ...


class RiskBound(Protocol):
    """A bound from an empirical risk; arrays broadcast."""

    __name__: str

    @overload
    def __call__(self, risk: Scalar, n: Scalar, bits: Scalar, delta: Scalar) -> float: ...
    @overload
    def __call__(self, risk: Any, n: Any, bits: Any, delta: Any) -> FloatArray: ...


def check_values(name: str, values: Any) -> FloatArray:
    """A one-dimensional array of at least one finite number, as float64."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} must be numbers, got {type(values).__name__}") from None
    if array.ndim != 1 or array.size == 0:
        raise ArgumentError(f"{name} must be a list of at least one number, got shape {array.shape}")
    bad = ~np.isfinite(array)
    if bad.any():
        where = int(np.flatnonzero(bad)[0])
        raise ArgumentError(f"{name} must be finite; {name}[{where}] is {array[where]}")
    return array


def check_losses(losses: Any) -> FloatArray:
    """A one-dimensional array of at least one loss in [0, 1], as float64."""
    try:
        array = np.asarray(losses, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"losses must be numbers, got {type(losses).__name__}") from None
    if array.ndim != 1 or array.size == 0:
        raise ArgumentError(f"losses must be a list of at least one number, got shape {array.shape}")
    outside = ~((array >= 0.0) & (array <= 1.0))
    if outside.any():
        where = int(np.flatnonzero(outside)[0])
        raise ArgumentError(
            f"losses must lie in [0, 1]; losses[{where}] is {array[where]}: rescale them first"
        )
    return array


def broadcast(scalar: Callable[..., float]) -> Callable[..., Any]:
    """Let a function of numbers take arrays that broadcast; numbers alone still give a float."""
    names = scalar.__code__.co_varnames[: scalar.__code__.co_argcount]

    @functools.wraps(scalar)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > len(names) or (kwargs and not set(kwargs) <= set(names[len(args) :])):
            return scalar(*args, **kwargs)  # raises Python's own TypeError
        values = dict(zip(names, args, strict=False)) | kwargs
        arrays = {name: np.asarray(value) for name, value in values.items()}
        if all(array.ndim == 0 for array in arrays.values()):
            return scalar(**{name: array[()] for name, array in arrays.items()})
        try:
            grid = np.broadcast(*arrays.values())
        except ValueError:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise ArgumentError(f"shapes do not broadcast: {shapes}") from None
        rows = (scalar(**dict(zip(arrays, row, strict=True))) for row in grid)
        return np.fromiter(rows, dtype=np.float64, count=grid.size).reshape(grid.shape)

    return call


def count_bound(scalar: Callable[[int, int, float, float], float]) -> CountBound:
    """Let a function of four numbers (errors, n, bits, delta) take arrays that broadcast."""
    return cast(CountBound, broadcast(scalar))


def risk_bound(scalar: Callable[[float, int, float, float], float]) -> RiskBound:
    """Let a function of four numbers (risk, n, bits, delta) take arrays that broadcast."""
    return cast(RiskBound, broadcast(scalar))
