"""From the confidence that a user states to the failure probability that a bound takes."""

from __future__ import annotations

from transferbound.errors import ArgumentError

__all__ = ["failure_probability"]


def failure_probability(confidence: float) -> float:
    """delta = 1 - confidence, never above the decimal that was meant (1 - 0.95 in floats exceeds 0.05).

    Raises:
        ArgumentError: the confidence does not lie strictly between 0 and 1.

        >>> failure_probability(0.95)
        0.05
    """
    if not (isinstance(confidence, float | int) and 0.0 < confidence < 1.0):
        raise ArgumentError(
            f"confidence is {confidence!r}; it must lie strictly between 0 and 1 (0.95 means 95 %)"
        )
    return min(1.0 - confidence, round(1.0 - confidence, 15)) or 1.0 - confidence
