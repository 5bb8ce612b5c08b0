"""A folder that appears complete or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transferbound.errors import OutputError
from transferbound.storage.claims import Claim, claim_folder
from transferbound.storage.files import sync_file, sync_folder

__all__ = ["check_out", "new_folder", "scratch_folder"]


def check_out(folder: Path) -> None:
    """Refuses an output folder that exists already or that cannot be made. Creates nothing.

    Raises:
        OutputError: with the remedy.
    """
    if folder.exists() or folder.is_symlink():
        raise OutputError(f"the output folder {folder} exists already; remove it or choose another --out")
    # The nearest folder that exists: nothing is created before there is something to write.
    parent = next(place for place in folder.absolute().parents if place.exists())
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise OutputError(
            f"the output folder {folder} cannot be written: {error.strerror or error}"
        ) from error


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Gives a hidden partial folder beside ``folder``, which gets its name at the end, or is removed.

    What it holds is on the disk before it has its name: after a crash of the machine it is whole, or not there. What
    processes that were killed have left of the same folder is removed.

    Raises:
        OutputError: ``folder`` holds something already, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists already; name another folder or remove it")
    claim: Claim | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        claim = claim_folder(folder.parent, f".{folder.name}.", ".partial")
        yield claim.path
        for path in (*claim.path.rglob("*"), claim.path):
            sync_folder(path) if path.is_dir() else sync_file(path)
        claim.path.chmod(0o755)  # a claimed folder is its owner's alone
        if folder.exists():
            folder.rmdir()
        claim.path.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        if claim is not None:
            claim.discard()


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A folder for temporary files, which is removed at the end; those of processes that were killed are removed too.

    Args:
        prefix: of its name, and of nothing else's.
    """
    claim = claim_folder(Path(tempfile.gettempdir()), prefix)
    try:
        yield claim.path
    finally:
        claim.discard()
