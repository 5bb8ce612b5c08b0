"""Prior independence: has the checkpoint seen the training data?

The bound holds for a prior fixed before the training data was drawn. Whether that is so cannot be proved
from the outside; what can be checked is checked here, refused or warned of, and recorded.

Names: the checkpoint's id and what its card declares (``datasets``, ``base_model``, ``model-index``)
against the names of the data set.

Content, where the pretraining data is named: exact and near duplicates. A row of text counts as a near
duplicate where at least 60 % of its word 5-grams stand in the pretraining text: n-gram overlap, as in the
contamination analyses of Brown et al. 2020 (arXiv 2005.14165) and Chowdhery et al. 2022 (arXiv 2204.02311),
which finds a sentence inside a document, where a Jaccard similarity does not. An image counts where a 64-bit
difference hash agrees up to 3 bits and the 32 x 32 grey thumbnails correlate above 0.99.
"""

from __future__ import annotations

from typing import Any

from transferbound._dataset_names import Match, compare_names, names_of_data
from transferbound._near_duplicates import find_duplicates
from transferbound.data import Examples, LabelledData
from transferbound.errors import DataError, PriorIndependenceError
from transferbound.priors import Prior

__all__ = ["REFUSED_FRACTION", "check_independence"]

#: More rows than this share found in the pretraining data: refused. Fewer: a warning with the rows.
REFUSED_FRACTION = 0.001
_LISTED_ROWS = 20
_ID_KEYS = ("base_model", "name_or_path", "finetuning_task", "tag")


def check_independence(
    prior: Prior,
    data: LabelledData,
    pretraining_data: str | Examples | None = None,
    override: bool = False,
    *,
    pretraining_split: str = "train",
) -> dict[str, Any]:
    """Compare the prior with the training data; return what was checked and found, as plain JSON.

    Keys: ``checked`` (what was compared), ``findings`` (each with ``kind``, ``severity`` ``refuse`` or
    ``warn``, and ``message``), ``verdict`` (``none found``, ``warning`` or ``overridden``), ``override``, and
    ``assumption`` (the sentence for the certificate).

    Args:
        pretraining_data: Hub id, folder or examples that the checkpoint was trained on, if at hand.
        override: record findings that would refuse the prior, and go on.

    Raises:
        PriorIndependenceError: the checkpoint has, or very probably has, seen the training data.
        DataError: the pretraining data cannot be read or is of another kind.
    """
    declared = _declared_names(prior)
    aliases = names_of_data(data.name, data.config)
    findings = [_name_finding(match, data.name) for match in compare_names(declared, aliases)]
    record: dict[str, Any] = {
        "checked": {
            "data_names": sorted(aliases),
            "prior_names": {where: values for where, values in declared.items() if values},
            "pretraining_data": None,
        }
    }
    if pretraining_data is not None:
        corpus = _open(pretraining_data, pretraining_split)
        if corpus.modality != data.modality:
            raise DataError(
                f"the pretraining data {corpus.name} holds {corpus.modality}s and the data set {data.name} "
                f"{data.modality}s; they cannot be compared"
            )
        counts, finding = _compare_content(corpus, data)
        record["checked"]["pretraining_data"] = counts
        findings += finding
    record["findings"] = findings
    refusals = [item["message"] for item in findings if item["severity"] == "refuse"]
    if refusals and not override:
        raise PriorIndependenceError(
            f"the prior {prior.name} is not independent of the data set {data.name}: {'; '.join(refusals)}. "
            "A bound on it would not hold. Choose another checkpoint, or override if this is mistaken"
        )
    record["verdict"] = "overridden" if refusals else ("warning" if findings else "none found")
    record["override"] = bool(override)
    record["assumption"] = _assumption(prior, data, record)
    return record


def _declared_names(prior: Prior) -> dict[str, list[str]]:
    """Where a data set may be named, and what stands there."""
    card = prior.provenance
    declared: dict[str, list[str]] = {"id": [prior.name]}
    for key in _ID_KEYS:
        value = card.get(key)
        declared[key] = [value] if isinstance(value, str) else list(value or [])
    declared["datasets"] = list(card.get("datasets") or [])
    declared["model-index"] = list(card.get("model_index_datasets") or [])
    tags = [*card.get("tags", []), *card.get("dataset_tags", [])]
    declared["tags"] = [tag.removeprefix("dataset:") for tag in tags if tag.startswith("dataset:")]
    declared["title"] = [card["title"]] if card.get("title") else []
    return declared


def _name_finding(match: Match, data_name: str) -> dict[str, str]:
    return {
        "kind": "name",
        "severity": match.severity,
        "message": f"its {match.where} names {match.value!r}, {match.relation} {data_name!r}",
    }


def _open(pretraining_data: str | Examples, split: str) -> Examples:
    if isinstance(pretraining_data, Examples):
        return pretraining_data
    return Examples.open(pretraining_data, split=split)


def _compare_content(corpus: Examples, data: LabelledData) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    exact, near, compared = find_duplicates(corpus, data)
    found = exact | near
    counts: dict[str, Any] = {
        "id": corpus.name,
        "split": corpus.split,
        "rows": corpus.n,
        "rows_compared": int(compared),
        "exact_duplicates": int(exact.sum()),
        "near_duplicates": int((near & ~exact).sum()),
    }
    total = int(found.sum())
    if total == 0:
        return counts, []
    rows = [int(row) for row in found.nonzero()[0][:_LISTED_ROWS]]
    counts["first_rows"] = rows
    severity = "refuse" if total > REFUSED_FRACTION * data.n else "warn"
    message = (
        f"{total} of {data.n} training rows stand in the pretraining data {corpus.name} "
        f"({counts['exact_duplicates']} exactly; the first are rows {', '.join(map(str, rows[:5]))})"
    )
    return counts, [{"kind": "content", "severity": severity, "message": message}]


def _assumption(prior: Prior, data: LabelledData, record: dict[str, Any]) -> str:
    compared = record["checked"]["pretraining_data"]
    how = "by the names on its card" + (f" and against the rows of {compared['id']}" if compared else "")
    base = f"The prior {prior.name} was fixed without sight of the training examples of {data.name}."
    if record["verdict"] == "none found":
        return f"{base} This was checked {how}; nothing was found, which proves nothing."
    reasons = "; ".join(item["message"] for item in record["findings"])
    if record["verdict"] == "warning":
        return f"{base} This was checked {how}, and is in doubt: {reasons}."
    return f"{base} THE CHECK FOUND OTHERWISE AND WAS OVERRIDDEN: {reasons}."
