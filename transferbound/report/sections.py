"""The sections of a card, in their order, whatever is certified."""

from __future__ import annotations

from collections.abc import Sequence

from transferbound.report.markup import plain

__all__ = ["sections"]


def sections(
    statement: str,
    figure: str,
    measured: str,
    account: str,
    holdout: str,
    assumptions: Sequence[str],
    check: str,
) -> list[str]:
    """The parts of a card's text between its title and its end, Markdown each.

    Args:
        statement: what is certified, in words.
        figure: path of the figure, as seen from the card.
        measured, account, holdout, check: the texts of the sections of these names.
        assumptions: the certificate's, a sentence or two each.
    """
    return [
        statement,
        f"![The bound beside what it is made of]({figure})",
        "## What was measured",
        measured,
        "## What the message holds",
        account,
        "## What holding data out would have given",
        holdout,
        "## What must be true for this to hold",
        "\n".join(f"- {plain(line)}" for line in assumptions),
        "## How to check it",
        check,
    ]
