"""CIFAR-10 by transfer from ImageNet: EfficientNet-Lite0, FiLM subspace."""

import sys

from _recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

RECIPE = Recipe(
    name="cifar10_from_imagenet",
    task="CIFAR-10, transfer from ImageNet",
    dataset="uoft-cs/cifar10",
    prior="timm/tf_efficientnet_lite0.in1k",
    published=35.1,
    settings=CertifySettings(
        subspace=SubspaceConfig("film", 1000, head_scale=8),
        levels=5,
        input_size=128,
        finetune=FinetuneSettings(epochs=4, learning_rate=0.0075, quantize_from=0.3, fix_until=0.95),
    ),
    note="128 x 128 pixels, four epochs. The published figure is of EfficientNet-B0.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
