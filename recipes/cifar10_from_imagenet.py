"""CIFAR-10 by transfer from ImageNet: EfficientNet-Lite0 with a head that knows what the labels mean, FiLM subspace."""

import sys

from _priors.label_heads import CIFAR10, variant, with_labels
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

RECIPE = Recipe(
    name="cifar10_from_imagenet",
    task="CIFAR-10, transfer from ImageNet",
    dataset="uoft-cs/cifar10",
    prior=with_labels(CIFAR10),
    published=35.1,
    settings=CertifySettings(
        subspace=SubspaceConfig("film", 600, head_scale=8),
        levels=5,
        input_size=128,
        finetune=FinetuneSettings(epochs=5, learning_rate=0.005, quantize_from=0.3, fix_until=0.95),
        **variant(),
    ),
    note="128 x 128 pixels, five epochs. The head starts from the ImageNet classes that its labels stand for. The "
    "published figure is of EfficientNet-B0.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
