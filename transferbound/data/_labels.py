"""Labels: from what stands in a column to the numbers of declared classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np

from transferbound.errors import DataError
from transferbound.wording import shortened

__all__ = ["DECLARED_BY_NAMES", "Labels", "read_labels"]

_MAX_CLASSES = 1_000_000
_FOLDER_BUILDERS = ("imagefolder", "audiofolder", "videofolder")
_MOST_SHOWN = 8
_COUNTED = "labels count from 0"

DECLARED_BY_NAMES = ("words", "names", "order", "map")
"""Where classes are from that cannot be read again without their names."""


@dataclass(frozen=True)
class Labels:
    """Labels of rows.

    Attributes:
        numbers: int64 [n], each a place in ``names``.
        names: of the classes, in the declared order.
        origin: where the classes are from. ``features``: the data set declares them; ``folders``: they are the names
            of the folders that its files lie in; ``user``: of bare integers, by their number; ``words``: the column
            holds their names, which the user has listed; ``names``: the user has named those of numbers; ``order``:
            the data set declares them, and the user another order; ``map``: the user has mapped the labels to them.
    """

    numbers: np.ndarray
    names: tuple[str, ...]
    origin: str


def read_labels(
    table: Any,
    column: str,
    name: str,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    label_map: Mapping[str, str] | None = None,
) -> Labels:
    """The labels of a table's rows.

    Args:
        table, column, name: rows, the column of labels, and the data set's name for errors.
        num_classes: where bare integers are the labels.
        class_names: names of the classes in their order.
        label_map: from labels, as they are written, to names of classes.

    Raises:
        DataError: labels that are missing, of no kind that classes have, outside the classes or all of one class.
    """
    column_of = _Column(table, column, name)
    if num_classes is not None and not 2 <= num_classes <= _MAX_CLASSES:
        raise DataError(f"--num-classes is {num_classes}; it must be between 2 and {_MAX_CLASSES:,}")
    if label_map is not None:
        labels = column_of.mapped(label_map, class_names)
    elif class_names is not None:
        labels = column_of.by_names(tuple(class_names))
    else:
        labels = column_of.as_declared(num_classes)
    if num_classes not in (None, len(labels.names)):
        raise DataError(
            f"--num-classes is {num_classes}, but the data set {name} declares {len(labels.names)} classes"
            if labels.origin in ("features", "folders", "order")
            else f"--num-classes is {num_classes}, but {len(labels.names)} classes are named"
        )
    if len(np.unique(labels.numbers)) < 2:
        first = labels.names[labels.numbers[0]] if len(labels.numbers) else "none"
        raise DataError(
            f"all {len(labels.numbers)} rows of the data set {name} have the label {labels.numbers[0]} ({first[:80]}); "
            "nothing can be learned from one class (a sorted data set is to be shuffled before it is sliced: "
            "--shuffle-seed 0)"
        )
    return labels


class _Column:
    """A column of labels: the distinct ones as they are written, and which of them each row has."""

    def __init__(self, table: Any, column: str, name: str) -> None:
        self.column, self.name = column, name
        self.feature = table.features[column]
        self.folders = table.info.builder_name in _FOLDER_BUILDERS
        self.dtype = str(getattr(self.feature, "dtype", self.feature))
        self.declared: tuple[str, ...] | None = None
        if isinstance(self.feature, datasets.ClassLabel):
            self.declared = tuple(str(item) for item in self.feature.names)
        elif self.dtype == "bool":
            self.declared = ("False", "True")
        self.integers = self.dtype.startswith(("int", "uint"))
        if not (self.declared or self.integers or self.dtype in ("string", "large_string")):
            raise DataError(
                f"the label column {column} of the data set {name} holds {self.dtype}, and a bound on the error needs "
                "classes: cast it to integers, strings or datasets.ClassLabel, or name another column with "
                "--label-column"
            )
        array = table.with_format("arrow")[column]
        array = array.combine_chunks() if hasattr(array, "combine_chunks") else array
        if array.null_count:
            rows = np.flatnonzero(np.asarray(array.is_null()))
            raise DataError(
                f"the data set {name} has {array.null_count:,} rows without a label (the first is row "
                f"{int(rows[0])}) in column {column}; label them, or name a split whose rows all have one with --split"
            )
        coded = array.dictionary_encode()
        self.values = coded.dictionary.to_pylist()
        self.rows = np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)

    # What the user may have said of the classes ------------------------------------------------------

    def as_declared(self, num_classes: int | None) -> Labels:
        """By what the data set declares; bare integers by their number."""
        if self.declared is not None:
            return Labels(self._numbers(len(self.declared)), self.declared, self._origin())
        if not self.integers:
            raise DataError(
                f"the label column {self.column} of the data set {self.name} holds strings ({_listed(self.values)}) "
                "and declares no classes; list all that the task has, in an order of your choice, with --class-names "
                "NAME,NAME,..."
            )
        if num_classes is None:
            low, high = min(self.values), max(self.values)
            raise DataError(
                f"the label column {self.column} of the data set {self.name} is of bare integers ({low} to {high} "
                "here) and declares no classes; say how many there are with --num-classes, or name them with "
                "--class-names"
            )
        return Labels(self._numbers(num_classes), tuple(str(index) for index in range(num_classes)), "user")

    def by_names(self, names: tuple[str, ...]) -> Labels:
        """By the names that the user has listed."""
        if self.declared is not None:
            return self._reordered(self.declared, names)
        if self.integers and not all(map(_is_integer, names)):
            return Labels(self._numbers(len(names), names), names, "names")
        return Labels(self._places({name: name for name in names}, names, "--class-names"), names, "words")

    def mapped(self, label_map: Mapping[str, str], class_names: Sequence[str] | None) -> Labels:
        """By new names for the labels; the classes in the order listed, or in which the new names appear."""
        names = tuple(class_names or dict.fromkeys(label_map.values()))
        strangers = sorted(set(label_map.values()) ^ set(names))
        if strangers:
            raise DataError(
                f"--label-map gives the classes {_listed(list(dict.fromkeys(label_map.values())))} and --class-names "
                f"lists {_listed(names)}; name the same classes in both"
            )
        return Labels(self._places(label_map, names, "--label-map"), names, "map")

    def _reordered(self, declared: tuple[str, ...], names: tuple[str, ...]) -> Labels:
        if names == declared:
            return Labels(self._numbers(len(declared)), declared, self._origin())
        if len(set(declared)) == len(declared) and sorted(names) == sorted(declared):
            order = np.array([names.index(one) for one in declared])
            return Labels(order[self._numbers(len(declared))], names, "order")
        if len(names) == len(declared) and all(map(_is_integer, declared)):
            return Labels(self._numbers(len(declared)), names, "names")
        raise DataError(
            f"--class-names lists {_listed(names)}, but the data set {self.name} declares {_listed(declared)}; name "
            "the same classes in any order, or leave the option out (--label-map gives classes other names)"
        )

    # From values to numbers --------------------------------------------------------------------------

    def _numbers(self, classes: int, names: Sequence[str] = ()) -> np.ndarray:
        """The values themselves, which must be numbers of classes."""
        values = np.array([int(value) for value in self.values], dtype=np.int64)
        numbers: np.ndarray = values[self.rows] if len(values) else np.zeros(0, dtype=np.int64)
        outside = np.flatnonzero((numbers < 0) | (numbers >= classes))
        if len(outside):
            row, low, high = int(outside[0]), int(numbers.min()), int(numbers.max())
            raise DataError(
                f"the data set {self.name} has the label {numbers[row]} in row {row}, outside its {classes} classes: "
                f"{_COUNTED}, so to {classes - 1}, and here they go from {low} to {high} ({len(outside):,} rows are "
                f"outside); {self._remedy(low, high, classes)}"
            )
        return numbers

    def _remedy(self, low: int, high: int, classes: int) -> str:
        if low >= 0 and high - low < classes and self.declared is None:
            listed = ",".join(str(value) for value in range(low, low + min(classes, 3)))
            more = ",..." if classes > 3 else ""
            return f"name them as they are written with --class-names {listed}{more}"
        if low < 0:
            return "negative labels often are rows without one: name a split with --split whose rows all have one"
        return "say how many classes there are with --num-classes"

    def _places(self, mapping: Mapping[str, str], names: Sequence[str], option: str) -> np.ndarray:
        """The class of each row by the label as it is written."""
        written = self._written()
        strangers = [value for value in written if value not in mapping]
        if strangers:
            raise DataError(
                f"{option} says nothing of {_listed(strangers)}, which column {self.column} of the data set "
                f"{self.name} holds; it names {_listed(list(mapping))}: write each label as it stands there"
            )
        place = {name: number for number, name in enumerate(names)}
        numbers = np.array([place[mapping[value]] for value in written], dtype=np.int64)
        found: np.ndarray = numbers[self.rows] if len(numbers) else np.zeros(0, dtype=np.int64)
        return found

    def _written(self) -> list[str]:
        if self.declared is None:
            return [str(value) for value in self.values]
        self._numbers(len(self.declared))  # each must be one of them
        return [self.declared[int(value)] for value in self.values]

    def _origin(self) -> str:
        """Builders of folders make the classes of what folders there are, and keep none that a card declares."""
        by_folder = isinstance(self.feature, datasets.ClassLabel) and self.folders
        return "folders" if by_folder else "features"


def _is_integer(name: str) -> bool:
    return name.removeprefix("-").isascii() and name.removeprefix("-").isdigit()


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(shortened(repr(str(value)), 60) for value in list(values)[:_MOST_SHOWN])
    return f"{shown} and {len(values) - _MOST_SHOWN:,} more" if len(values) > _MOST_SHOWN else shown
