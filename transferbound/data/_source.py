"""Opening a split of a data set, or slices of it: Hub id, folder that ``load_dataset`` reads, ``save_to_disk`` folder,
one file of rows, or rows in memory."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

import datasets
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HFValidationError
from huggingface_hub.file_download import repo_folder_name

from transferbound.data._csv import words_kept
from transferbound.data._draw import shuffled_order
from transferbound.data._folder import (
    FilesLeftOut,
    LocalFile,
    check_builder,
    check_name,
    files_left_out,
    is_csv,
    is_prepared,
    local_file,
    local_folder,
)
from transferbound.data._given import Given, given_or_named, own_split
from transferbound.data._slices import RowRange, base_splits, row_ranges
from transferbound.errors import DataError

__all__ = ["Source", "open_split"]

_HUB_COMMIT = re.compile(r"hf://datasets/[^@]+@([0-9a-f]{40})/")
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_SHARD = re.compile(r"^(?P<stem>.+)-(?P<index>\d+)-of-(?P<total>\d+)")
_MAX_SHARDS = 10_000
_ON_DISK = ("dataset_dict.json", "state.json")  # as ``save_to_disk`` writes them
_NEEDS = "a bound needs examples"
_ONLY_CONFIG = "default"  # as ``datasets`` calls it where nobody has named any
_EMPTY = "corresponds to no data"
_ABSENT = (datasets.exceptions.DatasetNotFoundError, FileNotFoundError, ConnectionError)
_UNREADABLE = (datasets.exceptions.DatasetsError, OSError, ValueError, KeyError, RuntimeError)


@dataclass(frozen=True)
class Source:
    """The rows, what configuration and commit they are of, and where in the splits they stand.

    ``places``: folders that files named by the rows may lie in. ``left_out``: files that are in no split.
    ``given``: the object, where rows were given in memory.
    """

    name: str
    split: str
    table: Any
    config: str | None
    revision: str | None
    ranges: tuple[RowRange, ...]
    places: tuple[Path, ...]
    left_out: FilesLeftOut | None
    given: Given | None


@dataclass(frozen=True)
class _Opened:
    """All splits, or those asked for where another is empty."""

    splits: dict[str, Any]
    config: str | None
    revision: str | None
    places: tuple[Path, ...]
    left_out: FilesLeftOut | None


def open_split(
    data: Any,
    *,
    config: str | None,
    split: str,
    revision: str | None,
    data_files: Mapping[str, list[str]] | None = None,
    shuffle_seed: int | None = None,
) -> Source:
    """The rows of ``split``: a split, or slices of splits as in ``train[:50%]``.

    Args:
        data, config, split, revision: as for :meth:`transferbound.data.labelled.LabelledData.load`.
        data_files: files, or patterns of files, of each split.
        shuffle_seed: the rows of each split are put in the order that it gives, before slices are cut.

    Raises:
        DataError: unknown data set, configuration or split; slices that overlap; no rows.
        ArgumentError: ``data`` is no kind of rows that is read.
    """
    found = given_or_named(data)
    given = None if isinstance(found, str) else found
    if isinstance(found, str):
        name, opened = found, _named(found, config, split, revision, data_files)
    else:
        split = found.meant(split)
        name, opened = found.name, _in_memory(found, config, revision, data_files)
    splits = opened.splits
    if shuffle_seed is not None:
        splits = {
            key: table.select(shuffled_order(table.num_rows, shuffle_seed)) for key, table in splits.items()
        }
    ranges = row_ranges(split, {key: table.num_rows for key, table in splits.items()}, name)
    if all(part.start == part.stop for part in ranges):
        raise DataError(f"the split {split} of the data set {name} is empty; {_NEEDS}")
    table = _rows(splits, ranges, split, name)
    return Source(
        name, split, table, opened.config, opened.revision, ranges, opened.places, opened.left_out, given
    )


def _named(
    name: str,
    config: str | None,
    split: str,
    revision: str | None,
    data_files: Mapping[str, list[str]] | None,
) -> _Opened:
    if not name.strip():
        raise DataError("the data set's name is empty; give a Hub id, a folder or a file")
    file = local_file(name)
    folder = None if file is not None else local_folder(name)
    if revision is not None and (file or folder) is not None:
        raise DataError(
            f"--dataset-revision {revision} was given, but the data set {name} is a local path; leave it out"
        )
    files: dict[str, Any] = {} if data_files is None else {"data_files": dict(data_files)}
    on_disk = folder is not None and any((folder / mark).is_file() for mark in _ON_DISK)
    if files and (file is not None or on_disk):
        raise DataError(
            f"--data-files was given, but the data set {name} is {'a file' if file else 'what save_to_disk wrote'}; "
            "leave it out, or name a folder"
        )
    if file is not None:
        return _from_file(name, file, config, split)
    if folder is None:
        check_name(name)
        return _from_hub(name, config, revision, split, files)
    if on_disk:
        return _Opened(_from_disk(folder, name), None, None, (folder,), None)
    return _from_folder(name, folder, config, split, files)


def _in_memory(
    given: Given, config: str | None, revision: str | None, data_files: Mapping[str, list[str]] | None
) -> _Opened:
    """What names a part of a data set elsewhere says nothing of an object."""
    for option, value in (("config", config), ("revision", revision), ("data_files", data_files)):
        if value is not None:
            raise DataError(
                f"{option} is {str(value)[:80]!r}, but the data set {given.name} is an object in memory; leave it out"
            )
    return _Opened(given.splits, None, None, given.places, None)


def _rows(splits: Any, ranges: tuple[RowRange, ...], split: str, name: str) -> Any:
    if split in splits:
        return splits[split]
    parts = [splits[part.split].select(range(part.start, part.stop)) for part in ranges]
    if any(part.features != parts[0].features for part in parts):
        raise DataError(
            f"the splits in {split!r} of the data set {name} have other columns; name one of them"
        )
    return parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)


def _from_disk(path: Path, name: str) -> Any:
    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the data set {name} cannot be read: {_reason(error)}") from error
    return loaded if isinstance(loaded, dict) else {own_split(loaded): loaded}


def _from_folder(name: str, folder: Path, config: str | None, split: str, files: dict[str, Any]) -> _Opened:
    try:
        builder, splits = _load(str(folder), name, folder, config, None, split, **files)
    except (*_ABSENT, *_UNREADABLE) as error:
        raise _unreadable(name, split, error) from error
    left_out = files_left_out(builder, folder, {key: table.num_rows for key, table in splits.items()})
    return _Opened(splits, _config_of(splits, config), None, (folder,), left_out)


def _from_file(name: str, file: LocalFile, config: str | None, split: str) -> _Opened:
    """Its rows are the split train."""
    if config not in (None, _ONLY_CONFIG):
        raise DataError(
            f"--dataset-config {config} was given, but the data set {name} is a file; leave it out"
        )
    place = file.path.parent
    files = {"data_files": {"train": [escape(str(file.path))]}, **file.options}
    try:
        _, splits = _load(file.kind, name, place, None, None, split, **files)
    except (*_ABSENT, *_UNREADABLE) as error:
        raise _unreadable(name, split, error) from error
    return _Opened(splits, _ONLY_CONFIG, None, (place,), None)


def _from_hub(
    name: str, config: str | None, revision: str | None, split: str, files: dict[str, Any]
) -> _Opened:
    try:
        builder, splits = _load(name, name, None, config, revision, split, **files)
        commit = _commit(splits)
        if commit is None and is_prepared(builder):
            # Offline, ``datasets`` takes what was prepared of any folder of that name for the data set on the Hub.
            raise FileNotFoundError(f"what is prepared under the name {name} in the cache is not of the Hub")
        if constants.HF_HUB_OFFLINE:
            # Offline, ``datasets`` takes the latest prepared copy, whatever revision was asked for.
            _check_revision(name, revision, commit)
    except _ABSENT as error:
        snapshot = _cached_snapshot(name, revision)
        if snapshot is None:
            raise DataError(
                f"unknown data set {name}: no such local folder, and not on the Hub or in its local cache "
                f"({_reason(error)})"
            ) from error
        splits, commit = _load_snapshot(snapshot.resolve(), name, config, split, files), snapshot.name
    except _UNREADABLE as error:
        raise _unreadable(name, split, error) from error
    downloads = (
        Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="dataset"),
        Path(datasets.config.DOWNLOADED_DATASETS_PATH),
    )
    return _Opened(splits, _config_of(splits, config), commit or revision, downloads, None)


def _unreadable(name: str, split: str, error: BaseException) -> DataError:
    if _EMPTY in str(error):
        return DataError(f"the split {split} of the data set {name} is empty; {_NEEDS}")
    return DataError(f"the data set {name} cannot be read: {_reason(error)}")


def _config_of(splits: dict[str, Any], config: str | None) -> str | None:
    return config or next((table.info.config_name for table in splits.values()), None)


def _load(
    target: str,
    name: str,
    folder: Path | None,
    config: str | None,
    revision: str | None,
    split: str,
    **how: Any,
) -> tuple[Any, dict[str, Any]]:
    """What reads ``target``, looked at before it reads, and the splits."""
    builder, splits = _load_once(target, name, folder, config, revision, split, **how)
    kept = words_kept(splits) if is_csv(builder) else None
    if kept is None:
        return builder, splits
    return _load_once(target, name, folder, config, revision, split, **{**how, **kept})


def _load_once(
    target: str,
    name: str,
    folder: Path | None,
    config: str | None,
    revision: str | None,
    split: str,
    **how: Any,
) -> tuple[Any, dict[str, Any]]:
    with _quiet():
        builder = datasets.load_dataset_builder(target, config, revision=revision, **how)
        check_builder(builder, name, folder)
        builder.download_and_prepare()
        try:
            return builder, builder.as_dataset()
        except ValueError as error:
            if _EMPTY not in str(error):
                raise
        # Some split is without rows, which ``datasets`` refuses to open: see whether it is this one.
        return builder, {key: builder.as_dataset(split=key) for key in dict.fromkeys(base_splits(split))}


def _check_revision(name: str, revision: str | None, commit: str | None) -> None:
    if revision is not None and revision != commit:
        raise FileNotFoundError(
            f"the prepared copy of {name} in the cache is of commit {commit or 'unknown'}, not {revision}"
        )


def _cached_snapshot(name: str, revision: str | None) -> Path | None:
    """The data set's files in the Hub cache, as ``hf download`` leaves them."""
    try:
        return Path(snapshot_download(name, repo_type="dataset", revision=revision, local_files_only=True))
    except (HFValidationError, OSError):
        return None


def _load_snapshot(folder: Path, name: str, config: str | None, split: str, files: dict[str, Any]) -> Any:
    for file in sorted(folder.rglob("*-of-*")):
        match = _SHARD.match(file.name)
        if match is None:
            continue
        digits = len(match["index"])
        total = int(match["total"])
        for index in range(min(total, _MAX_SHARDS)):
            beside = f"{match['stem']}-{index:0{digits}d}-of-{match['total']}"
            if not any(file.parent.glob(f"{escape(beside)}*")):
                raise DataError(
                    f"the Hub cache holds only a part of the data set {name}: {beside} is missing; "
                    "download it whole"
                )
    try:
        return _load(str(folder), name, folder, config, None, split, **files)[1]
    except (*_ABSENT, *_UNREADABLE) as error:
        raise DataError(f"the data set {name} cannot be read from the Hub cache: {_reason(error)}") from error


def _commit(splits: Any) -> str | None:
    for table in splits.values():
        for url in table.info.download_checksums or {}:
            match = _HUB_COMMIT.search(url)
            if match:
                return match.group(1)
        for file in table.cache_files:
            folder = Path(file["filename"]).parent.name
            if _COMMIT.match(folder):
                return folder
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
