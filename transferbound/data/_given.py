"""Rows that are given as an object: a ``datasets.Dataset``, or a ``DatasetDict`` of several splits."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from transferbound.errors import ArgumentError, DataError
from transferbound.in_memory import in_memory, is_in_memory, missing_path
from transferbound.wording import shortened

__all__ = ["Given", "given_or_named", "own_split"]

_SPLIT = re.compile(r"[\w.-]+")

_FORMATS = {
    "csv",
    "json",
    "parquet",
    "arrow",
    "text",
    "pandas",
    "xml",
    "webdataset",
    "generator",
    "sql",
    "spark",
}
_FORMATS |= {"imagefolder", "audiofolder", "videofolder", "cache", "data", "dataset"}
"""What ``datasets`` calls rows by where it knows no name."""


@dataclass(frozen=True)
class Given:
    """Splits that stand in memory, or in files that only the object knows.

    Attributes:
        name: what a certificate calls them.
        splits: rows by the name of the split.
        is_alone: one table was given, and no choice among splits.
    """

    name: str
    splits: dict[str, Any]
    is_alone: bool = False

    def meant(self, split: str) -> str:
        """``split``, but of a table alone its own where the usual one, ``train``, is asked for."""
        return next(iter(self.splits)) if self.is_alone and split == "train" else split

    @property
    def places(self) -> tuple[Path, ...]:
        """Where image files may lie that rows name: whoever made the object could read them."""
        return (Path.cwd(), Path(Path.cwd().anchor))


def given_or_named(data: Any) -> Given | str:
    """The rows of an object, or the name of a data set.

    Args:
        data: a ``datasets.Dataset`` or ``DatasetDict``, without the formats and transforms that are set on them; a
            path; a Hub id.

    Raises:
        ArgumentError: it is something else; with what to give.
        DataError: a path where nothing is; a name that is kept for objects.
    """
    if isinstance(data, Given):
        return data
    if isinstance(data, str):
        if is_in_memory(data):
            raise DataError(
                f"the data set {data!r} was given in memory, and no name leads to it: give it again, or the folder "
                "that its save_to_disk wrote"
            )
        return data
    if (missing := missing_path(data)) is not None:
        raise DataError(f"the data set {missing} is a path, and nothing is there; give a Hub id as a string")
    if isinstance(data, os.PathLike):
        return str(os.fspath(data))
    if isinstance(data, datasets.Dataset):
        table = data.with_format(None)
        return Given(in_memory(_own_name(data)), {own_split(data): table}, is_alone=True)
    if (
        isinstance(data, Mapping)
        and data
        and all(isinstance(part, datasets.Dataset) for part in data.values())
    ):
        splits = {str(key): part.with_format(None) for key, part in data.items()}
        names = {_own_name(part) for part in data.values()}
        return Given(in_memory(names.pop() if len(names) == 1 else None), splits)
    raise ArgumentError(_other(data))


def own_split(table: Any) -> str:
    """What a table's only split is called: ``train`` where it was cut out of splits, or of none."""
    name = str(table.split or "train")
    return name if _SPLIT.fullmatch(name) else "train"


def _own_name(table: Any) -> str | None:
    name = table.info.dataset_name
    return name if isinstance(name, str) and name.lower() not in _FORMATS else None


def _other(data: Any) -> str:
    kind = shortened(f"{type(data).__module__}.{type(data).__qualname__}", 80)
    remedy = "give a datasets.Dataset or DatasetDict, a Hub id, a folder or a file of rows"
    if isinstance(data, datasets.IterableDataset | datasets.IterableDatasetDict):
        remedy = "rows are counted and read more than once: load the data set without streaming"
    elif kind.startswith("pandas."):
        remedy = "give datasets.Dataset.from_pandas(...) of it"
    elif isinstance(data, list):
        remedy = "give datasets.Dataset.from_list(...) of it, with a column for the labels"
    elif isinstance(data, Mapping):
        remedy = (
            "give datasets.Dataset.from_dict(...) of it, or a DatasetDict whose values are datasets.Dataset"
        )
    return f"data is a {kind}; {remedy}"
