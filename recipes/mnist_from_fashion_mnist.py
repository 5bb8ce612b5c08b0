"""MNIST by transfer from FashionMNIST: the same small network, trained in full on the other data set first."""

import sys

from _priors.small import trained_on, variant
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

ARCHITECTURE, SEED, SOURCE_EPOCHS = "transferbound_convnet_aligned", 0, 1
SOURCE = "zalando-datasets/fashion_mnist"


RECIPE = Recipe(
    name="mnist_from_fashion_mnist",
    task="MNIST, transfer from FashionMNIST",
    dataset="ylecun/mnist",
    prior=trained_on(SOURCE, ARCHITECTURE, SEED, SOURCE_EPOCHS),
    published=9.0,
    settings=CertifySettings(
        subspace=SubspaceConfig("hashed", 1000),
        levels=5,
        finetune=FinetuneSettings(
            epochs=10, batch_size=64, learning_rate=0.1, quantize_from=0.3, fix_until=0.95, polish=12
        ),
        **variant(ARCHITECTURE, SEED, SOURCE_EPOCHS),
    ),
    note="The published figure is a transfer from SVHN. The network's first layer aligns each digit by its moments.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
