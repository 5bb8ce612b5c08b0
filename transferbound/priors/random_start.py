"""Priors without pretraining: an architecture at a random start, written as a checkpoint in Hub layout.

The weights are a function of (architecture, seed) alone. Where the seed or the architecture was chosen with the
training data in view, the message pays for it: see ``candidate`` and ``candidates`` of ``CertifySettings``.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch

from transferbound.errors import PriorError
from transferbound.priors.architectures import small, symmetry  # noqa: F401  (registers them with timm)
from transferbound.priors.backends.quiet import quiet_construction
from transferbound.priors.checkpoint.made import made_anew
from transferbound.priors.checkpoint.resolve import Checkpoint
from transferbound.priors.checkpoint.write import write_checkpoint
from transferbound.streams import GAUSSIAN_STD, gaussian_integers

__all__ = ["export_random", "open_random"]

_LIKE = "transferbound_convnet"
_NAME = re.compile(r"random/([A-Za-z0-9_.-]+)/([0-9]{1,18})")

_CARD = """---
library_name: timm
pipeline_tag: image-classification
license: cc0-1.0
tags:
- timm
---
# {architecture}, random start {seed}

{parameters:,} parameters at a random initialization: no training, and no training data. Weight matrices and kernels are
normal with variance 2 / fan-in (He et al. 2015), drawn from transferbound's own integer stream of seed {seed}; scales
are one, everything else is zero, and so is the head.
"""


def export_random(
    architecture: str,
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    num_classes: int = 10,
    input_size: int = 28,
    channels: int = 1,
) -> Path:
    """Write ``architecture`` (a timm name) with random weights as a local prior; return its folder.

    Args:
        architecture: a timm architecture without running statistics, such as
            ``transferbound_convnet`` or ``transferbound_lenet5``.
        folder: where to; it must not hold anything.
        seed: of the integer stream that the weights are drawn from.
        num_classes: outputs of the head, which starts from zero.
        input_size: image side in pixels.
        channels: 1 (grey) or 3.

    Raises:
        PriorError: timm has no such architecture, or it has buffers that only training could fill.
        OutputError: ``folder`` holds something, or cannot be written.
    """
    model = _network(architecture, num_classes, channels)
    own: Any = model.pretrained_cfg
    classifier = own.get("classifier", "fc")
    head = {f"{name}.weight" for name in ([classifier] if isinstance(classifier, str) else classifier)}
    tensors = {
        name: _start(name, value, seed, is_head=name in head) for name, value in model.state_dict().items()
    }
    pretrained = {
        "tag": f"random{seed}",
        "custom_load": False,
        "input_size": [channels, input_size, input_size],
        "fixed_input_size": False,
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "crop_mode": "squash",
        "mean": [0.5] * channels,
        "std": [0.5] * channels,
        "num_classes": num_classes,
        "classifier": classifier,
    }
    config = {"architecture": architecture, "num_classes": num_classes, "pretrained_cfg": pretrained}
    card = _CARD.format(
        architecture=architecture, seed=seed, parameters=sum(value.numel() for value in tensors.values())
    )
    return write_checkpoint(Path(folder), tensors, config, card)


def _network(architecture: str, num_classes: int, channels: int) -> torch.nn.Module:
    if not timm.is_model(architecture):
        raise PriorError(f"timm has no architecture {architecture!r}; transferbound_convnet is one")
    with quiet_construction():
        model: torch.nn.Module = timm.create_model(
            architecture, pretrained=False, num_classes=num_classes, in_chans=channels
        )
    if buffers := [name for name, _ in model.named_buffers()]:
        raise PriorError(
            f"{architecture} has buffers ({', '.join(buffers[:3])}) that a random start leaves without a value; "
            "choose an architecture with group or layer normalization"
        )
    return model


def _start(name: str, like: torch.Tensor, seed: int, is_head: bool) -> torch.Tensor:
    if is_head or (like.ndim < 2 and not name.endswith("weight")):
        return torch.zeros(like.shape)
    if like.ndim < 2:
        return torch.ones(like.shape)
    count = like.numel()
    fan_in = count // like.shape[0]
    raw = gaussian_integers(seed, f"start/{name}", 0, count).astype(np.float64)
    values = (raw * (math.sqrt(2.0 / fan_in) / GAUSSIAN_STD)).astype(np.float32)
    return torch.from_numpy(values.reshape(tuple(like.shape)))


@contextmanager
def open_random(name: str) -> Iterator[Checkpoint]:
    """The checkpoint that ``random/ARCHITECTURE/SEED`` names, made anew as :func:`export_random` makes it.

    Its files are there while the context lasts: whoever has the name has the prior.

    Raises:
        PriorError: the name is not of this form, or there is no such architecture.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise PriorError(
            f"the prior is {name[:80]!r}; a random start is random/ARCHITECTURE/SEED, as random/{_LIKE}/0"
        )
    architecture, seed = match.group(1), int(match.group(2))
    with made_anew(name, lambda folder: export_random(architecture, folder, seed=seed)) as checkpoint:
        yield checkpoint
