"""What every recipe shares: one command that certifies, verifies in a fresh process, and reports.

    python recipes/NAME.py [--dataset ID_OR_DIR] [--prior ID_OR_DIR] [--out DIR] [--quick]

A recipe that was stopped goes on where it was when the same command is given again. The test split is counted for
the report and decides nothing. A new recipe is one new file ``recipes/NAME.py`` that calls :func:`main` with its
:class:`Recipe`; tests, results table and pages find it by its name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from _run.clock import Clock
from _run.options import QUICK_DIM, QUICK_EPOCHS, QUICK_MINUTES, QUICK_ROWS, MakePrior, Options, read_options
from _run.publish import figures, publish
from transferbound import CertifySettings, LabelledData, Prior, certify
from transferbound.data.examples import Examples
from transferbound.errors import DataError, TransferboundError
from transferbound.verification.recorded import PRIOR_BESIDE


@dataclass(frozen=True)
class Recipe:
    """One benchmark.

    Attributes:
        name: of the recipe's file, its output folder and its card.
        task: its row in the results table.
        dataset: Hub id.
        prior: Hub id, or what writes the prior.
        settings: of the full run.
        published: error bound of the 2022 paper in percent, or None.
        test_split: for the report.
        note: what a reader of the row must know.
        config: of the data set on the Hub; a local folder holds one alone.
        pretraining: from the prior's path to the rows it was trained on, to be searched for rows of the data set.
    """

    name: str
    task: str
    dataset: str
    prior: str | MakePrior
    settings: CertifySettings
    published: float | None = None
    test_split: str | None = "test"
    note: str = ""
    config: str | None = None
    pretraining: Callable[[str], Examples] | None = None

    def write_prior(self, folder: Path, options: Options) -> str:
        """Name or path of the recipe's own prior, written below ``folder`` where it is not from the Hub."""
        return self.prior if isinstance(self.prior, str) else self.prior(folder, options)


def main(recipe: Recipe, argv: list[str] | None = None) -> int:
    """Runs the recipe; the exit code is that of ``transferbound verify``, or 2 for an error."""
    try:
        described = f"{recipe.task}: {recipe.note or 'certify, verify, report'}"
        options = read_options(argv, name=recipe.name, dataset=recipe.dataset, description=described)
        return run(recipe, options)
    except TransferboundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def run(recipe: Recipe, options: Options) -> int:
    """Prior, certificate, verification in a fresh process, row and card."""
    if options.source is not None and os.path.realpath(options.source) == os.path.realpath(options.dataset):
        raise DataError(
            f"--source is {options.source}, the data set that is bounded; a prior must not have seen it, name another"
        )
    clock = Clock(options.out)
    with clock:
        prior = options.prior or recipe.write_prior(options.out.parent / "priors", options)
        if not (options.out / "certificate.json").exists():
            _certify(recipe, options, prior)
    verdict = _verify(options, prior)
    if verdict == 0:
        row = {
            "name": recipe.name,
            "task": recipe.task,
            "quick": options.quick,
            **figures(options.out),
            "published": recipe.published,
            "minutes": round(clock.minutes, 1),
            "cores": torch.get_num_threads(),
            "note": recipe.note,
        }
        made = None if options.prior or isinstance(recipe.prior, str) else Path(prior)
        publish(options.out, options.cards, row, made)
        print(json.dumps(row, indent=2))
    return verdict


def _certify(recipe: Recipe, options: Options, prior: str) -> None:
    split = f"train[:{QUICK_ROWS}]" if options.quick else "train"
    data = _rows(recipe, options, split)
    test = _rows(recipe, options, recipe.test_split) if recipe.test_split and not options.quick else None
    certify(
        _named(recipe, options, prior),
        data,
        options.out,
        _settings(recipe, options),
        test=test,
        pretraining=recipe.pretraining(prior) if recipe.pretraining and not options.prior else None,
    )


def _rows(recipe: Recipe, options: Options, split: str) -> LabelledData:
    """A split; of a copy, under the name by which others find the data."""
    if options.dataset == recipe.dataset:
        return LabelledData.load(options.dataset, split=split, config=recipe.config)
    data = LabelledData.load(options.dataset, split=split)
    return (
        data.under_name(recipe.dataset, config=recipe.config)
        if options.copies in ("dataset", "all")
        else data
    )


def _named(recipe: Recipe, options: Options, prior: str) -> Prior:
    """The prior; of a copy, under its Hub id, and one that was made here under its place beside the card."""
    found = Prior.from_pretrained(prior)
    if options.copies not in ("prior", "all") or prior == recipe.prior:
        return found
    return found.under_name(
        recipe.prior if isinstance(recipe.prior, str) else f"{recipe.name}/{PRIOR_BESIDE}"
    )


def _settings(recipe: Recipe, options: Options) -> CertifySettings:
    """The recipe's, as its command line changes them."""
    settings, finetune = recipe.settings, recipe.settings.finetune
    if options.quick and settings.is_automatic:
        finetune = replace(finetune, budget_minutes=QUICK_MINUTES)
    elif options.quick:
        finetune = replace(finetune, epochs=QUICK_EPOCHS, batch_size=16, polish=min(finetune.polish, 2))
        subspace = settings.subspace
        settings = replace(
            settings, subspace=subspace and replace(subspace, dim=min(subspace.dim, QUICK_DIM))
        )
    if options.budget_minutes is not None:
        finetune = replace(finetune, epochs=None, budget_minutes=options.budget_minutes)
    return replace(settings, finetune=finetune, restart=options.restart)


def _verify(options: Options, prior: str) -> int:
    command = [sys.executable, "-m", "transferbound.cli", "verify", str(options.out)]
    return subprocess.run([*command, "--prior", prior, "--dataset", options.dataset], check=False).returncode
