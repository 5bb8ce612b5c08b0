"""Files: written atomically, read with a limit.

What is read is untrusted plain data. Whoever reads it names the error that is raised."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from transferbound.errors import TransferboundError
from transferbound.storage.claims import Claim, claim_file

__all__ = [
    "LFS_POINTER",
    "MAX_JSON_BYTES",
    "Refusal",
    "check_no_pointer",
    "new_partial",
    "parse_json",
    "put_in_place",
    "read_json",
    "read_limited",
    "replacing",
    "sync_file",
    "sync_folder",
    "unfinished",
    "write_bytes",
    "write_json",
    "write_text",
]

MAX_JSON_BYTES = 2**20
_MAX_DEPTH = 32

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""How the small file begins that stands for a large one where Git LFS is not set up."""

Refusal = Callable[[str], TransferboundError]
"""From what is wrong with a file to the error that is raised: one of our error classes, or a function that adds what
the file is for and the remedy."""


def new_partial(path: Path) -> Claim:
    """An empty file beside ``path``, to be written and then to be :func:`put_in_place`, or discarded. What processes
    that were killed have left of ``path`` is removed."""
    return claim_file(path.parent, path.name + ".", ".partial")


def unfinished(path: Path) -> list[Path]:
    """What processes that were killed have left of files that were to become ``path``."""
    return list(path.parent.glob(f"{escape(path.name)}.*partial"))


def put_in_place(partial: Claim, path: Path) -> None:
    """Gives a finished file its name. It is on the disk before, and the name is after: whatever breaks, ``path``
    holds all of it or what it held before."""
    sync_file(partial.path)
    umask = os.umask(0)
    os.umask(umask)
    partial.path.chmod(0o666 & ~umask)
    partial.path.replace(path)
    partial.release()
    sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a partial file to write to, which gets the name ``path`` at the end, or is removed after an error."""
    partial = new_partial(path)
    try:
        yield partial.path
        put_in_place(partial, path)
    except BaseException:
        partial.discard()
        raise


def sync_file(path: Path) -> None:
    """Waits until the file's content is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Waits until the names in the folder are on the disk, where the system knows how."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes ``data`` so that ``path`` holds all of it or what it held before."""
    with replacing(path) as partial:
        partial.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Writes plain data as JSON, keys in their order, atomically. Numbers that are not finite are refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_limited(path: Path, limit: int, error: Refusal) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes, which is opened once.

    Raises:
        TransferboundError: ``error``, where it is missing, no regular file, too large or unreadable.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise error(f"{path} is missing or not a regular file")
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as reason:
        raise error(f"{path} is missing or not a regular file") from reason
    except (OSError, ValueError) as reason:  # ValueError: a name that no file can have
        raise error(f"cannot read {path}: {getattr(reason, 'strerror', None) or reason}") from reason
    if len(data) > limit:
        raise error(f"{path} is larger than {limit} bytes, the most that is read")
    return data


def check_no_pointer(path: Path, error: Refusal) -> None:
    """Refuses what ``git clone`` leaves in the place of a large file where Git LFS is not set up.

    Raises:
        TransferboundError: ``error``, with the remedy.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            head = file.read(len(LFS_POINTER))
    except (OSError, ValueError):  # whoever reads it says so
        return
    if head == LFS_POINTER:
        raise error(
            f"{path} is a Git LFS pointer and not the file itself; run `git lfs pull` there, or download it again"
        )


def _open_at_once(path: str, flags: int) -> int:
    """Without waiting, as a pipe would have one wait for its other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_json(path: Path, error: Refusal, *, limit: int = MAX_JSON_BYTES, lenient: bool = False) -> Any:
    """Plain data from a JSON file. Raises as :func:`read_limited` and :func:`parse_json`."""
    return parse_json(read_limited(path, limit, error), str(path), error, lenient=lenient)


def parse_json(data: bytes, name: str, error: Refusal, *, lenient: bool = False) -> Any:
    """Plain data from JSON; a key given twice, NaN, infinities, integers of more than 20 digits, half a surrogate
    pair and more than 32 levels of nesting are refused.

    Args:
        data: UTF-8.
        name: what ``data`` is, for errors.
        error: makes the error.
        lenient: for what other tools wrote: numbers of all kinds pass, and of a key given twice the last counts, as
            in those tools.

    Raises:
        TransferboundError: ``error``, where the text is not such JSON.
    """
    hooks: dict[str, Any] = {
        "object_pairs_hook": _unique,
        "parse_constant": _no_constant,
        "parse_int": _parse_int,
        "parse_float": _parse_float,
    }
    try:
        value = json.loads(data.decode("utf-8"), **({} if lenient else hooks))
        if b"\\u" in data:  # an escape can name half a surrogate pair, which no output can carry
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as reason:
        raise error(f"{name} is nested too deeply") from reason
    except ValueError as reason:
        raise error(f"{name} is not valid JSON: {reason}") from reason
    if _depth_exceeds(value, _MAX_DEPTH):
        raise error(f"{name} is nested too deeply: more than {_MAX_DEPTH} levels")
    return value


def _depth_exceeds(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:60]!r} appears twice")
            seen.add(key)
    return found


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number that JSON knows")


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is out of range")
    return value


def _parse_int(text: str) -> int:
    if len(text) > 20:
        raise ValueError(f"the integer {text[:20]}... is too long")
    return int(text)
