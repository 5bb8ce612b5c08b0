"""An explanation in some lines, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from transferbound.explanation.explanation import Cut, Explanation, Part
from transferbound.wording import as_lines, percent, percent_up, printable, shortened

__all__ = ["explanation_text"]

_SHOWN = 8
_MOST_NAME = 32  # characters


def explanation_text(found: Explanation) -> str:
    """Message, parts, the coordinates that buy most, and what is left with half of it."""
    lines = [
        f"message        {found.bits:.1f} bits, {found.header_bits:.1f} of them before the first integer; kind "
        f"{found.kind!r}, {found.nonzero:,} of {found.dim:,} coordinates are not zero",
        f"rows           {found.rows:,} of {found.counted:,} that the certificate counts; {found.errors:,} wrong "
        f"({percent(found.errors / found.rows)})",
    ]
    for name, parts in found.parts.items():
        lines += ["", *_parts(name, parts)]
    if found.coordinates:
        lines += ["", *_coordinates(found)]
    if found.nonzero:
        lines += ["", *_cuts(found)]
    lines += ["", *(f"note           {note}" for note in found.notes)]
    return as_lines(lines)


def _parts(by: str, parts: tuple[Part, ...]) -> list[str]:
    lines = [f"{'by ' + by:<34}{'not zero':>10}{'bits':>10}{'errors without it':>20}"]
    for part in parts:
        count = "" if part.coordinates is None else f"{part.coordinates:,}"
        bits = "" if part.bits is None else f"{part.bits:.1f}"
        lines.append(f"  {_short(part.name):<32}{count:>10}{bits:>10}{part.errors:>+20,}")
    return lines


def _coordinates(found: Explanation) -> list[str]:
    ranked = sorted(found.coordinates, key=lambda one: (-one.errors_per_bit, one.place))
    tried = "" if len(ranked) == found.nonzero else f", of {len(ranked):,} that were tried"
    lines = [f"{'buy most for each bit' + tried:<44}{'value':>6}{'bits':>8}{'errors':>8}"]
    lines += [
        f"  {_short(one.where):<42}{one.value:>6}{one.bits:>8.1f}{one.errors:>+8,}" for one in ranked[:_SHOWN]
    ]
    idle = sum(one.errors <= 0 for one in ranked)
    lines.append(f"  {idle:,} of {len(ranked):,} buy no error by themselves")
    if found.agreement is not None:
        lines.append(
            f"  the order of the cuts agrees with these at a rank correlation of {found.agreement:.2f}"
        )
    return lines


def _cuts(found: Explanation) -> list[str]:
    lines = [f"cut by {found.order}"]
    lines.append(f"  {'coordinates':>11}{'bits':>10}{'errors':>12}{'other answers':>16}{'bound':>10}")
    half = found.half
    for cut in _some(found.cuts, half):
        lines.append("  " + _cut(found, cut) + ("   half of the message" if cut is half else ""))
    if half is None:
        lines.append(
            f"  the header alone takes {found.header_bits:.1f} bits: no half of this message can be read"
        )
    return lines


def _some(cuts: tuple[Cut, ...], half: Cut | None) -> Iterable[Cut]:
    """About ``_SHOWN`` of them, first, last and the half among them."""
    every = max(1, -(-len(cuts) // _SHOWN))
    return [
        cut for place, cut in enumerate(cuts) if place % every == 0 or cut is half or place == len(cuts) - 1
    ]


def _cut(found: Explanation, cut: Cut) -> str:
    bound = "" if cut.bound is None else percent_up(cut.bound)
    errors = percent(cut.errors / found.rows)
    return f"{cut.coordinates:>11,}{cut.bits:>10.1f}{errors:>12}{percent(cut.changed / found.rows):>16}{bound:>10}"


def _short(name: str) -> str:
    return shortened(printable(name), _MOST_NAME)
