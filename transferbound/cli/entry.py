"""Where a process of the command line begins and ends."""

from __future__ import annotations

import sys

from transferbound.cli.guard import exit_code_of
from transferbound.cli.terminal import printable_output

__all__ = ["main"]


def main() -> None:
    """Runs the command line, and leaves with its exit code."""
    with printable_output():
        code = exit_code_of(_run)
    sys.exit(code)


def _run() -> object:
    from transferbound.cli.app import app  # here, where a package that is missing is told of like all else

    return app(standalone_mode=False)
