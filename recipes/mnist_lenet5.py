"""MNIST from a random initialization: LeNet-5, with the settings of ``fashion_mnist_lenet5``."""

import sys
from pathlib import Path

from _recipe import Options, Recipe, main
from _small import random_start, variant

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

ARCHITECTURE, SEED = "transferbound_lenet5", 0


def prior(folder: Path, options: Options) -> str:
    return random_start(folder, ARCHITECTURE, SEED)


RECIPE = Recipe(
    name="mnist_lenet5",
    task="MNIST, random LeNet-5",
    dataset="ylecun/mnist",
    prior=prior,
    published=11.6,
    settings=CertifySettings(
        subspace=SubspaceConfig("hashed", 1000),
        levels=5,
        finetune=FinetuneSettings(
            epochs=5, batch_size=64, learning_rate=0.2, quantize_from=0.3, fix_until=0.95, polish=16
        ),
        **variant(ARCHITECTURE, SEED),
    ),
    note="LeNet-5 as it is, with the settings that were found for the other network.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
