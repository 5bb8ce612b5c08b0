"""Few rows: what the plain command certifies of 500 to 5,000 of them, beside an answer for nothing and rows held out.

    python recipes/studies/few_rows.py --sst2 DIR --subj DIR --mnist DIR --cifar10 DIR --minilm DIR --lite0 DIR

Of each data set rows are drawn once, by a seed, before anything is trained; smaller samples are the beginnings of
larger ones. A run whose certificate is there is not repeated. Nothing is tuned: what stands in the table is what
``transferbound bound --prior P --dataset D --out O`` gives, with --candidate 149/open --list-written after, since these
data sets were in view when the package was made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from math import log2
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _priors.tables import write_table
from _run.options import add_study_options
from _run.publish import FEW_ROWS

from transferbound import Certificate, CertifySettings, FinetuneSettings, Prior, certify, verify
from transferbound.bounds import occam_binomial
from transferbound.certification.settings import TRIED_ON
from transferbound.storage.files import write_json

SIZES = (500, 1000, 2000, 5000)
CONSTANT_BITS = 5.0
"""By so many bits more than its own the constant answer may be beaten, and no more."""

_TASKS: Mapping[str, tuple[str, str, str]] = {
    "sst2": ("SST-2 by row, MiniLM", "stanfordnlp/sst2", "sentence-transformers/all-MiniLM-L6-v2"),
    "subj": ("SUBJ, MiniLM", "SetFit/subj", "sentence-transformers/all-MiniLM-L6-v2"),
    "mnist": ("MNIST, ImageNet", "ylecun/mnist", "timm/tf_efficientnet_lite0.in1k"),
    "cifar10": ("CIFAR-10, ImageNet", "uoft-cs/cifar10", "timm/tf_efficientnet_lite0.in1k"),
}


def sample(name: str, rows: int, folder: Path) -> Path:
    """``rows`` rows of the training split, drawn once for all sizes, as a data set in ``folder``."""
    target = folder / str(rows)
    if not target.exists():
        table = datasets.load_dataset(name, split="train")
        chosen = np.random.default_rng(0).permutation(table.num_rows)[:rows]
        write_table(target, table.select(chosen))
    return target


def row_of(task: str, certificate: Certificate) -> dict[str, Any]:
    """The line of a certificate in the table; errors and bounds are fractions."""
    content = certificate.content
    aside = content["dataset"].get("set_aside", {"units": 0})["units"]
    given = content["n"] + aside
    wrong = round(content["comparison"]["majority_class_error"] * content["n"])
    free = log2(len(content["dataset"]["class_names"])) + CONSTANT_BITS
    return {
        "task": task,
        "rows": given,
        "n": content["n"],
        "kind": content["decoder"]["kind"],
        "bits": content["message_bits"],
        "train_error": content["train_error"],
        "risk_bound": content["risk_bound"],
        "constant_bound": occam_binomial(wrong, content["n"], free, 1 - content["confidence"]),
        "holdout_tenth": content["comparison"]["holdout_tenth"]["bound"],
    }


def run(
    task: str, dataset: str, prior: str, out: Path, settings: CertifySettings, sizes: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Certifies, and verifies, a sample of each size."""
    title, rows = _TASKS[task][0], []
    for size in sizes:
        folder = out / f"{task}-{size}"
        if not folder.exists():
            certify(
                Prior.from_pretrained(prior),
                str(sample(dataset, size, out / "samples" / task)),
                folder,
                settings,
            )
            verdict = verify(folder)
            if not verdict.holds:
                raise SystemExit(f"{folder} does not hold: {verdict.problems[0]}")
        rows.append(row_of(title, Certificate.from_pretrained(folder)))
    return rows


def main(argv: list[str] | None = None) -> int:
    """Runs what is missing and writes ``few_rows.json`` beside the results table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for task, (_, dataset, _) in _TASKS.items():
        parser.add_argument(f"--{task}", default=dataset, help=f"data set of {task} [{dataset}]")
    parser.add_argument("--minilm", default=_TASKS["sst2"][2])
    parser.add_argument("--lite0", default=_TASKS["mnist"][2])
    parser.add_argument("--tasks", default=",".join(_TASKS), help=f"some of {','.join(_TASKS)}")
    add_study_options(parser, "few_rows", "150 rows")
    given = parser.parse_args(argv)
    if given.threads:
        torch.set_num_threads(given.threads)
    settings = CertifySettings(**TRIED_ON)
    if given.quick:
        settings = replace(settings, finetune=FinetuneSettings(budget_minutes=0.3))
    rows = []
    for task in given.tasks.split(","):
        prior = given.minilm if task in ("sst2", "subj") else given.lite0
        rows += run(task, getattr(given, task), prior, given.out, settings, (150,) if given.quick else SIZES)
    given.cards.mkdir(parents=True, exist_ok=True)
    write_json(given.cards / FEW_ROWS, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
