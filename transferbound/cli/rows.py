"""The rows that ``transferbound predict`` is asked about: arguments, standard input, files and folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from transferbound.errors import ArgumentError, DataError
from transferbound.storage.files import parse_json
from transferbound.wording import shortened

__all__ = ["Asked", "asked_rows"]

_STDIN = "-"
_MAX_LINE = 2**22  # bytes
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_NO_LINES = (
    ".csv",
    ".tsv",
    ".parquet",
    ".arrow",
    ".xlsx",
    ".xls",
    ".feather",
    ".orc",
    ".gz",
    ".zip",
    ".zst",
    ".xz",
)
_PICTURES = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
        *(".ppm", ".pgm", ".pbm", ".pnm"),
    }
)


@dataclass(frozen=True)
class Asked:
    """One row.

    Attributes:
        given: what the predictor reads: a text, a pair of texts, or the path of an image.
        shown: what is said of it: the text or texts, or the path.
    """

    given: Any
    shown: str | list[str]


def asked_rows(
    inputs: Sequence[str], file: Path | None, modality: str, columns: Sequence[str]
) -> tuple[Iterator[Asked], list[str]]:
    """The rows in order, those of a file last, and notes on what is not as it may seem.

    Args:
        inputs: arguments: texts, two by two for pairs; image files and folders of them; ``-``, alone, for lines of
            standard input.
        file: lines: texts, paths of images, or JSON lines.
        modality, columns: what the certificate's rows are, and the columns that JSON lines name.

    Raises:
        ArgumentError: nothing is asked, or arguments that do not go together.
        DataError: a file or folder that is missing; while rows are taken, a line that is none.
    """
    if not inputs and file is None:
        raise ArgumentError("no INPUT is given; give some, - for standard input, or --file")
    if _STDIN in inputs and len(inputs) > 1:
        raise ArgumentError(
            f"INPUT - stands for standard input and {len(inputs) - 1} others are given; give it alone"
        )
    if file is not None:
        _check_file(file)
    first: Iterator[Asked]
    notes: list[str] = []
    if list(inputs) == [_STDIN]:
        first = _of_lines(nullcontext(sys.stdin.buffer), "standard input", columns, forced=False)
    elif modality == "image":
        first, notes = _of_paths(inputs)
    else:
        first, notes = _of_arguments(inputs, len(columns))
    rest = iter(()) if file is None else _of_file(file, columns)
    return chain(first, rest), notes


def _of_arguments(inputs: Sequence[str], parts: int) -> tuple[Iterator[Asked], list[str]]:
    notes = [
        f"{text} is taken for a text, and is a file as well: --file reads its lines"
        for text in inputs
        if _is_file(text)
    ]
    if parts == 1:
        return (Asked(text, text) for text in inputs), notes
    if len(inputs) % parts:
        what = (
            "pairs of texts; give two for each pair"
            if parts == 2
            else f"rows of {parts} texts; give all of each"
        )
        raise ArgumentError(f"{len(inputs)} INPUTs are given and the certificate is of {what}")
    rows = zip(*(inputs[part::parts] for part in range(parts)), strict=True)
    return (Asked(row, list(row)) for row in rows), notes


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a text too long for a name, or with a null in it
        return False


# Images ----------------------------------------------------------------------------------------------


def _of_paths(inputs: Sequence[str]) -> tuple[Iterator[Asked], list[str]]:
    paths: list[str] = []
    notes: list[str] = []
    for name in inputs:
        try:
            is_folder, exists = os.path.isdir(name), os.path.exists(name)
        except ValueError:
            is_folder = exists = False
        if is_folder:
            found, others = _images_in(name)
            if not found:
                raise DataError(
                    f"the folder {name} holds no image, of {others:,} files; images end in .png, .jpg, ..."
                )
            paths += found
            if others:
                notes.append(f"{others:,} files in {name} are left out: they do not end as images do")
        elif exists:
            paths.append(name)
        else:
            raise DataError(
                f"no such file or folder: {name[:200]}; the certificate is of images, so INPUTs are paths"
            )
    return (Asked(path, path) for path in paths), notes


def _images_in(folder: str) -> tuple[list[str], int]:
    """The images in a folder and the folders below it, sorted, and how many files are none; hidden ones aside."""
    found, others = [], 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            if os.path.splitext(name)[1].lower() in _PICTURES:
                found.append(os.path.join(place, name))
            else:
                others += 1
    return found, others


# Lines -----------------------------------------------------------------------------------------------


def _check_file(file: Path) -> None:
    if not file.exists():
        raise DataError(f"--file {file} does not exist")
    if file.is_dir():
        raise DataError(f"--file {file} is a folder; give a file of lines, or folders of images as INPUT")
    if file.suffix.lower() in _NO_LINES:
        raise DataError(
            f"--file {file} is no file of lines; write JSON lines, or give its rows to transferbound.Predictor "
            "(datasets.load_dataset reads tables)"
        )


def _of_file(file: Path, columns: Sequence[str]) -> Iterator[Asked]:
    try:
        yield from _of_lines(file.open("rb"), f"--file {file}", columns, file.suffix.lower() in _JSON_LINES)
    except OSError as error:
        raise DataError(f"--file {file} cannot be read: {error.strerror or error}") from error


def _of_lines(
    opened: AbstractContextManager[BinaryIO], name: str, columns: Sequence[str], forced: bool
) -> Iterator[Asked]:
    """A row a line. They are JSON lines where that is ``forced``, or where the first is such an object; rows of
    several texts always are."""
    with opened as source:
        numbered = enumerate(_lines(source, name), 1)
        head = list(islice(numbered, 1))
        if not head:
            raise DataError(f"{name} is empty; give a row a line")
        as_json = forced or len(columns) > 1 or _is_row(head[0][1], columns)
        for number, line in chain(head, numbered):
            if not as_json:
                yield Asked(line, line)
            elif line.strip():
                yield _of_json(line, f"{name}, line {number}", columns)


def _lines(source: BinaryIO, name: str) -> Iterator[str]:
    number = 0
    while line := source.readline(_MAX_LINE + 1):
        number += 1
        if len(line) > _MAX_LINE:
            raise DataError(
                f"{name}, line {number} is of more than {_MAX_LINE:,} bytes, the most that is read"
            )
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{name}, line {number} is not UTF-8 text ({error.reason})") from error
        if "\0" in text:
            raise DataError(f"{name}, line {number} holds a null: that is no file of lines")
        yield text.rstrip("\r\n")


def _is_row(line: str, columns: Sequence[str]) -> bool:
    """Whether it is an object that has the columns; a text may begin with a brace."""
    if not line.lstrip().startswith("{"):
        return False
    try:
        value = parse_json(line.encode(), "a line", DataError, lenient=True)
    except DataError:
        return False
    return isinstance(value, dict) and set(columns) <= set(value)


def _of_json(line: str, where: str, columns: Sequence[str]) -> Asked:
    value = parse_json(line.encode(), where, DataError, lenient=True)
    if not isinstance(value, dict) or not set(columns) <= set(value):
        has = f"; it has {', '.join(value)[:200] or 'nothing'}" if isinstance(value, dict) else ""
        raise DataError(
            f"{where} is no JSON object with {' and '.join(map(repr, columns))}, by which the certificate's rows were "
            f"read{has}"
        )
    parts = [value[column] for column in columns]
    wrong = next((column for column in columns if not isinstance(value[column], str)), None)
    if wrong is not None:
        raise DataError(f"{where} has {shortened(repr(value[wrong]), 40)} as {wrong!r}; give a string")
    return Asked(parts[0], parts[0]) if len(parts) == 1 else Asked(tuple(parts), parts)
