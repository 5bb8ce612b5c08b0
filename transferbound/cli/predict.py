"""``transferbound predict``: a line for each row, by the certified predictor."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.schema import input_columns
from transferbound.cli.rows import Asked, asked_rows
from transferbound.errors import ArgumentError
from transferbound.wording import one_line, printable, shortened

if TYPE_CHECKING:
    from transferbound.prediction.predictor import Prediction

__all__ = ["run_predict"]

_PIECE = 500  # rows until lines are printed
_MOST_TEXT, _MOST_LABEL = 80, 40  # characters
_NO_ANSWER = "(no answer)"
_PIPE_CLOSED = 141  # as a shell has it for a program that wrote to a pipe that nobody reads


def run_predict(
    folder: Path,
    inputs: Sequence[str],
    file: Path | None,
    *,
    prior: str | None,
    reference: str | None,
    dataset: str | None,
    device: str | None,
    batch_size: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Prints what the certified predictor answers; see the command's help.

    Raises:
        TransferboundError: nothing is asked, or what is asked or named cannot be read. By then up to ``_PIECE`` rows
            before it are not printed.
    """
    if batch_size < 1:
        raise ArgumentError(f"batch_size is {batch_size}; it must be at least 1")
    content = Certificate.from_pretrained(folder).content
    modality = content["dataset"]["modality"]
    rows, notes = asked_rows(inputs, file, modality, input_columns(content))
    if not quiet:
        for note in notes:
            print(f"transferbound: {one_line(note)}", file=sys.stderr)
    from tqdm import tqdm

    from transferbound.prediction.predictor import Predictor

    predictor = Predictor.from_pretrained(
        folder, prior=prior, reference=reference, dataset=dataset, device=device
    )
    wide = min(_MOST_LABEL, max(len(printable(name)) for name in predictor.class_names))
    line = _as_json if as_json else partial(_as_text, wide=wide, whole=modality == "image")
    with _pipe_may_close(), tqdm(desc="predicting", unit="row", disable=quiet, leave=False) as bar:
        while some := list(islice(rows, _PIECE)):
            found = predictor.predict([row.given for row in some], batch_size=batch_size)
            bar.clear()
            for row, prediction in zip(some, found, strict=True):
                print(line(row, prediction))
            sys.stdout.flush()
            bar.update(len(some))


def _as_text(row: Asked, prediction: Prediction, *, wide: int, whole: bool) -> str:
    """Label, score and input; texts are cut where they are long, paths are ``whole``."""
    label = _NO_ANSWER if prediction.label is None else shortened(printable(prediction.label), _MOST_LABEL)
    shown = " | ".join(row.shown) if isinstance(row.shown, list) else row.shown
    shown = printable(shown) if whole else shortened(one_line(shown), _MOST_TEXT)
    return f"{label:<{wide}}  {prediction.score:.4f}  {shown}"


def _as_json(row: Asked, prediction: Prediction) -> str:
    answer: dict[str, Any] = {
        "input": row.shown,
        "label": prediction.label,
        "label_id": prediction.label_id,
        "score": _number(prediction.score),
        "scores": {name: _number(score) for name, score in prediction.scores.items()},
    }
    return json.dumps(answer)  # what is not ASCII is escaped


def _number(value: float) -> float | None:
    """JSON knows no other numbers than finite ones."""
    return value if math.isfinite(value) else None


@contextmanager
def _pipe_may_close() -> Iterator[None]:
    """Whoever reads the lines may have enough of them (``| head``): that is no error to tell of."""
    try:
        yield
    except BrokenPipeError:
        # What is still to be written when the process ends goes nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        raise typer.Exit(_PIPE_CLOSED) from None
