"""A folder that appears complete or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transferbound.errors import OutputError
from transferbound.storage.files import sync_file, sync_folder

__all__ = ["check_out", "new_folder"]


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

    What it holds is on the disk before it has its name: after a crash of the machine it is whole, or not there.

    Raises:
        OutputError: ``folder`` holds something already, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists already; name another folder or remove it")
    partial: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".partial"))
        yield partial
        for path in (*partial.rglob("*"), partial):
            sync_folder(path) if path.is_dir() else sync_file(path)
        partial.chmod(0o755)  # mkdtemp's folder is its owner's alone
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
