"""The user's own reference inputs: unlabelled rows that are not the training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from transferbound.data.examples import Examples, together
from transferbound.data.labelled import LabelledData
from transferbound.errors import DataError
from transferbound.priors.reference import Reference

__all__ = ["MOST_ROWS", "SET_ASIDE", "load_reference", "reference_set_aside"]

MOST_ROWS = 4000
"""So many rows tell the directions well enough: the first of them are taken."""

SET_ASIDE = "rows set aside"
"""What reference inputs are called that are rows of the data set itself, which no bound counts."""


def load_reference(
    data: Any,
    *,
    modality: str,
    split: str = "train",
    config: str | None = None,
    revision: str | None = None,
    image_column: str | None = None,
    text_columns: str | Sequence[str] | None = None,
) -> Reference:
    """The first 4,000 rows of a split, without labels.

    Args:
        data: Hub id, local folder or object, as for :meth:`Examples.open`.
        modality: what the prior reads, ``image`` or ``text``.
        split, config, revision, image_column, text_columns: as for :meth:`Examples.open`.

    Returns:
        Rows of PIL images, or of texts; of tuples of two texts where the data set holds pairs. They are decoded on
        first use, and a row that cannot be is a DataError then.

    Raises:
        DataError: unknown data set, configuration, split or column; no rows; rows of the other modality.
    """
    examples = Examples.open(
        data,
        split=split,
        config=config,
        revision=revision,
        image_column=image_column,
        text_columns=text_columns,
    )
    name, split = examples.name, examples.split
    if examples.modality != modality:
        raise DataError(
            f"the reference inputs {name} are {examples.modality}s and the prior reads {modality}s; choose others"
        )
    count = min(examples.n, MOST_ROWS)
    whole = f"the {count:,} rows" if count == examples.n else f"the first {count:,} of {examples.n:,} rows"
    return Reference(
        name=name,
        modality=modality,
        licence="",
        description=f"{whole} of {name}, split {split}",
        make=lambda: _rows(examples, count),
    )


def reference_set_aside(data: LabelledData) -> Reference:
    """The rows that ``data`` has set aside (:meth:`LabelledData.setting_aside`), without their labels.

    Raises:
        DataError: none are set aside.
    """
    aside = data.aside
    if aside is None:
        raise DataError(f"no rows of the data set {data.name} are set aside")
    count = min(aside.n, MOST_ROWS)
    return Reference(
        name=SET_ASIDE,
        modality=data.modality,
        licence="",
        description=f"{count:,} rows of {data.name}, split {data.split}, that no bound counts",
        make=lambda: _rows(aside, count),
    )


def _rows(examples: Examples, count: int) -> Iterator[Any]:
    if examples.modality == "image":
        yield from examples.images(np.arange(count))
        return
    for parts in islice(examples.text_rows(), count):
        yield parts if len(parts) == 2 else together(parts)
