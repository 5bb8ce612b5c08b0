"""The JSON files of a checkpoint: plain data that its author wrote, read with the prior's name in every error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transferbound.errors import PriorError
from transferbound.storage import files

__all__ = ["read_json", "read_object"]


_MAX_BYTES = 2**25
"""An index of 150,000 tensors, or a tokenizer's added words, take some 16 MB."""


def read_json(path: Path, name: str) -> Any:
    """What the file ``path`` of the prior ``name`` holds. As in the libraries that read it too, any number passes.

    Raises:
        PriorError: it cannot be read, is no JSON, or is larger than 32 MB or nested more than 32 levels deep.
    """

    def refusal(why: str) -> PriorError:
        return PriorError(f"the prior {name}: {why}")

    return files.read_json(path, refusal, limit=_MAX_BYTES, lenient=True)


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
