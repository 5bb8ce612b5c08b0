"""Rows that are set aside: their inputs, without labels, may serve a prior, and no bound counts them."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from transferbound.errors import ArgumentError

__all__ = ["customary_units", "units_set_aside"]

# Bounds in %, EfficientNet-Lite0, samples of MNIST, with a tenth set aside and with none: 500 rows 44.5 and 44.9,
# 1,000 rows 30.3 and 32.3, 2,000 rows 20.3 and 22.1. MiniLM, components of depths 0.67 and 1, SUBJ: 500 rows 24.4 and
# 26.6, 2,000 rows 16.3 and 18.2, 10,000 rows 12.3 and 13.0.
_LEAST, _MOST = 500, 1500


def customary_units(units: int) -> int:
    """How many of ``units`` are set aside by the rule of the package: a tenth, 1,500 at most, of 500 or more.

    >>> customary_units(499), customary_units(500), customary_units(60_000)
    (0, 50, 1500)
    """
    return 0 if units < _LEAST else min(_MOST, units // 10)


def units_set_aside(units: int, count: int) -> npt.NDArray[np.bool_]:
    """Which of ``units`` are set aside: ``count`` of them, by their numbers alone.

    The numbers whose sha256 (of their decimal digits) are smallest: whatever order the rows are in, and whatever they
    hold, these are like a draw from them.

    Returns:
        bool [units].

    Raises:
        ArgumentError: ``count`` is negative, or leaves fewer than one unit.

    >>> units_set_aside(8, 3).nonzero()[0]
    array([0, 3, 4])
    """
    if not 0 <= count < max(units, 1):
        raise ArgumentError(
            f"set-aside is {count}; of {units:,} units at least 0 and at most {units - 1:,} can be set aside"
        )
    chosen = np.zeros(units, dtype=bool)
    if count:
        digests = b"".join(hashlib.sha256(str(unit).encode()).digest()[:8] for unit in range(units))
        chosen[np.argsort(np.frombuffer(digests, dtype=">u8"), kind="stable")[:count]] = True
    return chosen
