"""Numbers as people read them, where what is a bound is rounded up; and the words of others, which must show
themselves as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

__all__ = [
    "as_lines",
    "confidence_text",
    "one_line",
    "percent",
    "percent_up",
    "printable",
    "round_up",
    "shortened",
]

# Python calls these printable, but they show nothing: fillers, selectors of variants, a joiner, an empty pattern.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def printable(text: str, keep: str = "") -> str:
    r"""With an escape, as JSON has them, for every character that would not show itself: controls, line breaks, marks
    of direction, characters of no width, halves of surrogate pairs.

    Args:
        text: anything.
        keep: characters that stay as they are.

    >>> print(printable("cat\x1b[2J\nHOLDS"))
    cat\u001b[2J\nHOLDS
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in keep or (c.isprintable() and not _UNSEEN.match(c)) else _escaped(c) for c in text
    )


def _escaped(character: str) -> str:
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def as_lines(lines: Iterable[str]) -> str:
    """A text of these lines and of no others: each is made :func:`printable`."""
    return "\n".join(printable(line) for line in lines)


def one_line(text: str) -> str:
    """Printable, on one line: line breaks and tabs become spaces."""
    return printable(" ".join(text.split()))


def shortened(text: str, most: int = 80) -> str:
    """At most ``most`` characters, the last three of which are dots where something was left out."""
    return text if len(text) <= most else text[: most - 3] + "..."


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
