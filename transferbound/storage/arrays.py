"""Arrays in the cache folder: memory-mapped, whole or absent, with their sha256 beside them."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from transferbound.storage.files import new_partial, put_in_place, write_text

__all__ = ["NewArray", "default_cache_dir", "open_array"]


def default_cache_dir() -> Path:
    """``$TRANSFERBOUND_CACHE``, else ``transferbound`` under ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    named = os.environ.get("TRANSFERBOUND_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "transferbound"


def open_array(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> npt.NDArray[Any] | None:
    """The array at ``path``, mapped read-only; None if it is absent, damaged, or of another type or shape."""
    try:
        stated = _beside(path).read_text(encoding="ascii").strip()
        with path.open("rb") as file:  # once: what is mapped is what was hashed
            if hashlib.file_digest(file, "sha256").hexdigest() != stated:
                return None
            return _mapped(file, np.dtype(dtype), shape)
    except (OSError, ValueError, EOFError):
        return None


def _mapped(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any] | None:
    file.seek(0)
    if np.lib.format.read_magic(file) != (1, 0):
        return None
    if np.lib.format.read_array_header_1_0(file) != (shape, False, dtype):
        return None
    kept = np.memmap(file, dtype=dtype, mode="r", offset=file.tell(), shape=shape)
    return kept.view(np.ndarray)  # indexing a memmap object is slow


class NewArray:
    """An array to fill: ``commit`` puts it in its place, ``discard`` removes what is left.

    Args:
        path: where to; its folder is made.
        dtype, shape: the array's.
        room: the part of the disk's free room that it may take.

    Raises:
        OSError: the folder cannot be written, or the array would take more than its part of the free room.
            Room is taken up first, because writing to a mapped file on a full disk would kill the process.
    """

    def __init__(
        self, path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...], *, room: float = 1.0
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _require_room(path.parent, np.dtype(dtype).itemsize * math.prod(shape), room)
        self._path, self._partial = path, new_partial(path)
        try:
            self.values: Any = np.lib.format.open_memmap(
                self._partial.path, mode="w+", dtype=dtype, shape=shape
            )
            _take_room(self._partial.path)
        except OSError:
            self.discard()
            raise

    def commit(self) -> None:
        """Moves the whole array to its place, and its sha256 beside it."""
        self.values.flush()
        with self._partial.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        put_in_place(self._partial, self._path)
        write_text(_beside(self._path), digest + "\n")

    def discard(self) -> None:
        """Removes the unfinished file; nothing after ``commit``."""
        self.values = None
        self._partial.discard()


def _beside(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _require_room(folder: Path, size: int, part: float) -> None:
    free = shutil.disk_usage(folder).free
    if size > part * free:
        few = "" if part == 1 else f"{part:.0%} of "
        raise OSError(
            errno.ENOSPC,
            f"{size / 1e9:.1f} GB are more than {few}the {free / 1e9:.1f} GB that are free",
            str(folder),
        )


def _take_room(path: Path) -> None:
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
