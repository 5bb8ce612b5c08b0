"""Files: written atomically, read with a limit. What is read is untrusted plain data."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from transferbound.errors import CertificateError

__all__ = [
    "MAX_JSON_BYTES",
    "parse_json",
    "read_json",
    "read_limited",
    "write_bytes",
    "write_json",
    "write_text",
]

MAX_JSON_BYTES = 2**20
_MAX_DEPTH = 32


def write_bytes(path: Path, data: bytes) -> None:
    """Writes ``data`` so that ``path`` holds all of it or what it held before."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(partial, 0o666 & ~umask)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Writes plain data as JSON, keys in their order, atomically. Numbers that are not finite are refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes.

    Raises:
        CertificateError: no such file, not a regular file, too large, or unreadable.
    """
    try:
        if not path.is_file():
            raise CertificateError(f"{path} is missing or not a regular file")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise CertificateError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > limit:
        raise CertificateError(f"{path} is larger than {limit} bytes, the most that is read")
    return data


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> Any:
    """Plain data from a JSON file. Raises as :func:`read_limited` and :func:`parse_json`."""
    return parse_json(read_limited(path, limit), str(path))


def parse_json(data: bytes, name: str) -> Any:
    """Plain data from JSON; a key given twice, NaN, infinities, half a surrogate pair and more than 32 levels
    of nesting are refused.

    Raises:
        CertificateError: the text is not such JSON.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_parse_int,
            parse_float=_parse_float,
        )
        if b"\\u" in data:  # an escape can name half a surrogate pair, which no output can carry
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise CertificateError(f"{name} is nested too deeply") from error
    except ValueError as error:
        raise CertificateError(f"{name} is not valid JSON: {error}") from error
    _check_depth(value, name)
    return value


def _check_depth(value: Any, name: str) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise CertificateError(f"{name} is nested too deeply: more than {_MAX_DEPTH} levels")


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
