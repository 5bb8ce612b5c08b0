"""Rows to try an exported model on that no data set is needed for."""

from __future__ import annotations

from itertools import islice
from typing import Any

from transferbound.priors.reference import default_reference

__all__ = ["reference_rows"]


def reference_rows(modality: str, columns: int, count: int) -> list[Any]:
    """The first ``count`` inputs that come with the package: PIL images, texts, or pairs of texts.

    >>> [len(row) for row in reference_rows("text", 2, 3)]
    [2, 2, 2]
    """
    made = default_reference(modality).each()
    if modality == "image":
        return list(islice(made, count))
    texts = list(islice(made, columns * count))
    if columns == 1:
        return texts
    return [tuple(texts[place : place + columns]) for place in range(0, len(texts) - columns + 1, columns)]
