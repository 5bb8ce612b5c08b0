"""Building networks without side effects: no random state is moved, and no library speaks in between."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import transformers

__all__ = ["quiet_construction", "quiet_logger", "quiet_transformers"]


@contextmanager
def quiet_construction() -> Iterator[None]:
    """Build modules without moving torch's global random state; every value is overwritten afterwards."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)  # the CPU's alone: torch.manual_seed would move the GPU's too
        yield


@contextmanager
def quiet_logger(name: str) -> Iterator[None]:
    """Only errors of the logger ``name``."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No loading bars and load reports: what is missing or unexpected is our own error to give."""
    library = transformers.utils.logging
    level, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(level)
        if bars:
            library.enable_progress_bar()
