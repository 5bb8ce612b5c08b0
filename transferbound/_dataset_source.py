"""Opening one split of a data set: Hub id, folder that ``load_dataset`` reads, or ``save_to_disk`` folder."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from transferbound.errors import DataError

__all__ = ["Source", "open_split"]

_HUB_COMMIT = re.compile(r"hf://datasets/[^@]+@([0-9a-f]{40})/")


@dataclass(frozen=True)
class Source:
    table: Any
    config: str | None
    revision: str | None


def open_split(name: str, *, config: str | None, split: str, revision: str | None) -> Source:
    """The rows of ``split``.

    Raises:
        DataError: unknown data set, configuration or split; a split without rows.
    """
    path = Path(name).expanduser()
    if not name.strip():
        raise DataError("the data set's name is empty; give a Hub id or a local folder")
    if path.exists() and revision is not None:
        raise DataError(
            f"revision {revision} was given, but the data set {name} is a local path; leave it out"
        )
    if path.exists() and not path.is_dir():
        raise DataError(f"the data set {name} is a file; give the folder that holds it")
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        splits, used = _from_disk(path, name), None
    else:
        splits, used = _from_hub_or_folder(name, path, config, revision)
    if split not in splits:
        raise DataError(f"the data set {name} has no split {split!r}; it has {', '.join(sorted(splits))}")
    table = splits[split]
    if table.num_rows == 0:
        raise DataError(f"the split {split} of the data set {name} is empty; a bound needs examples")
    return Source(table, used, _commit(table) or revision)


def _from_disk(path: Path, name: str) -> Any:
    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the data set {name} cannot be read: {_reason(error)}") from error
    return loaded if isinstance(loaded, dict) else {str(loaded.split or "train"): loaded}


def _from_hub_or_folder(
    name: str, path: Path, config: str | None, revision: str | None
) -> tuple[Any, str | None]:
    target = str(path) if path.is_dir() else name
    try:
        with _quiet():
            loaded = datasets.load_dataset(target, config, revision=revision)
    except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError, ConnectionError) as error:
        raise DataError(
            f"unknown data set {name}: no such local folder, and not on the Hub or in its local cache "
            f"({_reason(error)})"
        ) from error
    except (datasets.exceptions.DatasetsError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(f"the data set {name} cannot be read: {_reason(error)}") from error
    used = config
    for table in loaded.values():
        used = used or table.info.config_name
    return loaded, used


def _commit(table: Any) -> str | None:
    for url in table.info.download_checksums or {}:
        match = _HUB_COMMIT.search(url)
        if match:
            return match.group(1)
    return None


def _reason(error: BaseException) -> str:
    """The innermost cause's text on one line: ``datasets`` wraps what matters."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return text[:400] or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars for work that takes a second; warnings and errors still show."""
    enabled = datasets.utils.logging.is_progress_bar_enabled()
    logger = logging.getLogger("datasets.load")
    level = logger.level
    datasets.disable_progress_bars()
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if enabled:
            datasets.enable_progress_bars()
