"""MNIST by transfer from ImageNet: a sparse head on components of EfficientNet-Lite0, as the plain command finds it."""

import sys

from _priors.variants import PACKAGED
from _run.recipe import Recipe, main

from transferbound import CertifySettings

RECIPE = Recipe(
    name="mnist_from_imagenet",
    task="MNIST, transfer from ImageNet",
    dataset="ylecun/mnist",
    prior="timm/tf_efficientnet_lite0.in1k",
    published=9.0,
    settings=CertifySettings(**PACKAGED),
    note="The published figure is a transfer from SVHN.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
