"""Files and folders that a process is at work on: locked until it is done.

A process that is killed leaves them behind, but its locks go with it. So whoever is next to write the same thing can
tell what was abandoned, and removes it; what another process is still at work on stays.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # no such locks here: nothing can be told to be abandoned, and nothing is removed
    flock = None  # type: ignore[assignment]

__all__ = ["Claim", "claim_file", "claim_folder"]

_RANDOM = 8  # characters that tempfile puts between prefix and suffix
_TRIES = 100


class Claim:
    """A new file or folder that is ours until :meth:`release`.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path, lock: int | None) -> None:
        self.path, self._lock = path, lock

    def release(self) -> None:
        """Gives it up, wherever it is by now."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def discard(self) -> None:
        """Removes it, and gives it up."""
        _remove(self.path)
        self.release()


def claim_folder(parent: Path, prefix: str, suffix: str = "") -> Claim:
    """A new folder ``PREFIX????????SUFFIX`` in ``parent``; abandoned ones of that name are removed.

    Raises:
        OSError: it cannot be made.
    """
    return _claim(parent, prefix, suffix, folder=True)


def claim_file(parent: Path, prefix: str, suffix: str = "") -> Claim:
    """As :func:`claim_folder`: a new, empty file."""
    return _claim(parent, prefix, suffix, folder=False)


def _claim(parent: Path, prefix: str, suffix: str, *, folder: bool) -> Claim:
    _remove_abandoned(parent, prefix, suffix, folder=folder)
    for _ in range(_TRIES):
        if folder:
            path = Path(tempfile.mkdtemp(dir=parent, prefix=prefix, suffix=suffix))
        else:
            handle, name = tempfile.mkstemp(dir=parent, prefix=prefix, suffix=suffix)
            os.close(handle)
            path = Path(name)
        lock = _lock(path)
        # Before it was locked, another process may have taken it for abandoned, or be about to.
        if path.exists() and (lock is not None or not _can_lock(parent)):
            return Claim(path, lock)
        if lock is not None:
            os.close(lock)
    raise OSError(f"{parent / prefix}... is removed as soon as it is made")


def _remove_abandoned(parent: Path, prefix: str, suffix: str, *, folder: bool) -> None:
    """Removes what bears such a name, is our user's, and no process holds."""
    with suppress(OSError):
        for path in parent.iterdir():
            middle = path.name.removeprefix(prefix).removesuffix(suffix)
            if path.name != prefix + middle + suffix or len(middle) != _RANDOM or not _is_ours(path, folder):
                continue
            lock = _lock(path)
            if lock is not None:
                _remove(path)
                os.close(lock)


def _is_ours(path: Path, folder: bool) -> bool:
    """A folder, or a regular file, and no link to one, of the user's who runs this."""
    try:
        found = path.lstat()
    except OSError:
        return False
    kind = stat.S_ISDIR if folder else stat.S_ISREG
    return kind(found.st_mode) and found.st_uid == getattr(os, "geteuid", lambda: found.st_uid)()


def _lock(path: Path) -> int | None:
    """An open handle that holds the lock of a file or folder; None where another holds it, or it cannot be locked."""
    if flock is None:
        return None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        flock(handle, LOCK_EX | LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _can_lock(folder: Path) -> bool:
    """Whether the file system there knows locks."""
    with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        if flock is not None:
            flock(file.fileno(), LOCK_EX | LOCK_NB)
            return True
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
