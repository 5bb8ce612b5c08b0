"""The command line: ``transferbound bound | verify | card | account | plan | demo``."""

from transferbound.cli.app import app, main

__all__ = ["app", "main"]
