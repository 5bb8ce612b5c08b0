"""What a target of an export is asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferbound.export.subject import Subject

__all__ = ["Answering", "Target"]

Answering = Callable[[Sequence[Any]], npt.NDArray[np.float64]]
"""From rows (PIL images, texts or pairs of texts) to logits [n, C], each row by itself."""


class Target(ABC):
    """A library, and the form of a checkpoint that it loads.

    Attributes:
        name: what ``--to`` calls it, and ``library_name`` on a card.
        packages: what has to be installed, by the names they are imported by.
        extra: the extra of transferbound that brings them, or "".
    """

    name: str
    packages: tuple[str, ...]
    extra: str = ""

    @abstractmethod
    def reason_against(self, subject: Subject) -> str:
        """Why this form cannot carry the predictor; "" where it can."""

    @abstractmethod
    def write(self, subject: Subject, folder: Path) -> None:
        """Writes the checkpoint's files into the folder, which exists.

        Raises:
            ExportError: the library cannot express the network after all.
        """

    @abstractmethod
    def load(self, folder: Path, subject: Subject) -> Answering:
        """What the library makes of the folder, as its users call it. Of ``subject`` only the names of columns and
        the modality are looked at."""

    @abstractmethod
    def usage(self, subject: Subject) -> str:
        """Lines of Python that load the folder ``.`` and answer."""
