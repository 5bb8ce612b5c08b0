"""FashionMNIST from a random initialization: LeNet-5, trained longer than the small network and at a lower rate."""

import sys
from dataclasses import replace

import fashion_mnist_scratch
from _priors.small import at_random, variant
from _run.recipe import Recipe, main

ARCHITECTURE, SEED = "transferbound_lenet5", 0
_SCRATCH = fashion_mnist_scratch.RECIPE.settings


RECIPE = Recipe(
    name="fashion_mnist_lenet5",
    task="FashionMNIST, random LeNet-5",
    dataset="zalando-datasets/fashion_mnist",
    prior=at_random(ARCHITECTURE, SEED),
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
