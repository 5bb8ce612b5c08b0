"""What a few seeds say of a mean: 95 % intervals by Student's t, of values and of paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and its interval; of one seed the interval is everything.

    Attributes:
        mean, low, high: low and high at 95 %, infinite where there is one value alone.
        count: values.
    """

    mean: float
    low: float
    high: float
    count: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies to one side of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)

    def text(self, digits: int = 0, unit: str = "") -> str:
        """As it stands in a table: the mean, and the interval in brackets.

        >>> Interval(12.3, 10.0, 14.6, 3).text(1, " %")
        '12.3 % (10.0 to 14.6)'
        """
        mean = f"{self.mean:,.{digits}f}{unit}"
        return f"{mean} ({self.low:,.{digits}f} to {self.high:,.{digits}f})" if self.count > 1 else mean


def interval(values: Sequence[float]) -> Interval:
    """Of the mean of these values.

    >>> found = interval([1.0, 2.0, 3.0])
    >>> round(found.low, 2), found.mean, round(found.high, 2)
    (-0.48, 2.0, 4.48)
    """
    array = np.asarray(values, dtype=np.float64)
    mean, count = float(array.mean()), len(array)
    if count < 2:
        return Interval(mean, -np.inf, np.inf, count)
    wide = float(student.ppf(0.5 + CONFIDENCE / 2, count - 1) * array.std(ddof=1) / np.sqrt(count))
    return Interval(mean, mean - wide, mean + wide, count)
