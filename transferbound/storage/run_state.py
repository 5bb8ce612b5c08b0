"""The state of an unfinished run on disk: plain JSON and safetensors, written atomically."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from transferbound.errors import OutputError
from transferbound.storage.files import parse_json, read_json, unfinished, write_json
from transferbound.storage.tensors import load_tensors, save_tensors

__all__ = [
    "SEARCH_FILE",
    "RunState",
    "check_same",
    "damaged_state",
    "holds_run",
    "partial_of",
    "remove_state",
    "settings_of",
]

_SETTINGS = "run.json"
SEARCH_FILE = "search.json"
"""What a search before the run has found so far; it belongs to a run whose settings hold a ``search``."""

_CHECKPOINT = "checkpoint.safetensors"
_PART = "part-"


def partial_of(target: Path) -> Path:
    """Where a run that will write the folder ``target`` keeps what it has so far.

    >>> partial_of(Path("runs/mnist")).name
    'mnist.partial'
    """
    return target.with_name(target.name + ".partial")


class RunState:
    """The folder ``OUT.partial`` of a run that is not finished.

    Args:
        folder: where the state lives.
        settings: what determines the run; a folder that was made for other settings is refused.
        restart: throw an old state away instead of going on from it.

    Raises:
        OutputError: the folder belongs to a run with other settings, or cannot be written.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], restart: bool = False) -> None:
        self.folder = folder
        self._settings = json.loads(json.dumps(settings))
        if restart:
            self.remove()
        if (folder / _SETTINGS).exists():
            check_same(folder, read_json(folder / _SETTINGS, damaged_state), self._settings)
        elif (folder / SEARCH_FILE).exists() and "search" not in self._settings:
            check_same(folder, {"search": None}, {})
        else:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                write_json(folder / _SETTINGS, self._settings)
            except OSError as error:
                raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error

    @property
    def fingerprint(self) -> str:
        """sha256 of the settings."""
        return hashlib.sha256(json.dumps(self._settings, sort_keys=True).encode()).hexdigest()

    def part(self, number: int) -> RunState:
        """The state of one part of the run, in a folder of its own that goes with the whole."""
        return RunState(self.folder / f"{_PART}{number}", self._settings | {"part": number})

    def save(self, tensors: dict[str, torch.Tensor], numbers: dict[str, Any]) -> None:
        """Replaces the checkpoint. ``numbers`` is plain data."""
        metadata = {"run": self.fingerprint, "numbers": json.dumps(numbers)}
        try:
            save_tensors(self.folder / _CHECKPOINT, tensors, metadata)
        except OSError as error:
            raise OutputError(f"cannot write the checkpoint to {self.folder}: {error}") from error

    def load(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """Tensors and numbers of the last checkpoint, or None where there is none.

        Raises:
            OutputError: it is damaged, or of another run.
        """
        path = self.folder / _CHECKPOINT
        if not path.exists():
            return None
        tensors, metadata = load_tensors(path, damaged_state)
        if metadata.get("run") != self.fingerprint:
            raise OutputError(f"the checkpoint {path} is of another run; pass --restart to begin again")
        # Lenient: the loss is not a number where a run diverged.
        text = metadata.get("numbers", "").encode()
        return tensors, parse_json(text, f"what {path} says of the run", damaged_state, lenient=True)

    def remove(self) -> None:
        """Deletes the state. Only the files that a run writes are touched."""
        remove_state(self.folder)


def damaged_state(why: str) -> OutputError:
    """The error for a file of an unfinished run's state that cannot be read."""
    return OutputError(f"the unfinished run cannot be read: {why}; pass --restart to begin again")


def remove_state(folder: Path) -> None:
    """Deletes the state of a run, and of the search before it, from ``folder``; other files stay."""
    for part in folder.glob(f"{_PART}[0-9]"):
        remove_state(part)
    for name in (_SETTINGS, _CHECKPOINT, SEARCH_FILE):
        for path in (folder / name, *unfinished(folder / name)):
            path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def holds_run(folder: Path) -> bool:
    """Whether a run has begun there, and has not ended."""
    return (folder / _SETTINGS).exists()


def settings_of(folder: Path) -> dict[str, Any] | None:
    """What an unfinished run in ``folder`` was begun with; None where there is none. Raises OutputError: it "
    "is damaged."""
    path = folder / _SETTINGS
    return dict(read_json(path, damaged_state)) if path.exists() else None


def check_same(folder: Path, old: Any, new: dict[str, Any]) -> None:
    """Refuses the state of another run.

    Args:
        folder: where the state lives.
        old, new: what determines the run, as it was written and as it is wanted now; plain data.

    Raises:
        OutputError: they differ; with the names of what does.
    """
    if old == new:
        return
    missing = object()
    keys = sorted(set(old) | set(new)) if isinstance(old, dict) else []
    differ = [key for key in keys if old.get(key, missing) != new.get(key, missing)]
    raise OutputError(
        f"{folder} holds an unfinished run with other settings ({', '.join(differ) or 'unreadable'} "
        "differ); repeat its command to finish it, pass --restart to throw it away, or choose another --out"
    )
