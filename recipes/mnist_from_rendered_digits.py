"""MNIST by transfer from rendered digits: the small network, trained in full on bent and thickened fonts first."""

import sys
from pathlib import Path

from _priors.digits import rendered_digits
from _priors.small import trained_elsewhere, variant
from _run.options import Options
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

ARCHITECTURE, SEED, SOURCE_EPOCHS, RENDERING = "transferbound_convnet_aligned", 0, 8, 0
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
    settings=CertifySettings(
        subspace=SubspaceConfig("hashed", 500),
        levels=5,
        finetune=FinetuneSettings(
            epochs=6, batch_size=64, learning_rate=0.05, quantize_from=0.3, fix_until=0.95, polish=24
        ),
        **variant(ARCHITECTURE, SEED, SOURCE_EPOCHS, RENDERING),
    ),
    note="The prior was trained on digits drawn with fonts, by `recipes/_priors/digits.py`. The published figure is a "
    "transfer from SVHN, which holds digits too.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
