"""MNIST from a random initialization: a small convolutional network on moment-aligned digits."""

import sys

from _priors.small import at_random, variant
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

ARCHITECTURE, SEED = "transferbound_convnet_aligned", 0


RECIPE = Recipe(
    name="mnist_scratch",
    task="MNIST, random initialization",
    dataset="ylecun/mnist",
    prior=at_random(ARCHITECTURE, SEED),
    published=11.6,
    settings=CertifySettings(
        subspace=SubspaceConfig("hashed", 1000),
        levels=5,
        finetune=FinetuneSettings(
            epochs=30, batch_size=64, learning_rate=0.1, quantize_from=0.3, fix_until=0.95, polish=60
        ),
        **variant(ARCHITECTURE, SEED),
    ),
    note="A convolutional network whose first, fixed layer centres, deskews and scales each digit by its own moments.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
