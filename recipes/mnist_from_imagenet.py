"""MNIST by transfer from ImageNet: a sparse head on components of EfficientNet-Lite0, as the plain command finds it."""

import sys

from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings
from transferbound.certification.settings import TRIED_ON

RECIPE = Recipe(
    name="mnist_from_imagenet",
    task="MNIST, transfer from ImageNet",
    dataset="ylecun/mnist",
    prior="timm/tf_efficientnet_lite0.in1k",
    published=9.0,
    settings=CertifySettings(input_size=64, finetune=FinetuneSettings(budget_minutes=12), **TRIED_ON),
    note="64 x 64 pixels, and twelve minutes instead of five. The published figure is a transfer from SVHN.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
