"""The minutes of a run, kept beside it over its interruptions."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from transferbound.storage.files import write_json

TICK = 15.0
"""Seconds between two entries; what a kill loses at most."""


class Clock:
    """Adds up the minutes of a run over its interruptions, to within :data:`TICK` seconds.

    Args:
        out: the run's folder; the minutes lie in ``OUT.minutes.json``.
    """

    def __init__(self, out: Path) -> None:
        self._file = out.with_name(out.name + ".minutes.json")
        self._stop = threading.Event()

    @property
    def minutes(self) -> float:
        """So far, as written down."""
        return float(json.loads(self._file.read_text(encoding="utf-8"))) if self._file.exists() else 0.0

    def __enter__(self) -> None:
        self._before, self._started = self.minutes, time.monotonic()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._ticking = threading.Thread(target=self._tick, daemon=True)
        self._ticking.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticking.join()
        self._write()

    def _tick(self) -> None:
        while not self._stop.wait(TICK):
            self._write()

    def _write(self) -> None:
        write_json(self._file, self._before + (time.monotonic() - self._started) / 60)
