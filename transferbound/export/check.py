"""Are the answers of what was written the certified ones? The folder is loaded by its own library and asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from transferbound.data.encode import encode_in_memory
from transferbound.data.examples import together
from transferbound.data.inputs import Inputs
from transferbound.data.labelled import LabelledData
from transferbound.errors import DataError, ExportError
from transferbound.export.rows import reference_rows
from transferbound.export.subject import Subject
from transferbound.export.target import Answering, Target
from transferbound.risks.answers import NO_ANSWER, answers_of
from transferbound.risks.trial import CLOSE_CALL
from transferbound.verification.recorded import load_counted, other_than

__all__ = ["ALL_ROWS", "Checked", "check_export"]

ALL_ROWS = 0
"""In place of a number of rows: all training rows."""

_PIECE = 200
_CLOSE = CLOSE_CALL  # of a row's largest logit: where float32 may fall either way


@dataclass(frozen=True)
class Checked:
    """What came of asking.

    Attributes:
        rows: how many.
        of: what rows.
        other_answers: rows that were answered otherwise than by the certified predictor: its best two logits lie so
            near one another there that the last bits decide.
        no_answer: rows for which the certified predictor has no answer and counts an error; the export gives one.
        errors: wrong answers of the export on all training rows; None where others were asked.
        furthest: the largest difference of a logit, as a part of its row's largest logit.
    """

    rows: int
    of: str
    other_answers: int
    no_answer: int
    errors: int | None
    furthest: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def check_export(target: Target, folder: Path, subject: Subject, rows: int, dataset: Any) -> Checked:
    """Asks the export and the certified predictor the same.

    Args:
        target, folder: what was written where.
        subject: the certified predictor.
        rows: how many of the inputs that come with the package; ``ALL_ROWS``: the certificate's training rows, whose
            errors are counted.
        dataset: where the data set is now; None: under its recorded name.

    Raises:
        ExportError: an answer differs and it is no close call, or more errors are counted than certified.
        DataError: the training rows cannot be had.
    """
    answering = target.load(folder, subject)
    if rows != ALL_ROWS:
        some = reference_rows(subject.modality, len(subject.columns), rows)
        return _compared(subject, answering, some, None, "inputs that come with transferbound")
    data = _training_rows(subject, dataset)
    checked = _compared(subject, answering, _rows_of(data), data.labels, f"training rows, {data.split}")
    _check_errors(subject, checked)
    return checked


def _compared(
    subject: Subject, answering: Answering, rows: Iterable[Any], labels: np.ndarray | None, of: str
) -> Checked:
    """Piece after piece."""
    count, others, silent, errors, furthest = 0, 0, 0, 0, 0.0
    names = subject.class_names
    for some in _pieces(rows):
        own = encode_in_memory(subject.decoded.preprocessing, Inputs(subject.modality, subject.columns, some))
        certified = answers_of(subject.decoded.module, own, len(names))
        # A library knows texts and pairs: more columns are put together for it, as for the certified predictor.
        given = answering([together(row) for row in some] if len(subject.columns) > 2 else some)
        if given.shape != certified.logits.shape:
            raise ExportError(f"the export gives logits of shape {given.shape}, not {certified.logits.shape}")
        size = np.abs(certified.logits).max(1)
        off = np.abs(given - certified.logits).max(1) / np.maximum(size, np.finfo(np.float64).tiny)
        furthest = max(furthest, float(off.max(initial=0.0)))
        two = np.partition(certified.logits, -2, axis=1)[:, -2:]
        close = two[:, 1] - two[:, 0] <= _CLOSE * size
        answers = given.argmax(1)
        answered = certified.classes != NO_ANSWER
        other = answered & (answers != certified.classes)
        if (wrong := np.flatnonzero(other & ~close)).size:
            row = int(wrong[0])
            raise ExportError(
                f"the export answers {names[answers[row]]!r} for row {count + row} of the {of}, where the certified "
                f"predictor answers {names[certified.classes[row]]!r}: nothing was written; choose another --to"
            )
        others, silent = others + int(other.sum()), silent + int((~answered).sum())
        if labels is not None:
            errors += int((answers != labels[count : count + len(some)]).sum())
        count += len(some)
    return Checked(count, of, others, silent, errors if labels is not None else None, furthest)


def _check_errors(subject: Subject, checked: Checked) -> None:
    """All answers are the certified ones but for close calls, so the count is, but for as many."""
    stated = subject.certificate.content["errors"]
    slack = checked.other_answers + checked.no_answer
    assert checked.errors is not None
    if abs(checked.errors - stated) > slack:
        raise ExportError(
            f"the export answers {checked.errors:,} training rows wrongly, the certificate states {stated:,}: nothing "
            "was written; is the certificate true? `transferbound verify` says"
        )


def _training_rows(subject: Subject, dataset: Any) -> LabelledData:
    content = subject.certificate.content
    try:
        data = load_counted(content, other_than(dataset, content["dataset"]["id"]))
    except DataError as error:
        raise DataError(
            f"{error}; --check all counts on the training rows: name where the data set is now with --dataset"
        ) from error
    if data.fingerprint != content["dataset"]["sha256"]:
        raise DataError(
            f"the rows of {data.name} are not the certificate's (dataset.sha256): name those with --dataset"
        )
    return data


def _rows_of(data: LabelledData) -> Iterable[Any]:
    if data.modality == "image":
        return data.images()
    return (row if len(row) > 1 else row[0] for row in data.text_rows())


def _pieces(rows: Iterable[Any]) -> Iterator[Sequence[Any]]:
    left = iter(rows)
    while some := list(islice(left, _PIECE)):
        yield some
