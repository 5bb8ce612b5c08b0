"""FashionMNIST by transfer from ImageNet: a sparse head on components of EfficientNet-Lite0."""

import sys

from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings
from transferbound.certification.settings import TRIED_ON

RECIPE = Recipe(
    name="fashion_mnist_from_imagenet",
    task="FashionMNIST, transfer from ImageNet",
    dataset="zalando-datasets/fashion_mnist",
    prior="timm/tf_efficientnet_lite0.in1k",
    published=28.2,
    settings=CertifySettings(input_size=96, finetune=FinetuneSettings(budget_minutes=20), **TRIED_ON),
    note="96 x 96 pixels, and twenty minutes instead of five.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
