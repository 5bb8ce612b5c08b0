"""What every recipe shares: one command that certifies, verifies in a fresh process, and reports.

    python recipes/NAME.py [--dataset ID_OR_DIR] [--prior ID_OR_DIR] [--out DIR] [--quick]

A recipe that was stopped goes on where it was when the same command is given again. The test split is counted for
the report and decides nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from transferbound import Certificate, CertifySettings, LabelledData, Prior, certify
from transferbound.data.examples import Examples
from transferbound.errors import DataError, TransferboundError
from transferbound.storage.files import write_json

ROOT = Path(__file__).resolve().parents[2]
TABLE = "results.json"
_QUICK_ROWS, _QUICK_EPOCHS = 1500, 4.0
_TICK = 15.0
_CARD_FILES = ("certificate.json", "offset.bin", "README.md")


@dataclass(frozen=True)
class Recipe:
    """One benchmark.

    Attributes:
        name: of the recipe's file, its output folder and its card.
        task: its row in the results table.
        dataset: Hub id.
        prior: Hub id, or a function that writes the prior below a folder and returns its path.
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
    prior: str | Callable[[Path, Options], str]
    settings: CertifySettings
    published: float | None = None
    test_split: str | None = "test"
    note: str = ""
    config: str | None = None
    pretraining: Callable[[str], Examples] | None = None


@dataclass(frozen=True)
class Options:
    """The command line of a recipe."""

    dataset: str
    out: Path
    cards: Path
    quick: bool = False
    prior: str | None = None
    source: str | None = None
    base: str | None = None
    budget_minutes: float | None = None
    restart: bool = False


def main(recipe: Recipe, argv: list[str] | None = None) -> int:
    """Runs the recipe; the exit code is that of ``transferbound verify``, or 2 for an error."""
    options = _options(recipe, argv)
    try:
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
    clock = _Clock(options.out)
    with clock:
        name = options.prior or _prior(recipe, options)
        if not (options.out / "certificate.json").exists():
            _certify(recipe, options, name)
    verdict = _verify(options, name)
    if verdict == 0:
        row = _row(recipe, options, clock.minutes)
        options.cards.mkdir(parents=True, exist_ok=True)
        _publish(options.out, options.cards / recipe.name)
        _append(options.cards / TABLE, row)
        print(json.dumps(row, indent=2))
    return verdict


def _certify(recipe: Recipe, options: Options, prior: str) -> None:
    split = f"train[:{_QUICK_ROWS}]" if options.quick else "train"
    config = recipe.config if options.dataset == recipe.dataset else None
    data = LabelledData.load(options.dataset, split=split, config=config)
    test = None
    if recipe.test_split and not options.quick:
        test = LabelledData.load(options.dataset, split=recipe.test_split, config=config)
    settings = replace(recipe.settings, restart=options.restart)
    finetune = settings.finetune
    if options.quick:
        finetune = replace(finetune, epochs=_QUICK_EPOCHS, batch_size=16, polish=min(finetune.polish, 2))
        subspace = settings.subspace
        settings = replace(settings, subspace=subspace and replace(subspace, dim=min(subspace.dim, 100)))
    if options.budget_minutes is not None:
        finetune = replace(finetune, epochs=None, budget_minutes=options.budget_minutes)
    certify(
        Prior.from_pretrained(prior),
        data,
        options.out,
        replace(settings, finetune=finetune),
        test=test,
        pretraining=recipe.pretraining(prior) if recipe.pretraining and not options.prior else None,
    )


def _prior(recipe: Recipe, options: Options) -> str:
    if isinstance(recipe.prior, str):
        return recipe.prior
    return recipe.prior(options.out.parent / "priors", options)


def _verify(options: Options, prior: str) -> int:
    command = [sys.executable, "-m", "transferbound.cli", "verify", str(options.out)]
    return subprocess.run([*command, "--prior", prior, "--dataset", options.dataset], check=False).returncode


def _row(recipe: Recipe, options: Options, minutes: float) -> dict[str, Any]:
    content = Certificate.from_pretrained(options.out).content
    test = content["evaluation"]["test"]
    return {
        "name": recipe.name,
        "task": recipe.task,
        "quick": options.quick,
        "risk_bound": content["risk_bound"],
        "train_error": content["train_error"],
        "test_error": test["error"] if test else None,
        "message_bits": content["message_bits"],
        "n": content["n"],
        "dim": content["decoder"]["dim"],
        "kind": content["decoder"]["kind"],
        "holdout_tenth": content["comparison"]["holdout_tenth"]["bound"],
        "majority_class_error": content["comparison"]["majority_class_error"],
        "published": recipe.published,
        "minutes": round(minutes, 1),
        "cores": torch.get_num_threads(),
        "note": recipe.note,
    }


def _publish(folder: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    for name in _CARD_FILES:
        shutil.copy2(folder / name, partial / name)
    shutil.copytree(folder / "figures", partial / "figures")
    if target.exists():
        shutil.rmtree(target)
    partial.rename(target)


def _append(table: Path, row: dict[str, Any]) -> None:
    """A later run of the same recipe takes the place of an earlier one."""
    rows = json.loads(table.read_text(encoding="utf-8")) if table.exists() else []
    rows = [old for old in rows if old["name"] != row["name"]] + [row]
    write_json(table, sorted(rows, key=lambda one: one["name"]))


class _Clock:
    """Adds up the minutes of a run over its interruptions, to within ``_TICK`` seconds."""

    def __init__(self, out: Path) -> None:
        self._file = out.with_name(out.name + ".minutes.json")
        self._stop = threading.Event()

    @property
    def minutes(self) -> float:
        return float(json.loads(self._file.read_text(encoding="utf-8"))) if self._file.exists() else 0.0

    def __enter__(self) -> None:
        self._before, self._started = self.minutes, time.monotonic()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._ticking = threading.Thread(target=self._tick, daemon=True)
        self._ticking.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticking.join()
        self._write()

    def _tick(self) -> None:
        while not self._stop.wait(_TICK):
            self._write()

    def _write(self) -> None:
        write_json(self._file, self._before + (time.monotonic() - self._started) / 60)


def _options(recipe: Recipe, argv: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        description=f"{recipe.task}: {recipe.note or 'certify, verify, report'}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--dataset", default=recipe.dataset, help="Hub id, or a local folder in its layout")
    parser.add_argument("--prior", help="checkpoint to use instead of the recipe's own")
    parser.add_argument(
        "--source", help="data set that a transfer prior is trained on, where not from the Hub"
    )
    parser.add_argument(
        "--base", help="checkpoint that a transfer prior is trained from, where not from the Hub"
    )
    parser.add_argument("--out", type=Path, help=f"certificate folder [runs/{recipe.name}]")
    parser.add_argument("--cards", type=Path, help="folder of cards and results table [model_cards]")
    parser.add_argument("--budget-minutes", type=float, help="instead of the recipe's own epochs")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--restart", action="store_true", help="throw away an unfinished run")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{_QUICK_ROWS} rows, {_QUICK_EPOCHS:.0f} epochs, 100 coordinates: minutes, not a result",
    )
    given = parser.parse_args(argv)
    if given.threads:
        torch.set_num_threads(given.threads)
    suffix = "-quick" if given.quick else ""
    out = given.out or Path("runs") / (recipe.name + suffix)
    cards = given.cards or (Path("runs") / "quick-cards" if given.quick else ROOT / "model_cards")
    return Options(
        dataset=given.dataset,
        out=out,
        cards=cards,
        quick=given.quick,
        prior=given.prior,
        source=given.source,
        base=given.base,
        budget_minutes=given.budget_minutes,
        restart=given.restart,
    )
