"""FashionMNIST from a random initialization: a small convolutional network."""

import sys

from _priors.small import at_random, variant
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

ARCHITECTURE, SEED = "transferbound_convnet", 0


RECIPE = Recipe(
    name="fashion_mnist_scratch",
    task="FashionMNIST, random initialization",
    dataset="zalando-datasets/fashion_mnist",
    prior=at_random(ARCHITECTURE, SEED),
    published=32.8,
    settings=CertifySettings(
        subspace=SubspaceConfig("hashed", 1000),
        levels=5,
        finetune=FinetuneSettings(
            epochs=30, batch_size=64, learning_rate=0.1, quantize_from=0.3, fix_until=0.95, polish=60
        ),
        **variant(ARCHITECTURE, SEED),
    ),
    note="A convolutional network of 17,274 parameters.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
