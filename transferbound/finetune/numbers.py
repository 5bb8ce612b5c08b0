"""Small numeric helpers of the finetuning loop."""

from __future__ import annotations

__all__ = ["round_down_coarsely"]

_COARSE = (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.4, 8.0)


def round_down_coarsely(value: float) -> int:
    """The largest number at most ``value`` with ten steps a decade, at least 1: two runs on one machine agree."""
    best = 1
    decade = 1.0
    while decade <= value:
        for mantissa in _COARSE:
            if mantissa * decade <= value:
                best = max(best, int(mantissa * decade))
        decade *= 10.0
    return best
