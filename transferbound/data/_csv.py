"""Words that ``datasets`` takes for missing values in csv files: in columns of texts they are words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import datasets

__all__ = ["words_kept"]

# What pandas takes for a missing value, by its documentation.
_MISSING = (
    *(
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
    ),
    *("NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)


def words_kept(splits: Mapping[str, Any]) -> dict[str, Any] | None:
    """How to read csv files again so that "null", "NA" and the like are words where they stand in a column of strings;
    an empty cell is missing still. None: nothing is missing there.

    Args:
        splits: as they were read by default.
    """
    columns: dict[str, bool] = {}
    missing = False
    for table in splits.values():
        for name, feature in table.features.items():
            is_text = isinstance(feature, datasets.Value) and feature.dtype in ("string", "large_string")
            columns[name] = columns.get(name, False) or is_text
            missing = missing or (is_text and table.data.column(name).null_count > 0)
    if not missing:
        return None
    empty, all_of_them = [""], list(_MISSING)
    return {
        "keep_default_na": False,
        "na_values": {name: empty if is_text else all_of_them for name, is_text in columns.items()},
    }
