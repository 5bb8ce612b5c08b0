"""The options of ``transferbound bound``: what each is, and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transferbound.message.kinds import kinds_with, known_kinds

Out = Annotated[
    Path,
    typer.Option(
        help="Folder for the certificate; must not exist. An unfinished run of the "
        "same command is kept in OUT.partial and goes on from there."
    ),
]

Split = Annotated[
    str, typer.Option(help="Split to finetune on and to bound, or slices of it: train[30000:], train[50%:].")
]

Confidence = Annotated[float, typer.Option(help="1 - delta, fixed before training.")]

BudgetMinutes = Annotated[float, typer.Option(help="Wall time for the whole run, evaluation included.")]

Epochs = Annotated[float | None, typer.Option(help="Passes over the data, instead of a time budget.")]

Kind = Annotated[
    str,
    typer.Option(help=f"Subspace: {', '.join(known_kinds())}, or a sum such as film+kron."),
]

Dim = Annotated[int | None, typer.Option(help="Coordinates d. Default: a tenth of n, from 100 to 2000.")]

Seed = Annotated[int, typer.Option(help="Seed of the projection; the message pays for it.")]

Levels = Annotated[int, typer.Option(help="Grid levels, an odd number.")]

Rank = Annotated[int, typer.Option(help=f"Rank of the factors, kind {kinds_with('rank')} only.")]

Modules = Annotated[
    str, typer.Option(help=f"Comma-separated name patterns, kind {kinds_with('modules')} only.")
]

HeadScale = Annotated[int, typer.Option(help="The head's part of the offset is scaled by 2^(this/2).")]

HeadSeed = Annotated[int, typer.Option(help="0: a new head starts from zero; else the seed of its start.")]

InputSize = Annotated[
    int | None,
    typer.Option(
        help="Image side in pixels or most tokens; 0: the checkpoint's own. Default: the checkpoint's own, "
        "but small images are not enlarged more than needed."
    ),
]

Candidate = Annotated[str, typer.Option(help="I/N: this run is variant I (from 0) of N declared in advance.")]

Polish = Annotated[
    int,
    typer.Option(
        help="After training, try this many sets of changed coordinates, each on the whole training set, and keep "
        "those that lower the bound."
    ),
]

FixUntil = Annotated[
    float | None,
    typer.Option(
        help="Fix the coordinates on the grid one after another until this fraction of the steps (0.95), the others "
        "making up for it: best with --levels 5 and several epochs. Default: round all at once."
    ),
]

BatchSize = Annotated[int, typer.Option(help="Examples in a step.")]

LearningRate = Annotated[float, typer.Option(help="Of the coordinates, relative to the tensors' sizes.")]

BitWeight = Annotated[
    float, typer.Option(help="Weight of the bits in the loss; 1 trades them as the bound does.")
]

Rate = Annotated[float | None, typer.Option(hidden=True)]
"""The former name of ``BitWeight``."""

TrainingSeed = Annotated[int, typer.Option(help="Order of the data; costs nothing.")]

MixedPrecision = Annotated[str, typer.Option(help="no, bf16 or fp16, for training only.")]

Revision = Annotated[str | None, typer.Option(help="Commit, tag or branch of the checkpoint.")]

DatasetConfig = Annotated[str | None, typer.Option(help="Configuration of the data set.")]

DatasetRevision = Annotated[str | None, typer.Option(help="Commit, tag or branch of the data set.")]

ImageColumn = Annotated[str | None, typer.Option(help="Image column, where it cannot be guessed.")]

TextColumn = Annotated[list[str] | None, typer.Option(help="Text column; give it twice for sentence pairs.")]

LabelColumn = Annotated[str | None, typer.Option(help="Label column, where it cannot be guessed.")]

GroupColumn = Annotated[
    str | None,
    typer.Option(
        help="Column that names the independent unit (patient, document, track): n counts its values."
    ),
]

NumClasses = Annotated[int | None, typer.Option(help="Where the data set does not declare its classes.")]

TestSplit = Annotated[
    str | None,
    typer.Option(
        help="Split for reporting only. Default: test, then validation, where there is one; 'none' for none."
    ),
]

PriorSplit = Annotated[
    str | None,
    typer.Option(
        help="Split or slices of the same data set that the checkpoint was trained on (a data-dependent prior, and "
        "labelled so): train[:50%] where --split is train[50%:]."
    ),
]

PretrainingData = Annotated[
    str | None,
    typer.Option(help="Data that the checkpoint was trained on: training rows are searched for in it."),
]

AllowDependence = Annotated[
    bool, typer.Option(help="Go on, and record it, where the checkpoint may have seen the training data.")
]

CacheFeatures = Annotated[
    bool,
    typer.Option(
        help="Where only the head is trained, keep what enters it on disk (in $TRANSFERBOUND_CACHE)."
    ),
]

Search = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=V1,V2,...",
        help="Try these values in short pilot runs and train the best in full; give it several times for a grid of "
        "at most 64 points. It overrides the plain option of that name. Keys that the message pays for: dim, levels, "
        "kind, head-scale, input-size, seed, head-seed, rank; free ones: learning-rate, batch-size, bit-weight, "
        "training-seed, threshold, initial-density, step-rate, quantize-from, fix-until, settle-from.",
    ),
]

SearchShare = Annotated[
    float,
    typer.Option(help="Part of the epochs, or of the minutes, that goes to the pilots, in equal parts."),
]

Restart = Annotated[bool, typer.Option(help="Throw an unfinished run of this output folder away.")]
