"""MNIST without other data: a sparse head on components of a fixed bank of Gabor filters."""

import sys

from _run.recipe import Recipe, main

from transferbound import CertifySettings
from transferbound.certification.settings import TRIED_ON

RECIPE = Recipe(
    name="mnist_filters",
    task="MNIST, fixed filters, no other data",
    dataset="ylecun/mnist",
    prior="fixed/transferbound_filters_aligned",
    published=11.6,
    settings=CertifySettings(**TRIED_ON),
    note=(
        "Digits are centred, deskewed and scaled by their own moments first. No weight was ever trained but "
        "the head's. The published figure is of a network at a random start. What was chosen with its rows in "
        "view is paid for as one variant of a list."
    ),
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
