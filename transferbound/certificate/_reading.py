"""What the writer chose of how the rows are read, in plain words: each choice could be made with results in view."""

from __future__ import annotations

from transferbound.certificate.content import DatasetContent
from transferbound.in_memory import is_in_memory

__all__ = ["given_in_memory", "said_of_reading"]

_BY_WORD = "by the word of the writer, which nothing here can check, "
_MOST_SHOWN = 300  # characters


def said_of_reading(data: DatasetContent) -> list[str]:
    """A sentence or two for each choice that is stated beside the data set itself."""
    return [*_given(data), *_files(data), *_mapped(data), *_order(data), *_drawn(data), *_bits(data)]


def _given(data: DatasetContent) -> list[str]:
    return given_in_memory(data["id"])


def given_in_memory(name: str) -> list[str]:
    """Who may have put rows together that no name leads to, and how the certificate is checked."""
    if not is_in_memory(name):
        return []
    return [
        f"The rows were given in memory, and no name leads to them: whoever has them checks them against the "
        f"fingerprint; {_BY_WORD}they are all that was drawn, and none was left out because of its label, its text or "
        "picture, or what a model makes of it."
    ]


def _files(data: DatasetContent) -> list[str]:
    if "data_files" not in data:
        return []
    files = data.get("files_left_out")
    count = (
        ""
        if files is None
        else f", and {files['left_out']:,} of the {files['files']:,} files of data are in none"
    )
    return [
        f"The splits are of the files that the writer named ({_shown(', '.join(data['data_files']))}){count}: "
        f"{_BY_WORD}they were named before any result on this data was seen, and none was left out because of its "
        "labels or its error."
    ]


def _mapped(data: DatasetContent) -> list[str]:
    if "label_map" not in data:
        return []
    merged = len(data["label_map"]) - len(set(data["label_map"].values()))
    pairs = ", ".join(f"{old}={new}" for old, new in data["label_map"].items())
    what = f"Labels stand for other classes than in the data ({_shown(pairs)})"
    if merged:
        what += f", and {len(data['label_map'])} labels for {len(data['class_names'])} classes"
    return [
        f"{what}: the bound is on the error in these classes; {_BY_WORD}they were fixed before any result on this data "
        "was seen, and none was made of others by what a model makes of them."
    ]


def _order(data: DatasetContent) -> list[str]:
    if "shuffle_seed" not in data or "draw" in data:
        return []
    return [
        f"The rows of each split were put in the order that seed {data['shuffle_seed']} gives, without sight of what "
        f"they hold, before slices were cut or rows set aside; {_BY_WORD}no other seed was tried on this data."
    ]


def _drawn(data: DatasetContent) -> list[str]:
    if "draw" not in data:
        return []
    draw = data["draw"]
    what = "groups" if data["columns"]["group"] is not None else "rows"
    return [
        f"Of {draw['of']:,} {what} {min(draw['units'], draw['of']):,} were drawn with seed {draw['seed']}, without "
        f"sight of what they hold, and no others are training rows; {_BY_WORD}the number was fixed before any result "
        "on this data was seen, and no other seed was tried."
    ]


def _bits(data: DatasetContent) -> list[str]:
    if "image_bits" not in data:
        return []
    return [
        f"Of grey values with more than 8 bits the first 8 of {data['image_bits']} are read, which new data is held to "
        f"as well; {_BY_WORD}that number was fixed before any result on this data was seen."
    ]


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."
