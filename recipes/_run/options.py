"""The command line that all recipes share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from _run.publish import CARDS
from transferbound.errors import ArgumentError

QUICK_ROWS, QUICK_EPOCHS, QUICK_DIM, QUICK_MINUTES = 1500, 4.0, 100, 0.3
"""What ``--quick`` cuts a recipe, and the training of its prior, to."""

COPIES = ("none", "prior", "dataset", "all")


@dataclass(frozen=True)
class Options:
    """The command line of a recipe, read.

    Attributes:
        dataset: Hub id or local folder of the task.
        out: folder of the certificate; priors that the recipe makes lie in ``priors`` beside it.
        cards: folder of cards and the results table.
        quick: a try of minutes, not a result.
        prior: checkpoint to use instead of the recipe's own.
        source: what a transfer prior is trained on, where not from the Hub.
        base: checkpoint that a transfer prior starts from, where not from the Hub.
        budget_minutes: of finetuning, instead of the recipe's epochs.
        restart: throw an unfinished run away.
        copies: which of data and prior are what their Hub ids name, wherever they are read: one of ``COPIES``.
    """

    dataset: str
    out: Path
    cards: Path
    quick: bool = False
    prior: str | None = None
    source: str | None = None
    base: str | None = None
    budget_minutes: float | None = None
    restart: bool = False
    copies: str = "none"

    @property
    def source_rows(self) -> int | None:
        """How many rows of ``source`` a prior is trained on; None is all."""
        return QUICK_ROWS if self.quick else None


MakePrior = Callable[[Path, Options], str]
"""Writes a prior below a folder, unless it is there, and returns its path."""


def read_options(argv: list[str] | None, *, name: str, dataset: str, description: str) -> Options:
    """The options of the recipe ``name``; sets the number of CPU threads.

    Raises:
        ArgumentError: an option is out of range.
        SystemExit: an option is unknown, or help was asked for.
    """
    given = vars(_parser(name, dataset, description).parse_args(argv))
    threads, suffix = given.pop("threads"), "-quick" if given["quick"] else ""
    if threads is not None:
        if threads < 1:
            raise ArgumentError(f"--threads is {threads}; it must be 1 or more")
        torch.set_num_threads(threads)
    given["out"] = given["out"] or Path("runs") / (name + suffix)
    given["cards"] = given["cards"] or (Path("runs") / "quick-cards" if given["quick"] else CARDS)
    return Options(**given)


def add_study_options(parser: argparse.ArgumentParser, name: str, quick: str) -> None:
    """The options that studies share: of runs ``name``, and ``quick``, what a quick one is cut to."""
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs") / name, help=f"folder of the certificates [runs/{name}]")
    add("--cards", type=Path, default=CARDS, help="folder of the results page [model_cards]")
    add("--threads", type=int, help="CPU threads")
    add("--quick", action="store_true", help=f"{quick}: not a result")


def _parser(name: str, dataset: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--dataset", default=dataset, help=f"Hub id, or a local folder in its layout [{dataset}]")
    add("--prior", help="checkpoint to use instead of the recipe's own")
    add("--source", help="data set that a transfer prior is trained on, where not from the Hub")
    add("--base", help="checkpoint that a transfer prior is trained from, where not from the Hub")
    add("--out", type=Path, help=f"certificate folder [runs/{name}]")
    add("--cards", type=Path, help="folder of cards and results table [model_cards]")
    add("--budget-minutes", type=float, help="instead of the recipe's own epochs")
    add("--threads", type=int, help="CPU threads")
    add(
        "--copies",
        nargs="?",
        choices=COPIES,
        const="all",
        default="none",
        help="the folders given are copies of what the recipe names (all, or the prior or the dataset alone): the "
        "certificate bears their Hub ids",
    )
    add("--restart", action="store_true", help="throw away an unfinished run")
    add(
        "--quick",
        action="store_true",
        help=f"{QUICK_ROWS} rows, {QUICK_EPOCHS:.0f} epochs, {QUICK_DIM} coordinates: minutes, not a result",
    )
    return parser
