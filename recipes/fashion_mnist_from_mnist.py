"""FashionMNIST by transfer from MNIST: the same small network, trained in full on the other data set first."""

import sys

from _priors.small import trained_on, variant
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

ARCHITECTURE, SEED = "transferbound_convnet", 0
SOURCE = "ylecun/mnist"


RECIPE = Recipe(
    name="fashion_mnist_from_mnist",
    task="FashionMNIST, transfer from MNIST",
    dataset="zalando-datasets/fashion_mnist",
    prior=trained_on(SOURCE, ARCHITECTURE, SEED, 8),
    published=28.2,
    settings=CertifySettings(
        subspace=SubspaceConfig("hashed", 1000),
        levels=5,
        finetune=FinetuneSettings(
            epochs=10, batch_size=64, learning_rate=0.1, quantize_from=0.3, fix_until=0.95, polish=16
        ),
        **variant(ARCHITECTURE, SEED),
    ),
    note="The published figure is a transfer from CIFAR-10 with ResNet-20.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
