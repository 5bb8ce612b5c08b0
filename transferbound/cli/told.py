"""What commands have in common: where things are now, and their result as JSON, as text, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["FAILED", "DatasetNow", "Folder", "Json", "PriorNow", "Quiet", "ReferenceNow", "tell"]

FAILED = "it failed"
"""What is said of a command that fails unexpectedly."""

Folder = Annotated[Path, typer.Argument(help="Folder that `transferbound bound` wrote.")]
PriorNow = Annotated[
    str | None, typer.Option(help="Where the checkpoint is now, if not under its recorded name.")
]
DatasetNow = Annotated[
    str | None, typer.Option(help="Where the data is now, if not under its recorded name.")
]
ReferenceNow = Annotated[
    str | None, typer.Option(help="Where the reference inputs are now, if any of your own are recorded.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars and no summary.")]


def tell(content: Mapping[str, Any], as_json: bool, quiet: bool, text: Callable[[], str]) -> None:
    """Prints the result: as JSON, or the text that is made only then."""
    if as_json:
        print(json.dumps(content, indent=2))  # what is not ASCII is escaped
    elif not quiet:
        print(text())
