"""FashionMNIST by transfer from MNIST: a sparse head on components of a small network trained on the other data set."""

import sys

from _priors.small import trained_on
from _run.recipe import Recipe, main

from transferbound import CertifySettings
from transferbound.certification.settings import TRIED_ON

ARCHITECTURE, SEED = "transferbound_convnet", 0
SOURCE = "ylecun/mnist"


RECIPE = Recipe(
    name="fashion_mnist_from_mnist",
    task="FashionMNIST, transfer from MNIST",
    dataset="zalando-datasets/fashion_mnist",
    prior=trained_on(SOURCE, ARCHITECTURE, SEED, 8),
    published=28.2,
    settings=CertifySettings(**TRIED_ON),
    note="The published figure is a transfer from CIFAR-10 with ResNet-20.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
