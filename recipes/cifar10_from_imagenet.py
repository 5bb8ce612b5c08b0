"""CIFAR-10 by transfer from ImageNet: a sparse head on components of EfficientNet-Lite2."""

import sys

from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings
from transferbound.certification.settings import TRIED_ON

RECIPE = Recipe(
    name="cifar10_from_imagenet",
    task="CIFAR-10, transfer from ImageNet",
    dataset="uoft-cs/cifar10",
    prior="timm/tf_efficientnet_lite2.in1k",
    published=35.1,
    settings=CertifySettings(input_size=160, finetune=FinetuneSettings(budget_minutes=40), **TRIED_ON),
    note="EfficientNet-Lite2 at 160 x 160 pixels, of a lossy JPEG copy of CIFAR-10. The head starts from what those "
    "classes of ImageNet that the ten names stand for tell of 1,500 pictures without labels. The published figure is "
    "of EfficientNet-B0.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
