"""FashionMNIST by transfer from ImageNet: a head on what the first stages of EfficientNet-Lite0 see, with its body."""

import sys

from _recipe import Recipe, main
from _trunk import cut_short
from _variants import TRUNK, variant

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig

SOURCE = "ylecun/mnist"
CHOICE = {"size": 96, "blocks": 5, "grid": 3, "components": 100, "power": 0.5}

RECIPE = Recipe(
    name="fashion_mnist_from_imagenet",
    task="FashionMNIST, transfer from ImageNet",
    dataset="zalando-datasets/fashion_mnist",
    prior=cut_short(SOURCE, **CHOICE),
    published=28.2,
    settings=CertifySettings(
        subspace=SubspaceConfig("head", 9 * 101, head_scale=4),
        levels=9,
        finetune=FinetuneSettings(
            epochs=20,
            batch_size=250,
            learning_rate=0.05,
            quantize_from=0.3,
            fix_until=0.95,
            initial_share=0.4,
            polish=2000,
        ),
        **variant(TRUNK, body="as it is", of=SOURCE, **CHOICE),
    ),
    note="The published figure is a transfer from CIFAR-10 with ResNet-20.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
