"""FashionMNIST by transfer from ImageNet: a head on components of what EfficientNet-Lite0's first stages see."""

import sys

from _priors.trunk import cut_short
from _priors.variants import TRUNK
from _run.recipe import Recipe, main

from transferbound import CertifySettings, FinetuneSettings, SubspaceConfig
from transferbound.message.variants import variant

SOURCE = "ylecun/mnist"
CHOICE = {"size": 96, "blocks": 5, "grid": 3, "components": 100, "power": 0.5}

RECIPE = Recipe(
    name="fashion_mnist_from_imagenet",
    task="FashionMNIST, transfer from ImageNet",
    dataset="zalando-datasets/fashion_mnist",
    prior=cut_short(SOURCE, **CHOICE),
    published=28.2,
    settings=CertifySettings(
        subspace=SubspaceConfig("head", 9 * (CHOICE["components"] + 1), head_scale=4),
        levels=9,
        input_size=0,
        finetune=FinetuneSettings(
            epochs=30,
            batch_size=500,
            learning_rate=0.03,
            quantize_from=0.3,
            fix_until=0.95,
            initial_density=0.4,
            polish=1500,
        ),
        list_written="after",
        **variant(TRUNK, body="as it is", of=SOURCE, **CHOICE),
    ),
    note="96 x 96 pixels. The prior's components are those of MNIST's pictures. The published figure is a transfer "
    "from CIFAR-10 with ResNet-20.",
)

if __name__ == "__main__":
    sys.exit(main(RECIPE))
