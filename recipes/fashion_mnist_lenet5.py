"""FashionMNIST from a random initialization: LeNet-5, trained longer than the small network and at a lower rate."""

import sys
from dataclasses import replace
from pathlib import Path

import fashion_mnist_scratch
from _priors.small import random_start, variant
from _run.recipe import Options, Recipe, main

ARCHITECTURE, SEED = "transferbound_lenet5", 0
_SCRATCH = fashion_mnist_scratch.RECIPE.settings


def prior(folder: Path, options: Options) -> str:
    return random_start(folder, ARCHITECTURE, SEED)


RECIPE = Recipe(
    name="fashion_mnist_lenet5",
    task="FashionMNIST, random LeNet-5",
    dataset="zalando-datasets/fashion_mnist",
    prior=prior,
    published=32.8,
    settings=replace(
        _SCRATCH,
        finetune=replace(_SCRATCH.finetune, epochs=12, learning_rate=0.05, polish=16),
        **variant(ARCHITECTURE, SEED),
    ),
    note="LeNet-5 as it is.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
