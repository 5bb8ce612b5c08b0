"""Prior independence: has the checkpoint seen the training data?

The bound holds for a prior fixed before the training data was drawn. Whether that is so cannot be proved
from the outside; what can be checked is checked here, refused or warned of, and recorded.

Names: the checkpoint's id and what its card declares (``datasets``, ``base_model``, ``model-index``)
against the names of the data set. A name that does not tell which data it is (a folder called ``data``) is a warning.

Content, where the pretraining data is named: exact and near duplicates. A row of text counts as a near
duplicate where at least 60 % of its word 5-grams stand in the pretraining text: n-gram overlap, as in the
contamination analyses of Brown et al. 2020 (arXiv 2005.14165) and Chowdhery et al. 2022 (arXiv 2204.02311),
which finds a sentence inside a document, where a Jaccard similarity does not; or where one text of its length holds
its words. An image counts where it is another one in another size, encoding, contrast or orientation, or inverted
(:mod:`.wordings` and :mod:`.pictures` have the rules).

A data-dependent prior was trained on another part of the same data set, and says so: ``prior_split``. Its card may
then name the data set; the rows of the two parts are compared instead.
"""

from __future__ import annotations

from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.data.sample import Sample
from transferbound.errors import DataError, PriorIndependenceError
from transferbound.in_memory import called, is_in_memory
from transferbound.independence.duplicates import Rows, few_compared, find_duplicates
from transferbound.independence.letters import as_read, looks_like_another
from transferbound.independence.names import Match, compare_names, last_part, names_of_data
from transferbound.independence.prior_split import compare_parts
from transferbound.independence.record import (
    Checked,
    CorpusRecord,
    Finding,
    IndependenceRecord,
    PriorSplitRecord,
)
from transferbound.priors import Prior

__all__ = ["REFUSED_FRACTION", "check_independence", "compare_content", "verdict_of"]

#: More rows than this share found in the pretraining data: refused. Fewer: a warning with the rows.
REFUSED_FRACTION = 0.001
#: The same where texts of fewer than 8 words, some of which recur by chance, count too.
REFUSED_SHORT_FRACTION = 0.01
_LISTED_ROWS = 20


def check_independence(
    prior: Prior,
    data: Sample,
    pretraining_data: str | Examples | None = None,
    override: bool = False,
    *,
    pretraining_split: str = "train",
    prior_split: LabelledData | None = None,
) -> IndependenceRecord:
    """Compare the prior with the training data; return what was checked and found, as plain JSON.

    Args:
        pretraining_data: Hub id, folder or examples that the checkpoint was trained on, if at hand.
        override: record findings that would refuse the prior, and go on.
        prior_split: the part of the same data set that the checkpoint was trained on (a data-dependent prior).

    Raises:
        PriorIndependenceError: the checkpoint has, or very probably has, seen the training data; or a row or a
            group is in ``prior_split`` and in ``data``, which no override allows.
        ArgumentError: ``prior_split`` is of another data set.
        DataError: the pretraining data cannot be read or is of another kind.
    """
    declared = _declared_names(prior)
    aliases = names_of_data(data.name, data.config)
    findings = _findings_of_names(prior, data, declared, aliases, dependent=prior_split is not None)
    part = counts = None
    if prior_split is not None:
        assert isinstance(data, LabelledData)
        part, found = compare_parts(prior_split, data, REFUSED_FRACTION)
        findings += found
    if pretraining_data is not None:
        counts, found = compare_content(_open(pretraining_data, pretraining_split), data)
        findings += found
    verdict = verdict_of(findings)
    if verdict == "overridden" and not override:
        raise PriorIndependenceError(
            f"the prior {prior.name} is not independent of the data set {data.name}: "
            f"{'; '.join(_messages(findings, 'refuse'))}. A bound on it would not hold. Choose another checkpoint, "
            "declare the part of the data that it was trained on and bound the rest (prior_split), or override if "
            "this is mistaken"
        )
    checked: Checked = {
        "data_names": sorted(aliases),
        "prior_names": {where: values for where, values in declared.items() if values},
        "pretraining_data": counts,
    }
    base = _independent(prior, data) if part is None else _dependent(prior, data, part)
    return {
        "data_dependent": prior_split is not None,
        "prior_split": part,
        "checked": checked,
        "findings": findings,
        "verdict": verdict,
        "override": bool(override),
        "assumption": f"{base} {_outcome(verdict, findings, counts, part is not None)}",
    }


def _findings_of_names(
    prior: Prior, data: Sample, declared: dict[str, list[str]], aliases: set[str], *, dependent: bool
) -> list[Finding]:
    """What names alone tell: that one is the other's, that there is none to compare, or that one only looks like it."""
    findings = [_name_finding(match, data.name, dependent) for match in compare_names(declared, aliases)]
    if not aliases and not dependent:
        findings.append(_nameless(data.name))
    if is_in_memory(prior.name):
        findings.append(_of_no_name(prior.name))
    for what, name in (("checkpoint", called(prior.name)), ("data set", called(data.name))):
        if looks_like_another(last_part(name)):
            findings.append(_disguised(what, last_part(name)))
    return findings


def _declared_names(prior: Prior) -> dict[str, list[str]]:
    """Where a data set may be named, and what stands there."""
    card = prior.provenance
    tags = [*card.get("tags", []), *card.get("dataset_tags", [])]
    return {
        "id": _one(called(prior.name)),
        "base_model": list(card.get("base_model", [])),
        "name_or_path": _one(card.get("name_or_path")),
        "finetuning_task": _one(card.get("finetuning_task")),
        "tag": _one(card.get("tag")),
        "datasets": list(card.get("datasets", [])),
        "model-index": list(card.get("model_index_datasets", [])),
        "tags": [tag.removeprefix("dataset:") for tag in tags if tag.startswith("dataset:")],
        "title": _one(card.get("title")),
    }


def _one(said: str | None) -> list[str]:
    return [said] if said else []


def _name_finding(match: Match, data_name: str, is_declared: bool) -> Finding:
    """A name of the very data set is what a declared ``prior_split`` says; a collection or relative is not."""
    return {
        "kind": "name",
        "severity": "declared" if is_declared and match.is_data_set else match.severity,
        "message": f"its {match.where} names {match.value!r}, {match.relation} {data_name!r}",
    }


def _nameless(name: str) -> Finding:
    """A search that could compare no name is a doubt, and no "nothing found"."""
    remedy = "the folder's own name can tell, or pretty_name in a README.md there"
    if is_in_memory(name):
        remedy = "info.dataset_name of the object can tell"
    return {
        "kind": "name",
        "severity": "warn",
        "message": f"the name {name!r} does not tell which data this is, so no name on the card was compared with it "
        f"({remedy})",
    }


def _of_no_name(name: str) -> Finding:
    """No name and no card tells what an object's tensors have seen since they were loaded."""
    return {
        "kind": "name",
        "severity": "warn",
        "message": f"the checkpoint {name!r} was given in memory, and nothing tells what it was trained on before that",
    }


def _disguised(what: str, name: str) -> Finding:
    return {
        "kind": "name",
        "severity": "warn",
        "message": f"the name of the {what}, {name!a}, reads {as_read(name, capitals=True)!r} and is another: some "
        "of its letters look like others",
    }


def _open(pretraining_data: str | Examples, split: str) -> Examples:
    if isinstance(pretraining_data, Examples):
        return pretraining_data
    return Examples.open(pretraining_data, split=split)


def compare_content(
    corpus: Rows, data: Sample, called: str = "pretraining data"
) -> tuple[CorpusRecord, list[Finding]]:
    """How many rows of ``data`` stand in ``corpus``, which messages call the ``called``; and what that means.

    Raises:
        DataError: a row cannot be read, or the two are of different kinds.
    """
    if corpus.modality != data.modality:
        raise DataError(
            f"the {called} {corpus.name} holds {corpus.modality}s and the data set {data.name} "
            f"{data.modality}s; they cannot be compared"
        )
    duplicates = find_duplicates(corpus, data)
    exact, near = duplicates.exact, duplicates.near
    counts: CorpusRecord = {
        "id": corpus.name,
        "split": corpus.split,
        "rows": corpus.n,
        "rows_compared": data.n,
        "near_rows_compared": int((~duplicates.short).sum()),
        "exact_duplicates": int(exact.sum()),
        "near_duplicates": int((near & ~exact).sum()),
    }
    few = few_compared(duplicates, corpus.name)
    total = int(duplicates.found.sum())
    if total == 0:
        return counts, few
    rows = [int(row) for row in duplicates.found.nonzero()[0][:_LISTED_ROWS]]
    counts["first_rows"] = rows
    severity = "refuse" if duplicates.are_many(REFUSED_FRACTION, REFUSED_SHORT_FRACTION) else "warn"
    message = (
        f"{total} of {data.n} training rows stand in the {called} {corpus.name} "
        f"({counts['exact_duplicates']} exactly; the first are rows {', '.join(map(str, rows[:5]))})"
    )
    return counts, [{"kind": "content", "severity": severity, "message": message}, *few]


def verdict_of(findings: list[Finding]) -> str:
    """``overridden`` where something refuses the prior: only an override lets that pass."""
    if _messages(findings, "refuse"):
        return "overridden"
    return "warning" if _messages(findings, "warn") else "none found"


def _messages(findings: list[Finding], *severities: str) -> list[str]:
    return [item["message"] for item in findings if item["severity"] in severities]


def _outcome(verdict: str, findings: list[Finding], corpus: CorpusRecord | None, is_dependent: bool) -> str:
    """What the check came to, as a sentence of the assumption."""
    how = "by the places of the rows and for duplicates" if is_dependent else "by the names on its card"
    if corpus:
        how += (
            f" and against the {corpus['rows']:,} rows of {corpus['id']} ({corpus['rows_compared']:,} rows for exact, "
            f"{corpus['near_rows_compared']:,} for near duplicates)"
        )
    if verdict == "none found":
        return f"This was checked {how}; nothing was found, which proves nothing."
    reasons = "; ".join(_messages(findings, "refuse", "warn"))
    if verdict == "warning":
        return f"This was checked {how}, and is in doubt: {reasons}."
    return f"THE CHECK FOUND OTHERWISE AND WAS OVERRIDDEN: {reasons}."


def _independent(prior: Prior, data: Sample) -> str:
    return f"Data-independent prior: {prior.name} was fixed without sight of {data.name}."


def _dependent(prior: Prior, data: Sample, part: PriorSplitRecord) -> str:
    n = f"{data.n:,} other rows" if data.groups is None else f"{data.n_units:,} groups of the other rows"
    return (
        f"Data-dependent prior: {prior.name} was trained on the split {part['split']} ({part['rows']:,} rows) of "
        f"{data.name}; the bound counts only the {n}, the split {data.split}, of which nothing was seen in its "
        "training, in the choice of its settings or of the cut."
    )
