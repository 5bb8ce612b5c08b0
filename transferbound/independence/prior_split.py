"""A data-dependent prior: the checkpoint was trained on one part of a data set, the bound counts another.

Given the first part, the checkpoint is fixed, and the bound holds for the draw of the other part, with n its
size (Ambroladze, Parrado-Hernandez and Shawe-Taylor 2006; Perez-Ortiz et al. 2021). So no row, and no group
of rows, may stand in both.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2_contingency

from transferbound.data.labelled import LabelledData
from transferbound.errors import ArgumentError, PriorIndependenceError
from transferbound.independence.duplicates import few_compared, find_duplicates
from transferbound.independence.record import Finding, PriorSplitRecord

__all__ = ["compare_parts"]

_LISTED_ROWS = 20
_LISTED_GROUPS = 3
_CHANCE = 1e-6
"""The two parts of a shuffled data set are taken for parts of a sorted one with this probability."""


_REFUSED_NEAR = 0.01
"""Two parts of one data set resemble one another more than two data sets do: 0.2 % of FashionMNIST's rows have a near
duplicate among 10,000 others by nature. 20 % of SST-2's have, which are phrases of the same sentences."""


def compare_parts(
    part: LabelledData, data: LabelledData, refused_fraction: float
) -> tuple[PriorSplitRecord, list[Finding]]:
    """What was found of the prior's ``part`` in the rows that are bounded: the record for the certificate, and
    findings of the kinds ``content`` and ``order``. More exact duplicates than ``refused_fraction`` of the rows are
    refused, or more than a hundredth with the near ones; fewer are a warning.

    Raises:
        ArgumentError: the two are not of one data set, read by the same columns.
        PriorIndependenceError: a row or a group stands in both. Nothing overrides that: n would count rows that
            the prior was trained on.
    """
    mine, theirs = (
        (d.name, d.config, d.revision, d.columns, d.class_names, d.modality) for d in (data, part)
    )
    if mine != theirs:
        raise ArgumentError(
            f"the prior's split is of {part.name} (config {part.config}, columns {part.columns}), the training data "
            f"of {data.name} (config {data.config}, columns {data.columns}): they must be one data set; for "
            "pretraining data of another name use pretraining_data"
        )
    _refuse_shared(part, data)
    duplicates = find_duplicates(part, data)
    exact, near = duplicates.exact, duplicates.near
    found = np.flatnonzero(duplicates.found)
    record: PriorSplitRecord = {
        "split": part.split,
        "sha256": part.fingerprint,
        "rows": part.n,
        "units": part.n_units,
        "rows_compared": data.n,
        "near_rows_compared": int((~duplicates.short).sum()),
        "exact_duplicates": int(exact.sum()),
        "near_duplicates": int((near & ~exact).sum()),
        "first_rows": [int(row) for row in found[:_LISTED_ROWS]],
    }
    findings = few_compared(duplicates, part.split)
    certain = (exact & ~duplicates.short).sum()
    many = certain > refused_fraction * data.n or len(found) > _REFUSED_NEAR * data.n
    if len(found):
        findings.append(
            {
                "kind": "content",
                "severity": "refuse" if many else "warn",
                "message": f"{len(found)} of {data.n} rows of {data.split} look like rows of the prior's split "
                f"{part.split} ({record['exact_duplicates']} exactly; the first are rows "
                f"{', '.join(map(str, found[:5]))}), so that the prior may have seen them",
            }
        )
    return record, findings + _order(part, data)


def _refuse_shared(part: LabelledData, data: LabelledData) -> None:
    shared = data.shared_rows(part)
    if shared:
        count = sum(rows.stop - rows.start for rows in shared)
        raise PriorIndependenceError(
            f"the prior's split {part.split} and the split {data.split} share {count:,} rows of {data.name} "
            f"({', '.join(map(str, shared[:3]))}): the prior was trained on rows that the bound would count. Choose "
            "parts that do not overlap, for example train[:50%] for the prior and train[50%:] for the bound"
        )
    groups = part.group_values & data.group_values
    if groups:
        some = sorted(map(str, groups))[:_LISTED_GROUPS]
        raise PriorIndependenceError(
            f"{len(groups):,} groups of column {data.columns['group']!r} have rows in the prior's split {part.split} "
            f"and in the split {data.split} ({', '.join(some)}): the prior has seen a part of a unit that the bound "
            "would count. Cut the data set between groups, its rows ordered by group"
        )


def _order(part: LabelledData, data: LabelledData) -> list[Finding]:
    """A data set that is sorted by class, or by something that goes with it, and was cut without shuffling."""
    counts = np.array([_unit_classes(part), _unit_classes(data)])
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] < 2 or chi2_contingency(counts).pvalue >= _CHANCE:
        return []
    return [
        {
            "kind": "order",
            "severity": "warn",
            "message": f"the classes of {part.split} and of {data.split} are mixed differently, beyond chance: the "
            "rows stand in an order, so that the bound is for rows like those of the second split alone; shuffle "
            "the data set before cutting it",
        }
    ]


def _unit_classes(data: LabelledData) -> np.ndarray:
    """int64 [classes]: the units of each class; a group counts once, by its first row."""
    labels = data.labels
    if data.groups is not None:
        labels = labels[np.unique(data.groups, return_index=True)[1]]
    return np.bincount(labels, minlength=data.num_classes)
