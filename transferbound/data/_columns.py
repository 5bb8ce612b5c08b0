"""Which columns hold the inputs, the labels and the groups; reading the last two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
import pyarrow

from transferbound.errors import DataError

__all__ = ["Columns", "choose_columns", "choose_inputs", "find_label", "read_groups", "read_labels"]

_LABEL_NAMES = ("label", "labels")
# Text columns of well-known tasks, looked for in this order.
_TEXT_NAMES = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("text",),
    ("sentence",),
)
_MAX_CLASSES = 1_000_000
_FOLDER_BUILDERS = ("imagefolder", "audiofolder", "videofolder")


@dataclass(frozen=True)
class Columns:
    """Names of the columns to read."""

    modality: str
    inputs: tuple[str, ...]
    label: str
    group: str | None

    def to_dict(self) -> dict[str, Any]:
        return {self.modality: list(self.inputs), "label": self.label, "group": self.group}


def choose_columns(
    table: Any,
    name: str,
    image_column: str | None,
    text_columns: str | Sequence[str] | None,
    label_column: str | None,
    group_column: str | None,
) -> Columns:
    """The named columns, or the only candidates.

    Raises:
        DataError: a named column is absent or of the wrong type; no candidate, or several.
    """
    features = table.features
    _check_present(features, name, (label_column, group_column))
    label = label_column or find_label(features, name)
    modality, inputs = choose_inputs(table, name, image_column, text_columns, {label, group_column})
    return Columns(modality, inputs, label, group_column)


def choose_inputs(
    table: Any,
    name: str,
    image_column: str | None,
    text_columns: str | Sequence[str] | None,
    taken: set[str | None],
) -> tuple[str, tuple[str, ...]]:
    """Modality and input columns: those named, or the only candidates outside ``taken``.

    Raises:
        DataError: a named column is absent or of the wrong type; no candidate, or several.
    """
    features = table.features
    texts_named = (text_columns,) if isinstance(text_columns, str) else tuple(text_columns or ())
    _check_present(features, name, (image_column, *texts_named))
    if image_column is not None and texts_named:
        raise DataError("an image column and text columns were both named; a prior reads one of them")
    if texts_named or image_column is not None:
        inputs = texts_named or (str(image_column),)
        modality = "text" if texts_named else "image"
    else:
        modality, inputs = _find_inputs(features, name, taken)
    if len(inputs) > 2:
        raise DataError(
            f"{len(inputs)} text columns were named ({', '.join(inputs)}); give one, or two for pairs"
        )
    for column in inputs:
        feature = features[column]
        if not (_is_text(feature) if modality == "text" else isinstance(feature, datasets.Image)):
            raise DataError(f"column {column} of the data set {name} holds {feature}, not {modality}s")
    return modality, inputs


def _check_present(features: Any, name: str, columns: tuple[str | None, ...]) -> None:
    for column in columns:
        if column is not None and column not in features:
            raise DataError(f"the data set {name} has no column {column!r}; it has {_listed(features)}")


def find_label(features: Any, name: str) -> str:
    """The only column that can be labels. Raises DataError: there is none, or several."""
    declared = [key for key, value in features.items() if isinstance(value, datasets.ClassLabel)]
    named = [key for key in _LABEL_NAMES if key in features]
    for candidates in ([key for key in named if key in declared], declared, named):
        if len(candidates) == 1:
            return candidates[0]
        if len(candidates) > 1:
            raise DataError(
                f"the data set {name} has several label columns ({', '.join(candidates)}); "
                "name one with label_column"
            )
    raise DataError(
        f"the data set {name} has no label column; its columns are {_listed(features)}. "
        "Name one with label_column if it holds the classes"
    )


def _find_inputs(features: Any, name: str, taken: set[str | None]) -> tuple[str, tuple[str, ...]]:
    free = {key: value for key, value in features.items() if key not in taken}
    images = [key for key, value in free.items() if isinstance(value, datasets.Image)]
    texts = [key for key, value in free.items() if _is_text(value)]
    if len(images) == 1:
        return "image", (images[0],)
    if len(images) > 1:
        raise DataError(
            f"the data set {name} has several image columns ({', '.join(images)}); name image_column"
        )
    for known in _TEXT_NAMES:
        if set(known) <= set(texts):
            return "text", known
    if len(texts) == 1:
        return "text", (texts[0],)
    if texts:
        raise DataError(
            f"the data set {name} has several text columns ({', '.join(texts)}); "
            "name one, or a pair, with text_columns"
        )
    raise DataError(f"the data set {name} has no image or text column; its columns are {_listed(features)}")


def read_labels(
    table: Any, column: str, name: str, num_classes: int | None
) -> tuple[np.ndarray, tuple[str, ...], str]:
    """Labels int64 [n], class names, and where the classes are from.

    ``features``: the data set declares them; ``folders``: they are the names of the folders that its files lie in;
    ``user``: of bare integers, by ``num_classes``.

    Raises:
        DataError: labels that are missing, not integers, outside the classes or all of one class.
    """
    feature = table.features[column]
    dtype = str(getattr(feature, "dtype", feature))
    declared = isinstance(feature, datasets.ClassLabel) or dtype == "bool"
    if not declared and not dtype.startswith(("int", "uint")):
        raise DataError(
            f"the label column {column} of the data set {name} holds {dtype}, and a bound on the error needs "
            "classes: cast it to integers or to datasets.ClassLabel, or name another column with label_column"
        )
    array = table.with_format("arrow")[column]
    array = array.combine_chunks() if hasattr(array, "combine_chunks") else array
    if array.null_count:
        row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise DataError(
            f"the data set {name} has {array.null_count} rows without a label (the first is row {row}); "
            "drop them"
        )
    labels = np.asarray(array.to_numpy(zero_copy_only=False)).astype(np.int64)
    names = _class_names(feature, dtype, labels, column, name, num_classes)
    outside = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if len(outside):
        row = int(outside[0])
        raise DataError(
            f"the data set {name} has the label {labels[row]} in row {row}, outside its {len(names)} classes "
            f"(0 to {len(names) - 1}); unlabelled rows must be dropped, {len(outside)} rows are concerned"
        )
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"all {len(labels)} rows of the data set {name} have the label {labels[0]}; "
            "nothing can be learned from one class (a sorted data set is to be shuffled before it is sliced)"
        )
    return labels, names, _origin(table, feature) if declared else "user"


def _origin(table: Any, feature: Any) -> str:
    """Builders of folders make the classes of what folders there are, and keep none that a card declares."""
    by_folder = isinstance(feature, datasets.ClassLabel) and table.info.builder_name in _FOLDER_BUILDERS
    return "folders" if by_folder else "features"


def _class_names(
    feature: Any, dtype: str, labels: np.ndarray, column: str, name: str, num_classes: int | None
) -> tuple[str, ...]:
    if num_classes is not None and not 2 <= num_classes <= _MAX_CLASSES:
        raise DataError(f"num_classes is {num_classes}; it must be between 2 and {_MAX_CLASSES:,}")
    if isinstance(feature, datasets.ClassLabel) or dtype == "bool":
        names = ("False", "True") if dtype == "bool" else tuple(str(item) for item in feature.names)
        if num_classes not in (None, len(names)):
            raise DataError(
                f"num_classes is {num_classes}, but the data set {name} declares {len(names)} classes"
            )
        return names
    if num_classes is None:
        raise DataError(
            f"the label column {column} of the data set {name} is of bare integers ({labels.min()} to "
            f"{labels.max()} here) and declares no classes; say how many there are with num_classes"
        )
    return tuple(str(index) for index in range(num_classes))


def read_groups(table: Any, column: str, name: str) -> np.ndarray:
    """int64 [n]: 0 to G - 1, one number a distinct value of ``column``.

    Raises:
        DataError: a row without a group, or values that cannot be grouped by.
    """
    values = table.with_format("arrow")[column]
    values = values.combine_chunks() if hasattr(values, "combine_chunks") else values
    if values.null_count:
        row = int(np.flatnonzero(np.asarray(values.is_null()))[0])
        raise DataError(
            f"the data set {name} has no value in group column {column} of row {row}; every row needs one"
        )
    if pyarrow.types.is_floating(values.type):
        numbers = values.to_numpy(zero_copy_only=False) + 0.0  # -0.0 is no other group than 0.0
        if np.isnan(numbers).any():
            raise DataError(
                f"the data set {name} has no number in group column {column} of row {int(np.isnan(numbers).argmax())}; "
                "every row needs one"
            )
        values = pyarrow.array(numbers)
    try:
        codes = values.dictionary_encode().indices.to_numpy(zero_copy_only=False)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise DataError(
            f"the group column {column} of the data set {name} holds {values.type}; "
            "it must hold numbers or strings"
        ) from error
    return np.asarray(codes, dtype=np.int64)


def _is_text(feature: Any) -> bool:
    return isinstance(feature, datasets.Value) and feature.dtype in ("string", "large_string")


def _listed(features: Any) -> str:
    return ", ".join(features)
