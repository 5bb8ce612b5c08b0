"""The pilots of a search that are finished, on disk in the run's state folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transferbound.errors import OutputError
from transferbound.storage.files import read_json, write_json
from transferbound.storage.run_state import SEARCH_FILE, check_same, damaged_state, holds_run

__all__ = ["FinishedPilot", "SearchState"]


@dataclass(frozen=True)
class FinishedPilot:
    """What is kept of a pilot.

    Attributes:
        train_error, bits, bound, steps: as of :class:`transferbound.certification.search.Pilot`.
        seconds: that it took, encoding and features included.
        trained_seconds: that its steps took.
    """

    train_error: float
    bits: float
    bound: float
    steps: int
    seconds: float
    trained_seconds: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name} of a pilot is {value!r}, no number")


class SearchState:
    """What a search has found so far, in ``OUT.partial``. Nothing is written before the first pilot's end.

    Args:
        folder: where the state lives; None: nowhere.
        settings: what determines the search; state of other settings is refused.

    Attributes:
        pilots: finished pilots by the number of their candidate.

    Raises:
        OutputError: the folder holds the state of another run, or cannot be read.
    """

    def __init__(self, folder: Path | None, settings: dict[str, Any]) -> None:
        self.pilots: dict[int, FinishedPilot] = {}
        self._path = None if folder is None else folder / SEARCH_FILE
        self._settings = json.loads(json.dumps(settings))
        if folder is None or self._path is None:
            return
        if not self._path.exists():
            if holds_run(folder):
                check_same(folder, {}, {"search": None})
            return
        kept = read_json(self._path, damaged_state)
        try:
            check_same(folder, kept["settings"], self._settings)
            self.pilots = {int(number): FinishedPilot(**pilot) for number, pilot in kept["pilots"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise damaged_state(f"{self._path} holds no record of a search ({error})") from error

    def add(self, number: int, pilot: FinishedPilot, *, write: bool = True) -> None:
        """Keeps a finished pilot; on disk only where ``write`` is true."""
        self.pilots[number] = pilot
        if self._path is None or not write:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            pilots = {str(key): asdict(self.pilots[key]) for key in sorted(self.pilots)}
            write_json(self._path, {"settings": self._settings, "pilots": pilots})
        except OSError as error:
            raise OutputError(f"cannot write to {self._path}: {error.strerror or error}") from error
