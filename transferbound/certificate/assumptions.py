"""What must be true, beyond what was checked, for a certificate to hold: in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferbound.certificate._reading import said_of_reading
from transferbound.certificate.content import CutContent, DatasetContent, DecoderContent, RiskContent
from transferbound.certificate.language_content import DocumentsContent
from transferbound.data.set_aside import customary_units
from transferbound.independence.record import IndependenceRecord
from transferbound.message import OPEN_LIST
from transferbound.risks.risk import Risk

__all__ = [
    "assumptions",
    "left_out_files",
    "no_better_than_constant",
    "overlaps",
    "slices",
    "variants",
]

_MOST_SHOWN = 60  # characters of a split
_OPEN = (
    "The message names a place on a list of variants that may grow, and pays for the length of the place's number, "
    "however long the list is."
)
_BY_RULE = "How many was fixed before the training data was seen."
_BY_WORD = (
    "That number is not the package's own; by the word of the writer, which nothing here can check, it was fixed "
    "before the training data was seen, and no other was tried."
)
_DISGUISES = {
    "image": "as it is or enlarged, reduced, compressed, turned by quarters, mirrored, inverted or of another "
    "contrast; what was cut, shifted or altered otherwise is not looked for",
    "text": "as it is or in other case, punctuation, accents or letters that look the same, nor, of 8 words or more, "
    "with words put in, left out or moved; what was put in other words is not looked for",
}
_LAST_DIGITS = 1e-12  # 1 - 0.95 is not 0.05


def assumptions(
    data: DatasetContent, decoder: DecoderContent, independence: IndependenceRecord, confidence: float
) -> list[str]:
    """The assumptions behind a statement, one sentence or two each."""
    doubt = "" if independence["verdict"] == "none found" else "WARNING: "
    found = [_unit(data), doubt + independence["assumption"]]
    found += left_out_files(data)
    if "cut" in data:
        found.append(slices(data["split"], data["cut"]))
    found += _classes(data)
    found += said_of_reading(data)
    found.append(
        "New data is drawn from the same distribution as the training examples. The bound says nothing of "
        "shifted data, of one class or of one example."
    )
    found.append(
        f"The confidence {confidence!r}, the unit, the columns and the classes of the data, and the format "
        "of the message (its code, the kinds of subspace, the preprocessing rule) were fixed before the training "
        "data was seen; so was the choice of the rows: none was left out because of its label or its error."
    )
    if decoder["head_start"] == "zero, other classes":
        found.append(
            "WARNING: the checkpoint's own head was not kept. It has as many classes as the data and other names for "
            "them, so a new head starts from zero; to have it kept, name the classes alike on both sides."
        )
    return [
        *found,
        *_names(decoder, data),
        *_set_aside(data, decoder),
        *_reference(decoder, data["modality"]),
        variants(decoder["candidates"], decoder.get("list_written")),
        *overlaps(data["overlap"]),
    ]


def no_better_than_constant(risk: Risk, stated: RiskContent, comparison: Mapping[str, Any]) -> list[str]:
    """A warning where the predictor does on the training rows what one answer to everything does."""
    answer, constant = risk.constant({"comparison": comparison})
    if stated["train_error"] < constant - _LAST_DIGITS:
        return []
    above = " lies above that" if stated["risk_bound"] > constant else ""
    return [
        f"WARNING: the {risk.words.predictor} is no better than always answering {answer!r}: its training "
        f"{risk.words.quantity} is {risk.value(stated['train_error'])}, that of the constant answer "
        f"{risk.value(constant)}, and the bound, {risk.value_up(stated['risk_bound'])},{above or ' says no more'}."
    ]


def _set_aside(data: DatasetContent, decoder: DecoderContent) -> list[str]:
    """What the rows are that are not counted, what they were for, and who chose how many."""
    if "set_aside" not in data:
        own = "split" in decoder.get("reference", {})
        if "reference" not in decoder or own or not customary_units(data["units"]):
            return []
        return [
            f"No row was set aside for the components, where the package would set a tenth aside. {_BY_WORD}"
        ]
    rows, units = data["set_aside"]["rows"], data["set_aside"]["units"]
    use = (
        "the components are those of their inputs"
        if "reference" in decoder
        else "the message makes no use of them"
    )
    of_groups = f" of {units:,} groups" if data["columns"]["group"] is not None else ""
    return [
        f"{rows:,} more rows{of_groups} of the split were set aside, by their places in it and without sight of what "
        f"they hold, and are not counted: {use}; no label of theirs was read. "
        + (_BY_RULE if units == customary_units(data["units"] + units) else _BY_WORD)
    ]


def _names(decoder: DecoderContent, data: DatasetContent) -> list[str]:
    """A name that was chosen in the light of results would be a message that nobody paid for."""
    if decoder["head_start"] not in ("class names", "checkpoint by name"):
        return []
    if data["classes_from"] in ("names", "map"):
        return [
            "The head starts from the names of the classes, which the writer gave. By the writer's word, which nothing "
            "here can check, they were given before any result on this data was seen, and no others were tried."
        ]
    if decoder["head_start"] != "class names":
        return []
    return [
        "The head starts from the names of the classes. By the word of the writer, which nothing here can check, they "
        "are those that the makers of the data set gave them, and none was chosen by what the model makes of it."
    ]


def _reference(decoder: DecoderContent, modality: str) -> list[str]:
    """What was found of the training rows among the user's own reference inputs."""
    if "reference" not in decoder or "overlap" not in decoder["reference"]:
        return []
    stated = decoder["reference"]
    overlap = stated["overlap"]
    said = (
        f"The components are those of {stated['rows']:,} inputs of {stated['id']!r}, which by the word of the "
        "writer were chosen without sight of the training data"
    )
    if overlap["verdict"] == "none found":
        return [f"{said}; no training row was found among them, {_DISGUISES[modality]}."]
    return ["WARNING: " + said + "; " + "; ".join(one["message"] for one in overlap["findings"]) + "."]


def variants(candidates: int, list_written: str | None) -> str:
    """Who chose the checkpoint, and what else the decoder needs, from what and when: the writer's word for it."""
    if list_written == "after":
        return _chosen_after(candidates)
    if candidates == OPEN_LIST:
        return (
            f"{_OPEN} By the word of the writer, which nothing here can check, results on this data decided how far "
            "down the list variants were tried, and nothing else: not what stands at a place of it."
        )
    if candidates > 1:
        return (
            f"The message names one of a list of {candidates} variants and pays for the choice. By the word "
            "of the writer, which nothing here can check, every architecture, checkpoint or setting of the decoder "
            "that was tried on this data is on that list, and it was not made longer after results were seen."
        )
    return (
        "By the word of the writer the checkpoint was chosen without sight of the training data: no other "
        "checkpoint was tried on this data and put aside (variants that are to be compared have to be declared, "
        "with --candidate)."
    )


def _chosen_after(candidates: int) -> str:
    if candidates == 1:
        return (
            "WARNING: by the word of the writer the checkpoint, or something else that decoding needs and the message "
            "does not name, was chosen after results of others on this data were seen. Nothing was paid for that "
            "choice, and the bound is not proved for it."
        )
    named = _OPEN if candidates == OPEN_LIST else f"The message names one of a list of {candidates} variants."
    return (
        f"WARNING: {named} By the word of the writer entries were put on that list after results of others on this "
        "data were seen. The bound is proved for lists that do not depend on the data, and so rests on what nothing "
        "here can check: that these entries would stand there, at these places, whatever the results had been."
    )


def left_out_files(data: DatasetContent | DocumentsContent) -> list[str]:
    """A warning where files of a local folder are in none of its splits, and nobody named those that are read."""
    files = data.get("files_left_out")
    if files is None or "data_files" in data:
        return []
    return [
        f"WARNING: {files['left_out']:,} of the {files['files']:,} files of data in the folder are in none of its "
        f"splits, and the split {data['split']} has {data['rows']:,} rows: datasets takes words such as train or test "
        "in the names of files and folders for splits, and reads one format alone. Rows that are picked by the "
        "names of their files are no draw from all of them."
    ]


def _classes(data: DatasetContent) -> list[str]:
    count = f"The task has {len(data['class_names'])} classes"
    if data["classes_from"] == "folders":
        return [
            f"{count}, which nobody declares: they are the names of the folders that the data's files lie in. New data "
            "of a class without a folder would count as errors, and the bound assumes that there is none."
        ]
    if data["classes_from"] in ("user", "words", "names"):
        return [f"{count}: the data set does not declare them, the user did."]
    return []


def slices(split: str, cut: CutContent) -> str:
    """Pieces with free ends can be cut around the rows that are answered wrongly."""
    if cut["kind"] == "free":
        shown = split if len(split) <= _MOST_SHOWN else split[: _MOST_SHOWN - 3] + "..."
        pieces = "one piece" if cut["pieces"] == 1 else f"put together of {cut['pieces']:,} pieces"
        return (
            f"WARNING: the split {shown} is {pieces}, and {cut['rows_left_out']:,} rows are left out. Rows that are "
            "chosen by their labels or by what a model makes of them are no draw, and pieces like these could be."
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


def overlaps(overlap: dict[str, int]) -> list[str]:
    """Warnings of rows that repeat one another, and of groups whose names are read alike."""
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
    if overlap.get("look_alike_groups"):
        found.append(
            f"WARNING: {overlap['look_alike_groups']:,} groups have names that differ from those of others in case, "
            "blanks, accents or letters that look the same alone. If they are parts of one unit, n is too large "
            "and the bound does not hold."
        )
    if overlap.get("contained_rows", 0) > rows // 100:
        found.append(
            f"WARNING: {overlap['contained_rows']:,} of the {rows:,} rows stand word for word inside a longer row: "
            "they look like parts of shared texts, so rows are not independent units. Name the text with a group "
            "column; as it stands the figure is for comparison and not a certificate."
        )
    return found
