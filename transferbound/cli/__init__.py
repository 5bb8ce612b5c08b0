"""The command line: ``transferbound bound | verify | card | account | plan | demo``."""

from transferbound.cli.entry import main

__all__ = ["main"]
