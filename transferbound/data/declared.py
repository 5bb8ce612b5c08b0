"""What the user declares of a data set on the command line: names of classes, new names for labels, files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferbound.errors import ArgumentError
from transferbound.storage.files import parse_json, read_limited
from transferbound.wording import shortened

__all__ = ["files_by_split", "names_of_classes", "parsed_label_map"]

_MOST_NAMES = 1_000_000
_LONGEST_NAME = 1000  # characters
_MOST_BYTES = 2**24
_SPLIT_OF_FILE = re.compile(r"(train|validation|test)=(.+)", re.ASCII | re.DOTALL)


def names_of_classes(given: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """The names of the classes in the order stated: a list, ``"negative,positive"``, or a JSON list.

    Raises:
        ArgumentError: fewer than two names, an empty one, or one that stands there twice.

    >>> names_of_classes("negative, positive")
    ('negative', 'positive')
    """
    if given is None:
        return None
    names: Any = given
    if isinstance(given, str):
        names = (
            parse_json(given.encode(), "--class-names", ArgumentError)
            if given.lstrip().startswith("[")
            else [name.strip() for name in given.split(",")]
        )
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            f"--class-names is {_shown(given)}; write the names with commas between them, or a JSON list of strings"
        )
    if not 2 <= len(names) <= _MOST_NAMES:
        raise ArgumentError(f"--class-names has {len(names):,} names; a task has at least 2 classes")
    for name in names:
        if not 0 < len(name) <= _LONGEST_NAME:
            raise ArgumentError(
                f"--class-names has a name of {len(name):,} characters; write 1 to {_LONGEST_NAME:,}"
            )
    _no_name_twice(names, "--class-names", "the name")
    return tuple(names)


def parsed_label_map(given: str | Mapping[str, str] | None) -> dict[str, str] | None:
    """From the labels of the data to names of classes: a mapping, ``"1=bad,2=bad,3=good"``, a JSON object or a file
    of one.

    Raises:
        ArgumentError: something else, a label that is mapped twice, or fewer than two classes.
        DataError: the file cannot be read.

    >>> parsed_label_map("1=bad,2=bad,3=good")
    {'1': 'bad', '2': 'bad', '3': 'good'}
    """
    if given is None:
        return None
    found: Any = given
    if isinstance(given, str):
        text = given.strip()
        if text.lower().endswith(".json"):
            data = read_limited(Path(text).expanduser(), _MOST_BYTES, ArgumentError)
            found = parse_json(data, f"--label-map {text[:200]}", ArgumentError)
        elif text.startswith("{"):
            found = parse_json(text.encode(), "--label-map", ArgumentError)
        else:
            found = _pairs(text)
    if not isinstance(found, Mapping) or not all(
        isinstance(old, str) and isinstance(new, str) for old, new in found.items()
    ):
        raise ArgumentError(
            f"--label-map is {_shown(given)}; write OLD=NEW,..., or a JSON object of strings, or a file of one"
        )
    for old, new in found.items():
        if not 0 < len(new) <= _LONGEST_NAME or len(old) > _LONGEST_NAME:
            raise ArgumentError(
                f"--label-map maps {_shown(old)} to {_shown(new)}; names have 1 to {_LONGEST_NAME:,} characters"
            )
    if len(set(found.values())) < 2:
        raise ArgumentError("--label-map leaves one class; a task has at least 2")
    return dict(found)


def files_by_split(given: str | Sequence[str] | None) -> dict[str, list[str]] | None:
    """Files, or patterns of files, by split. ``test=a.csv`` is of the split test, all else of train.

    Raises:
        ArgumentError: an address, a path that leads out of the data set, or an empty one.

    >>> files_by_split(["a.csv", "test=b.csv"])
    {'train': ['a.csv'], 'test': ['b.csv']}
    """
    if given is None:
        return None
    found: dict[str, list[str]] = {}
    for name in [given] if isinstance(given, str) else given:
        match = _SPLIT_OF_FILE.fullmatch(name)
        split, file = match.groups() if match else ("train", name)
        if not file.strip() or "://" in file or Path(file).is_absolute() or ".." in Path(file).parts:
            raise ArgumentError(
                f"--data-files is {_shown(name)}; give a file, or a pattern such as 2024-*.csv, by its path inside the "
                "data set"
            )
        found.setdefault(split, []).append(file)
    return found or None


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(","):
        old, equals, new = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ArgumentError(f"--label-map has the part {_shown(part)}; write OLD=NEW,OLD=NEW,...")
        if old in found:
            raise ArgumentError(f"--label-map maps {_shown(old)} twice; map each label once")
        found[old] = new
    return found


def _no_name_twice(names: Sequence[str], option: str, what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ArgumentError(f"{option} has {what} {_shown(name)} twice; write each once")
        seen.add(name)


def _shown(value: object) -> str:
    return shortened(repr(value), 80)
