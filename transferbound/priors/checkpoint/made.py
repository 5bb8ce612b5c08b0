"""A checkpoint that its name alone determines: made anew for whoever opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from transferbound.priors.checkpoint.resolve import Checkpoint, resolve
from transferbound.storage.folders import scratch_folder

__all__ = ["made_anew"]


@contextmanager
def made_anew(name: str, export: Callable[[Path], Path]) -> Iterator[Checkpoint]:
    """The checkpoint that ``export`` writes to a new folder, under ``name``; the files last as long as the context."""
    with scratch_folder(f"transferbound-{name.split('/', 1)[0]}-") as place:
        yield replace(resolve(str(export(place / "prior"))), name=name)
