"""MNIST from a random initialization: LeNet-5, with the settings of ``fashion_mnist_lenet5``."""

import sys

import fashion_mnist_lenet5
from _run.recipe import Recipe, main

RECIPE = Recipe(
    name="mnist_lenet5",
    task="MNIST, random LeNet-5",
    dataset="ylecun/mnist",
    prior=fashion_mnist_lenet5.RECIPE.prior,
    published=11.6,
    settings=fashion_mnist_lenet5.RECIPE.settings,
    note="LeNet-5 as it is.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
