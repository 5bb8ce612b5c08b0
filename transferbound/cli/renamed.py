"""Old names of options: understood for one release, with a note."""

from __future__ import annotations

import typer

__all__ = ["note_renamed"]


def note_renamed(old: str, new: str) -> None:
    """One line on standard error."""
    typer.echo(f"transferbound: {old} is now {new}; the old name goes with the next release", err=True)
