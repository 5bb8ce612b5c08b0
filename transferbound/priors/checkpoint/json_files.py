"""The JSON files of a checkpoint: plain data that its author wrote, read with the prior's name in every error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transferbound.errors import PriorError

__all__ = ["read_json", "read_object"]


def read_json(path: Path, name: str) -> Any:
    """What the file ``path`` of the prior ``name`` holds.

    Raises:
        PriorError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        where = f"{path.parent.name}/{path.name}"
        raise PriorError(f"the prior {name}: {where} is not readable JSON ({error})") from error


def read_object(path: Path, name: str) -> dict[str, Any]:
    """As :func:`read_json`, where an object is expected; empty where there is no such file.

    Raises:
        PriorError: it cannot be read, or holds no JSON object.
    """
    if not path.is_file():
        return {}
    value = read_json(path, name)
    if not isinstance(value, dict):
        where = f"{path.parent.name}/{path.name}"
        raise PriorError(f"the prior {name}: {where} holds a {type(value).__name__}, not an object")
    return value
