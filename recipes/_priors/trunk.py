"""An ImageNet network cut short, with the principal components of other pictures: a prior for small pictures.

The last blocks of EfficientNet-Lite0 know what ImageNet's classes are, which helps little with clothes in grey or with
pictures of 32 pixels; what the blocks before them see does. Its principal components are taken over the pictures of
another data set. No label of that, and no row of the task, takes part.
"""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from _run.options import MakePrior, Options
from tqdm import tqdm

from transferbound import LabelledData, Prior
from transferbound.data.encode import encode
from transferbound.priors import ImagePreprocessing, principal
from transferbound.priors.architectures.trunk import Trunk
from transferbound.priors.checkpoint.write import write_checkpoint

BASE = "timm/tf_efficientnet_lite0.in1k"
_IMAGENET_CLASSES, _ROWS, _QUICK_ROWS, _BATCH = 1000, 8_000, 500, 50

_CARD = """---
library_name: timm
pipeline_tag: image-classification
license: apache-2.0
base_model: {base}
datasets:
- imagenet-1k
- {source}
tags:
- timm
---
# {architecture}, {blocks} stages, with principal components of {source}

The stem and the first {blocks} stages of `{base}` as they are, at {size} x {size} pixels. What they see in
{grid} x {grid} places is turned to the {components} leading principal components of {rows:,} pictures of `{source}`
(content {digest}); each has the standard deviation that it has there, to the power {power}, and all of them together a
mean variance of one.
No label was used.
"""


def cut_short(source: str, *, size: int, blocks: int, grid: int, components: int, power: float) -> MakePrior:
    """The prior of a recipe: :data:`BASE` cut short, with components of the data set ``source`` (a Hub id).

    Args:
        size: side of the pictures in pixels, which becomes the prior's own.
        blocks, grid, components: see :class:`transferbound.priors.architectures.trunk.Trunk`.
        power: of a component's own standard deviation that is left to it: 0 makes all alike, 1 leaves them as they are.
    """

    def write(folder: Path, options: Options) -> str:
        name = f"lite0-{blocks}-{grid}x{grid}-{components}-{size}px-power{power:g}-{source.split('/')[-1]}"
        target = folder / (name + ("-quick" if options.quick else ""))
        if target.exists():
            return str(target)
        base = Prior.from_pretrained(options.base or BASE)
        preprocessing = base.preprocessing(size)
        assert isinstance(preprocessing, ImagePreprocessing)
        rows = _QUICK_ROWS if options.quick else _ROWS
        pictures = LabelledData.load(options.source or source, split=f"train[:{rows}]")
        arguments = {"backbone": base.architecture, "blocks": blocks, "grid": grid, "components": components}
        network = _network(base, arguments)
        weight, bias = principal(_maps(network, preprocessing, pictures), components, power)
        network.components.load_state_dict({"weight": weight, "bias": bias})
        card = _CARD.format(
            base=BASE,
            source=source,
            architecture=base.architecture,
            size=size,
            rows=pictures.n,
            digest=pictures.fingerprint[:16],
            power=power,
            **arguments,
        )
        config = _config(arguments, preprocessing)
        return str(write_checkpoint(target, network.state_dict(), config, card))

    return write


def _network(base: Prior, arguments: dict[str, object]) -> Trunk:
    network: Trunk = timm.create_model("transferbound_trunk", num_classes=0, **arguments)
    whole = base.build(_IMAGENET_CLASSES).network
    assert isinstance(whole, torch.nn.Module)
    values = whole.state_dict()
    kept = {name: values.get(name, value) for name, value in network.state_dict().items()}
    network.load_state_dict(kept)
    return network.eval()


@torch.inference_mode()
def _maps(network: Trunk, preprocessing: ImagePreprocessing, pictures: LabelledData) -> torch.Tensor:
    encoded = encode(preprocessing, pictures)
    batches = tqdm(encoded.batches(_BATCH), desc="components", unit="batch", total=-(-encoded.n // _BATCH))
    return torch.cat([network.forward_map(batch["pixel_values"]) for _, batch, _ in batches])


def _config(arguments: dict[str, object], preprocessing: ImagePreprocessing) -> dict[str, object]:
    """timm's configuration of a network without a head, which reads pictures as the base did."""
    side = preprocessing.input_size
    return {
        "architecture": "transferbound_trunk",
        "num_classes": 0,
        "model_args": arguments,
        "pretrained_cfg": {
            "custom_load": False,
            "input_size": [preprocessing.channels, side, side],
            "fixed_input_size": False,
            "interpolation": preprocessing.description["interpolation"],
            "crop_pct": 1.0,
            "crop_mode": "squash",
            "mean": list(preprocessing.mean),
            "std": list(preprocessing.std),
            "num_classes": 0,
            "classifier": "fc",
        },
    }
