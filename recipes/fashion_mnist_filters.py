"""FashionMNIST without other data: a sparse head on components of a fixed bank of Gabor filters."""

import sys

from _run.recipe import Recipe, main

from transferbound import CertifySettings
from transferbound.certification.settings import TRIED_ON

RECIPE = Recipe(
    name="fashion_mnist_filters",
    task="FashionMNIST, fixed filters, no other data",
    dataset="zalando-datasets/fashion_mnist",
    prior="fixed/transferbound_filters",
    published=32.8,
    settings=CertifySettings(**TRIED_ON),
    note=(
        "No weight was ever trained but the head's. The published figure is of a network at a random start. "
        "What was chosen with its rows in view is paid for as one variant of a list."
    ),
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
