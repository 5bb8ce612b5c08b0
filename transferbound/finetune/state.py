"""The state of an unfinished run on disk: plain JSON and safetensors, written atomically."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from transferbound.errors import OutputError
from transferbound.files import read_json, write_json

__all__ = ["RunState"]

_SETTINGS = "run.json"
_CHECKPOINT = "checkpoint.safetensors"


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
            self._check_same(read_json(folder / _SETTINGS))
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

    def save(self, tensors: dict[str, torch.Tensor], numbers: dict[str, Any]) -> None:
        """Replaces the checkpoint. ``numbers`` is plain data."""
        partial = self.folder / (_CHECKPOINT + ".partial")
        try:
            save_file(tensors, partial, metadata={"run": self.fingerprint, "numbers": json.dumps(numbers)})
            partial.replace(self.folder / _CHECKPOINT)
        except (OSError, SafetensorError) as error:
            raise OutputError(f"cannot write the checkpoint to {self.folder}: {error}") from error

    def load(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """Tensors and numbers of the last checkpoint, or None where there is none."""
        path = self.folder / _CHECKPOINT
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as opened:
                metadata = opened.metadata() or {}
                tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            numbers = json.loads(metadata["numbers"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise OutputError(
                f"the checkpoint {path} cannot be read ({error}); pass --restart to begin again"
            ) from error
        if metadata.get("run") != self.fingerprint:
            raise OutputError(f"the checkpoint {path} is of another run; pass --restart to begin again")
        return tensors, numbers

    def remove(self) -> None:
        """Deletes the state. Only the files that a run writes are touched."""
        for name in (_SETTINGS, _CHECKPOINT, _CHECKPOINT + ".partial", _SETTINGS + ".partial"):
            (self.folder / name).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _check_same(self, old: Any) -> None:
        if old == self._settings:
            return
        keys = sorted(set(old) | set(self._settings)) if isinstance(old, dict) else []
        differ = [key for key in keys if old.get(key) != self._settings.get(key)]
        raise OutputError(
            f"{self.folder} holds an unfinished run with other settings ({', '.join(differ) or 'unreadable'} "
            "differ); repeat its command to finish it, pass --restart to throw it away, or choose another --out"
        )
