"""MNIST by transfer from ImageNet: EfficientNet-Lite0, FiLM subspace."""

import sys

from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

RECIPE = Recipe(
    name="mnist_from_imagenet",
    task="MNIST, transfer from ImageNet",
    dataset="ylecun/mnist",
    prior="timm/tf_efficientnet_lite0.in1k",
    published=9.0,
    settings=CertifySettings(
        subspace=SubspaceConfig("film", 1000, head_scale=8),
        levels=5,
        input_size=40,
        finetune=FinetuneSettings(epochs=4, learning_rate=0.0075, quantize_from=0.3, fix_until=0.95),
    ),
    note="The published figure is a transfer from SVHN.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
