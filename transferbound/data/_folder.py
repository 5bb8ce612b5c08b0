"""What may be read as a data set: a folder, a file; and the files of a folder that are in none of its splits."""

from __future__ import annotations

import os
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

from transferbound.errors import DataError

__all__ = [
    "FilesLeftOut",
    "LocalFile",
    "check_builder",
    "check_name",
    "files_left_out",
    "is_csv",
    "is_prepared",
    "local_file",
    "local_folder",
]

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_BUILDERS = frozenset(module.name for module in pkgutil.iter_modules(datasets.packaged_modules.__path__))
# ``cache`` is what was prepared before from the Hub.
_READ = frozenset({"imagefolder", "csv", "json", "parquet", "arrow", "text", "webdataset", "xml", "cache"})
_IMAGES = frozenset(ImageFolder.EXTENSIONS)
_TABLES = {
    "csv": {".csv", ".tsv"},
    "json": {".json", ".jsonl", ".ndjson"},
    "parquet": {".parquet", ".geoparquet", ".gpq"},
    "arrow": {".arrow"},
    "text": {".txt"},
    "webdataset": {".tar"},
    "xml": {".xml"},
}
_FILES = ("csv", "json", "parquet", "arrow", "text")  # of these one file alone is a data set, too
# What lies beside data for other reasons too counts only where the data is of that kind.
_ALWAYS_DATA = {".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".arrow"}
_ABOUT = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
_METADATA = {"metadata.csv", "metadata.jsonl", "metadata.parquet"}
_PICKLES = (".pkl", ".pickle", ".pkl.gz", ".pickle.gz")


@dataclass(frozen=True)
class FilesLeftOut:
    """Files of data in a folder, and how many of them are in no split."""

    files: int
    left_out: int


@dataclass(frozen=True)
class LocalFile:
    """A file of rows: its resolved path, and the format and options that ``datasets`` reads it by."""

    path: Path
    kind: str
    options: dict[str, str]


def local_file(name: str) -> LocalFile | None:
    """The file of rows that ``name`` means, or None where it is no file.

    Raises:
        DataError: a file of another kind.
    """
    try:
        path = Path(name).expanduser()
        if not path.is_file():
            return None
        path = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"the data set {name[:200]} cannot be found: {error}") from error
    if path.name.lower().endswith(_PICKLES):
        raise DataError(
            f"the data set {name} is a pickle, which runs code when it is read; write the rows as parquet"
        )
    kind = next((kind for kind in _FILES if path.suffix.lower() in _TABLES[kind]), None)
    if kind is None:
        known = ", ".join(sorted(suffix for kind in _FILES for suffix in _TABLES[kind]))
        raise DataError(
            f"the data set {name} is a file of a kind that is not read; give a folder, or a file that ends in {known}"
        )
    return LocalFile(path, kind, {"sep": "\t"} if path.suffix.lower() == ".tsv" else {})


def local_folder(name: str) -> Path | None:
    """The folder that ``name`` means, by its resolved path, or None where it is no folder.

    ``datasets`` would take ``parquet`` or ``imagefolder`` for a format, and read all that lies beside that folder.

    Raises:
        DataError: what is no folder and no regular file, or a folder with pickles in it.
    """
    try:
        path = Path(name).expanduser()
        if path.exists() and not path.is_dir():
            raise DataError(f"the data set {name} is a pipe or device; give a folder or a file")
        if not path.is_dir():
            return None
        folder = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, a home of nobody
        raise DataError(f"the data set {name[:200]} cannot be found: {error}") from error
    for file in _files(folder):
        if file.name.lower().endswith(_PICKLES):
            raise DataError(
                f"the data set {name} holds {file.relative_to(folder)}: pickles run code when they are read; "
                "write the rows as parquet, and take the file away"
            )
    return folder


def check_name(name: str) -> None:
    """Refuses what is no folder and no Hub id, and the names of formats.

    Raises:
        DataError: a name that must not reach ``datasets.load_dataset``.
    """
    if name.strip().strip("/").casefold() in _BUILDERS:
        raise DataError(
            f"the data set {name} is no local folder, and datasets knows that name as a format of files; "
            "give a Hub id (NAME or OWNER/NAME) or an existing folder"
        )
    if _HUB_ID.fullmatch(name) is None or name.startswith("buckets/"):
        raise DataError(
            f"unknown data set {name[:200]}: no such local folder, and no Hub id (NAME or OWNER/NAME)"
        )


def check_builder(builder: Any, name: str, folder: Path | None) -> None:
    """Refuses formats that hold no labelled rows, and files of other places.

    Raises:
        DataError: naming the format or the file.
    """
    kind = _kind(builder)
    if kind not in _READ:
        raise DataError(
            f"the files of the data set {name} would be read as {kind}; write the rows as parquet, or images in a "
            "folder for each class"
        )
    for files in (builder.config.data_files or {}).values():
        for file in map(str, files):
            if not _belongs(file, folder):
                raise DataError(
                    f"the data set {name} names the file {file[:200]}, which lies in another place; "
                    "a data set is read from its own folder"
                )


def files_left_out(builder: Any, folder: Path, rows: Mapping[str, int]) -> FilesLeftOut | None:
    """Files of data under ``folder`` that no split holds; None where all are read.

    Args:
        builder: what read the folder.
        folder: by its resolved path.
        rows: number of rows of each split that was read.
    """
    kind = _kind(builder)
    extensions = _IMAGES if kind == "imagefolder" else frozenset(_ALWAYS_DATA | _TABLES.get(kind, set()))
    about = _ABOUT | (_METADATA if kind == "imagefolder" else set())
    found = {
        str(file)
        for file in _files(folder)
        if file.suffix.lower() in extensions and file.name.lower() not in about
    }
    read = {os.path.abspath(file) for file in _read(builder, folder)}
    left_out = len(found - read)
    if kind == "imagefolder":  # a list of files may name only some
        for split, files in (builder.config.data_files or {}).items():
            images = sum(Path(file).suffix.lower() in extensions for file in files)
            left_out += max(0, images - rows.get(str(split), images))
    return FilesLeftOut(len(found), left_out) if left_out else None


def is_csv(builder: Any) -> bool:
    """Whether its files are read as csv."""
    return _kind(builder) == "csv"


def is_prepared(builder: Any) -> bool:
    """Whether it opens what was prepared before, and no files."""
    return _kind(builder) == "cache"


def _kind(builder: Any) -> str:
    return type(builder).__module__.rsplit(".", 1)[-1]


def _read(builder: Any, folder: Path) -> Iterator[str]:
    """The files of all configurations: what is in another one is left out by the user's choice."""
    for config in (builder.config, *(builder.builder_configs or {}).values()):
        files = config.data_files or {}
        # Of a configuration that was not asked for the patterns alone are known.
        files = files.resolve(str(folder)) if hasattr(files, "resolve") else files
        for names in files.values():
            yield from map(str, names)


def _belongs(file: str, folder: Path | None) -> bool:
    if folder is None:
        return file.startswith("hf://datasets/")
    return "://" not in file and Path(os.path.abspath(file)).is_relative_to(folder)


def _files(folder: Path) -> Iterator[Path]:
    """Files under ``folder`` that ``datasets`` looks at: nothing hidden, no ``__pycache__``."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        yield from (Path(root, name) for name in files if not name.startswith("."))
