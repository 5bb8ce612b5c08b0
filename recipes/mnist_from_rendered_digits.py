"""MNIST by transfer from rendered digits: a sparse head on components of a network trained on bent, thickened fonts."""

import sys
from pathlib import Path

from _priors.digits import rendered_digits
from _priors.small import trained_elsewhere
from _run.options import Options
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings
from transferbound.certification.settings import TRIED_ON

ARCHITECTURE, SEED, SOURCE_EPOCHS = "transferbound_convnet_wide_aligned", 0, 8
SOURCE_ROWS = 60_000


def prior(folder: Path, options: Options) -> str:
    rows = options.source_rows
    source = options.source or rendered_digits(folder, rows or SOURCE_ROWS)
    return trained_elsewhere(
        folder, ARCHITECTURE, SEED, source, hub_id="rendered_digits", rows=rows, epochs=SOURCE_EPOCHS
    )


RECIPE = Recipe(
    name="mnist_from_rendered_digits",
    task="MNIST, transfer from rendered digits",
    dataset="ylecun/mnist",
    prior=prior,
    published=9.0,
    settings=CertifySettings(finetune=FinetuneSettings(budget_minutes=10), **TRIED_ON),
    note="The prior was trained on digits drawn with fonts, by `recipes/_priors/digits.py`. The published figure is a "
    "transfer from SVHN, which holds digits too.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
