"""Which columns hold the inputs, the labels and the groups; reading the last."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
import pyarrow

from transferbound.errors import DataError

__all__ = ["Columns", "choose_columns", "choose_inputs", "find_label", "read_groups"]

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
# What strings may be that are no inputs: where other columns are left, these are not taken.
_BESIDE = re.compile(
    r"((.*[_\W])?(label|labels|class|target|category|id|ids|idx|index|uid|guid|uuid|hash|url|uri|source|split|lang"
    r"|language|locale|date|time|timestamp|path|file|filename|file_name)([_\W].*)?)",
    re.IGNORECASE,
)
_MOST_TEXTS = 32


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
    modality: str | None = None,
) -> Columns:
    """The named columns, or the only candidates; of inputs, those of ``modality`` where there are some.

    Raises:
        DataError: a named column is absent or of the wrong type; no candidate, or several.
    """
    features = table.features
    _check_present(features, name, (label_column, group_column))
    label = label_column or find_label(features, name)
    taken = {label, group_column}
    found, inputs = choose_inputs(table, name, image_column, text_columns, taken, modality)
    return Columns(found, inputs, label, group_column)


def choose_inputs(
    table: Any,
    name: str,
    image_column: str | None,
    text_columns: str | Sequence[str] | None,
    taken: set[str | None],
    wanted: str | None = None,
) -> tuple[str, tuple[str, ...]]:
    """Modality and input columns: those named, or the only candidates outside ``taken``, of the modality ``wanted``
    where the data set has such.

    Raises:
        DataError: a named column is absent or of the wrong type; no candidate, or several.
    """
    features = table.features
    texts_named = (text_columns,) if isinstance(text_columns, str) else tuple(text_columns or ())
    _check_present(features, name, (image_column, *texts_named))
    if image_column is not None and texts_named:
        raise DataError("--image-column and --text-column are both given; a prior reads one of them")
    if texts_named or image_column is not None:
        inputs = texts_named or (str(image_column),)
        modality = "text" if texts_named else "image"
    else:
        modality, inputs = _find_inputs(features, name, taken, wanted)
    if len(inputs) > _MOST_TEXTS or len(set(inputs)) < len(inputs):
        raise DataError(
            f"--text-column names {len(inputs)} columns ({', '.join(inputs)[:200]}); name up to {_MOST_TEXTS}, each "
            "once"
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
                "name one with --label-column"
            )
    raise DataError(
        f"the data set {name} has no label column; its columns are {_listed(features)}. "
        "Name one with --label-column if it holds the classes"
    )


def _find_inputs(
    features: Any, name: str, taken: set[str | None], wanted: str | None
) -> tuple[str, tuple[str, ...]]:
    free = {key: value for key, value in features.items() if key not in taken}
    images = [key for key, value in free.items() if isinstance(value, datasets.Image)]
    texts = [key for key, value in free.items() if _is_text(value)]
    if images and not (texts and wanted == "text"):
        if len(images) > 1:
            raise DataError(
                f"the data set {name} has several image columns ({', '.join(images)}); name one with --image-column"
            )
        return "image", (images[0],)
    for known in _TEXT_NAMES:
        if set(known) <= set(texts):
            return "text", known
    candidates = [key for key in texts if not _BESIDE.fullmatch(key)] or texts
    if 1 <= len(candidates) <= 2:  # two are a pair
        return "text", tuple(candidates)
    if candidates:
        raise DataError(
            f"the data set {name} has several text columns ({', '.join(candidates)}); name the one to read with "
            "--text-column, or several by giving it several times"
        )
    raise DataError(f"the data set {name} has no image or text column; its columns are {_listed(features)}")


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
