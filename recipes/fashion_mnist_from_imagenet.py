"""FashionMNIST by transfer from ImageNet: EfficientNet-Lite0, FiLM subspace."""

import sys

from _recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

RECIPE = Recipe(
    name="fashion_mnist_from_imagenet",
    task="FashionMNIST, transfer from ImageNet",
    dataset="zalando-datasets/fashion_mnist",
    prior="timm/tf_efficientnet_lite0.in1k",
    published=28.2,
    settings=CertifySettings(
        subspace=SubspaceConfig("film", 1000, head_scale=8),
        levels=5,
        input_size=40,
        finetune=FinetuneSettings(epochs=4, learning_rate=0.0075, quantize_from=0.3, fix_until=0.95),
    ),
    note="The published figure is a transfer from CIFAR-10 with ResNet-20.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
