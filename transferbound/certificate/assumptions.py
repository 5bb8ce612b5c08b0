"""What must be true, beyond what was checked, for a certificate to hold: in plain words."""

from __future__ import annotations

from transferbound.certificate.content import DatasetContent, DecoderContent
from transferbound.independence.record import IndependenceRecord

__all__ = ["assumptions"]

_MOST_PIECES = 2


def assumptions(
    data: DatasetContent, decoder: DecoderContent, independence: IndependenceRecord, confidence: float
) -> list[str]:
    """The assumptions behind a statement, one sentence or two each."""
    doubt = "" if independence["verdict"] == "none found" else "WARNING: "
    found = [_unit(data), doubt + independence["assumption"]]
    if "[" in data["split"]:
        found.append(_slice(data["split"]))
    if data["classes_from"] != "features":
        found.append(
            f"The task has {len(data['class_names'])} classes: the data set does not declare them, the user did."
        )
    found.append(
        "New data is drawn from the same distribution as the training examples. The bound says nothing of "
        "shifted data, of one class or of one example."
    )
    found.append(
        f"The confidence {confidence!r}, the unit, the columns and the classes of the data, and the format "
        "of the message (its code, the kinds of subspace, the preprocessing rule) were fixed before the training "
        "data was seen; so was the choice of the rows: none was left out because of its label or its error."
    )
    if decoder["candidates"] > 1:
        found.append(
            f"The message names one of a list of {decoder['candidates']} variants and pays for the choice. By the word "
            "of the writer, which nothing here can check, every architecture, checkpoint or setting of the decoder "
            "that was tried on this data is on that list, and it was not made longer after results were seen."
        )
    else:
        found.append(
            "By the word of the writer the checkpoint was chosen without sight of the training data: no other "
            "checkpoint was tried on this data and put aside (variants that are to be compared have to be declared, "
            "with --candidate)."
        )
    return found + _overlap(data["overlap"])


def _slice(split: str) -> str:
    """Many pieces can be cut around the rows that are answered wrongly."""
    pieces = split.count("+") + 1
    if pieces > _MOST_PIECES:
        shown = split if len(split) <= 60 else split[:57] + "..."
        return (
            f"WARNING: the split {shown} is put together of {pieces} pieces. Rows that are chosen by what a model "
            "makes of them are no draw, and pieces like these could be."
        )
    return (
        f"The split {split} is a slice, cut beforehand from rows in an order that says nothing of them: a "
        "slice of sorted data is not drawn like the whole."
    )


def _unit(data: DatasetContent) -> str:
    group = data["columns"]["group"]
    if group is None:
        return f"The {data['rows']:,} training rows are independent draws: no two come from one source."
    return (
        f"The {data['units']:,} groups named by column {group!r} are independent draws; rows within one need "
        "not be. The error is the mean over groups of the mean over a group's rows."
    )


def _overlap(overlap: dict[str, int]) -> list[str]:
    found = []
    rows = overlap["rows"]
    if overlap["exact_duplicate_rows"] > rows // 100:
        found.append(
            f"WARNING: {overlap['exact_duplicate_rows']:,} of the {rows:,} rows repeat an earlier one, which makes "
            "independence of rows doubtful."
        )
    near, compared = overlap.get("near_duplicate_rows", 0), overlap.get("near_rows_compared", 0)
    if near > compared // 100 and near > overlap["exact_duplicate_rows"]:
        found.append(
            f"WARNING: {near:,} of {compared:,} rows that were compared are nearly the same as an earlier one, which "
            "makes independence of rows doubtful."
        )
    if overlap.get("contained_rows", 0) > rows // 100:
        found.append(
            f"WARNING: {overlap['contained_rows']:,} of the {rows:,} rows stand word for word inside a longer row: "
            "they look like parts of shared texts, so rows are not independent units. Name the text with a group "
            "column; as it stands the figure is for comparison and not a certificate."
        )
    return found
