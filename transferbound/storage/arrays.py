"""Arrays in the cache folder: memory-mapped, whole or absent, with their sha256 beside them."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["NewArray", "open_array"]

_LARGEST_SHARE = 0.5  # of the free room


def open_array(path: Path, columns: int, rows: int) -> np.ndarray | None:
    """The float32 array [rows, columns] at ``path``, mapped read-only; None if absent, damaged or another."""
    try:
        stated = _beside(path).read_text(encoding="ascii").strip()
        if _sha256(path) != stated:
            return None
        kept: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    # A plain view: indexing a memmap object is slow.
    return kept.view(np.ndarray) if kept.shape == (rows, columns) and kept.dtype == np.float32 else None


class NewArray:
    """A float32 array [rows, columns] to fill: ``commit`` puts it in its place, ``discard`` removes what is left.

    Raises:
        OSError: the folder cannot be written, or the array would take more than half of the disk's free
            room. Room is taken up first, because writing to a mapped file on a full disk would kill the process.
    """

    def __init__(self, path: Path, columns: int, rows: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        size, free = 4 * columns * rows, shutil.disk_usage(path.parent).free
        if size > _LARGEST_SHARE * free:
            raise OSError(
                errno.ENOSPC,
                f"{size / 1e9:.1f} GB are more than half of the {free / 1e9:.1f} GB that are free",
                str(path.parent),
            )
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".partial")
        os.close(handle)
        self._path, self._partial, self._digest = path, Path(name), Path(name + ".sha256")
        try:
            self.values: Any = np.lib.format.open_memmap(
                self._partial, mode="w+", dtype=np.float32, shape=(rows, columns)
            )
            _take_room(self._partial)
        except OSError:
            self.discard()
            raise

    def commit(self) -> None:
        """Moves the whole array to its place, and its sha256 beside it."""
        self.values.flush()
        self._digest.write_text(_sha256(self._partial) + "\n", encoding="ascii")
        self._partial.replace(self._path)
        self._digest.replace(_beside(self._path))

    def discard(self) -> None:
        """Removes the unfinished files; nothing after ``commit``."""
        self.values = None
        for leftover in (self._partial, self._digest):
            with suppress(OSError):
                leftover.unlink()


def _beside(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _take_room(path: Path) -> None:
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
