"""Rows that cast doubt on the independence of rows: repeated ones, and texts that stand inside others."""

from __future__ import annotations

import numpy as np

from transferbound.data.labelled import LabelledData
from transferbound.independence.word_runs import contained_rows

__all__ = ["dependent_rows"]


def dependent_rows(data: LabelledData) -> dict[str, int]:
    """How many rows of ``data`` repeat one another.

    ``exact_duplicate_rows``: rows beyond the first with the same content (n minus distinct rows).
    ``contained_rows``: rows whose text stands, word for word, inside a longer row's text.
    ``standalone_rows``: distinct rows that no other row contains. The last two are for text only.

    Raises:
        DataError: a row cannot be read.
    """
    distinct, first = np.unique(data.row_hashes.view("V32").ravel(), return_index=True)
    found = {"rows": data.n, "exact_duplicate_rows": data.n - len(distinct)}
    if data.modality == "text":
        # A mark that is a word of its own keeps the two texts of a pair apart.
        texts = [" \ue000 ".join(parts) for parts in data.text_rows()]
        contained = contained_rows(texts)
        found["contained_rows"] = int(contained.sum())
        found["standalone_rows"] = int((~contained[first]).sum())
    return found
