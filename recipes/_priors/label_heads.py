"""Heads that know what the labels mean: an ImageNet classifier answers for another task's classes before training.

The row of a new class is the mean of the ImageNet classes that it stands for, all rows at one length. That is a
function of the checkpoint and of the lists below; no image is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from _run.options import MakePrior, Options
from timm.models import save_for_hf

from transferbound import Prior
from transferbound.priors.checkpoint.write import new_checkpoint

BASE = "timm/tf_efficientnet_lite0.in1k"
_IMAGENET_CLASSES = 1000

Classes = Mapping[str, Sequence[int]]

#: Class of the task to the ImageNet classes, in ImageNet's order of 1,000, that it stands for.
CIFAR10: Classes = {
    "airplane": (404, 895),  # airliner, warplane
    "automobile": (436, 468, 511, 609, 627, 656, 661, 751, 817),  # wagon, cab, convertible ... sports car
    "bird": (*range(7, 25), *range(80, 101), *range(127, 147)),
    "cat": range(281, 286),  # house cats
    "deer": (351, 352, 353),  # hartebeest, impala, gazelle: there are no deer
    "dog": range(151, 269),
    "frog": (30, 31, 32),
    "horse": (339,),  # sorrel
    "ship": (403, 484, 510, 554, 625, 628, 724, 780, 814, 871, 914),  # aircraft carrier ... yawl
    "truck": (555, 569, 675, 864, 867),  # fire engine, garbage truck, moving van, tow truck, trailer truck
}
_HEADS = 16

_CARD = """---
library_name: timm
pipeline_tag: image-classification
license: apache-2.0
base_model: {base}
datasets:
- imagenet-1k
tags:
- timm
---
# {architecture}, its head turned to the classes {first} ... {last}

The network is `{base}` as it is. Each row of the head is the mean of the rows of ImageNet classes that the class stands
for, all at one length. No data was used.
"""


def variant() -> dict[str, int]:
    """The arguments of ``CertifySettings`` that pay for this head: the first of 16, one of which is a zero head."""
    return {"candidate": 0, "candidates": _HEADS}


def with_labels(classes: Classes) -> MakePrior:
    """The prior of a recipe: :data:`BASE` with a head for ``classes``.

    Its folder does not name the task's data set: that would say that it was trained on it.
    """

    first, *_, last = classes

    def write(folder: Path, options: Options) -> str:
        base = Prior.from_pretrained(options.base or BASE)
        target = folder / f"{base.architecture}-{first}-{last}"
        if not target.exists():
            _write(base, classes, target)
        return str(target)

    return write


def _write(base: Prior, classes: Classes, target: Path) -> None:
    network: Any = base.build(_IMAGENET_CLASSES).network  # timm's
    weight, bias = network.get_classifier().weight.detach(), network.get_classifier().bias.detach()
    rows = [torch.tensor(list(places)) for places in classes.values()]
    length = (weight - weight.mean(0)).norm(dim=1).mean()
    means = torch.stack([weight[row].mean(0) for row in rows]) - weight.mean(0)
    network.reset_classifier(len(rows))
    head = network.get_classifier()
    with torch.no_grad():
        head.weight.copy_(length * means / means.norm(dim=1, keepdim=True))
        head.bias.copy_(torch.stack([bias[row].mean() for row in rows]))
    first, *_, last = classes
    card = _CARD.format(base=BASE, architecture=base.architecture, first=first, last=last)
    with new_checkpoint(target, card) as partial:
        save_for_hf(network, str(partial), safe_serialization=True)
