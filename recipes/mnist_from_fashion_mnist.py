"""MNIST by transfer from FashionMNIST: a sparse head on components of a small network trained on the other data set."""

import sys

from _priors.small import trained_on
from _run.recipe import Recipe, main

from transferbound import CertifySettings
from transferbound.certification.settings import TRIED_ON

ARCHITECTURE, SEED, SOURCE_EPOCHS = "transferbound_convnet_aligned", 0, 1
SOURCE = "zalando-datasets/fashion_mnist"


RECIPE = Recipe(
    name="mnist_from_fashion_mnist",
    task="MNIST, transfer from FashionMNIST",
    dataset="ylecun/mnist",
    prior=trained_on(SOURCE, ARCHITECTURE, SEED, SOURCE_EPOCHS),
    published=9.0,
    settings=CertifySettings(**TRIED_ON),
    note="The published figure is a transfer from SVHN. The network's first layer aligns each digit by its moments.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
