"""Numbers as people read them; what is a bound is rounded up."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

__all__ = ["confidence_text", "percent", "percent_up", "round_up"]


def round_up(fraction: float, digits: int = 4) -> float:
    """The smallest decimal of ``digits`` places that is not below ``fraction``, and at most 1 for a risk.

    >>> round_up(0.17712001)
    0.1772
    """
    return float(Decimal(fraction).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_CEILING))


def confidence_text(confidence: float) -> str:
    """A confidence in per cent, every digit: 0.9999999 must not read as 100 %.

    >>> confidence_text(0.9999999)
    '99.99999 %'
    """
    return f"{(Decimal(repr(float(confidence))) * 100).normalize():f} %"


def percent_up(fraction: float) -> str:
    """A bound in per cent with two decimals, rounded up.

    >>> percent_up(0.17712001)
    '17.72 %'
    """
    value = (Decimal(fraction) * 100).quantize(Decimal("0.01"), rounding=ROUND_CEILING)
    return f"{value} %"


def percent(fraction: float) -> str:
    """A measured share in per cent with two decimals."""
    value = (Decimal(fraction) * 100).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
    return f"{value} %"
