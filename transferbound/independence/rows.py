"""Rows that cast doubt on the independence of rows: repeated ones, and texts that stand inside others."""

from __future__ import annotations

import numpy as np

from transferbound.data.sample import Sample
from transferbound.independence.duplicates import repeated_images, repeated_texts
from transferbound.independence.letters import as_read
from transferbound.independence.word_runs import contained_rows

__all__ = ["dependent_rows"]

_MOST_IMAGES = 5000


def dependent_rows(data: Sample) -> dict[str, int]:
    """How many rows of ``data`` repeat one another.

    ``exact_duplicate_rows``: rows beyond the first with the same content (n minus distinct rows).
    ``contained_rows``: rows whose text stands, word for word, inside a longer row's text.
    ``standalone_rows``: distinct rows that no other row contains. The last two are for text only.
    ``near_duplicate_rows``: of ``near_rows_compared`` rows, those that nearly equal one before them: the same words but
    for case and punctuation (all rows), or the same picture but for some pixels (at most 5,000 rows, at random).
    ``look_alike_groups``, where there are any: groups whose names differ from others' in case, blanks, accents
    or look-alike letters alone.

    Raises:
        DataError: a row cannot be read.
    """
    distinct, first = np.unique(data.row_hashes.view("V32").ravel(), return_index=True)
    found = {"rows": data.n, "exact_duplicate_rows": data.n - len(distinct)}
    if data.modality == "image":
        compared, near = repeated_images(data, _MOST_IMAGES)
        found |= {"near_rows_compared": compared, "near_duplicate_rows": near}
    else:
        # A mark that is a word of its own keeps the two texts of a pair apart.
        texts = [" \ue000 ".join(parts) for parts in data.text_rows()]
        contained = contained_rows(texts)
        found["contained_rows"] = int(contained.sum())
        found["standalone_rows"] = int((~contained[first]).sum())
        found |= {"near_rows_compared": data.n, "near_duplicate_rows": repeated_texts(data)}
    alike = len(data.group_values) - len({_plain(value) for value in data.group_values})
    return found | ({"look_alike_groups": alike} if alike else {})


def _plain(group: object) -> object:
    """A group's name as it is read."""
    return " ".join(as_read(group).split()) if isinstance(group, str) else group
