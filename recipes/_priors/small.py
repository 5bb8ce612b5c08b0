"""Small networks as priors: at a random start, or trained on another data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _run.options import MakePrior, Options
from tqdm import tqdm

from transferbound import LabelledData, Prior
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.message.variants import Axes
from transferbound.message.variants import variant as point_of
from transferbound.priors import export_random
from transferbound.priors.checkpoint.write import write_checkpoint

#: The declared variants of a recipe that starts from these networks: an architecture and a seed of its start. Each
#: message pays log2 of their number. All that was tried by hand on these data sets is in the list; the "tried" ones are
#: small changes to the convolutional network that are not kept: its first kernel, its width, where it normalizes, how
#: it pools, what its alignment takes out.
ARCHITECTURES = (
    *("transferbound_lenet5", "transferbound_convnet", "transferbound_convnet_aligned"),
    *("transferbound_convnet_wide", "transferbound_convnet_wide_aligned"),
    *(f"tried_{number}" for number in range(11)),
)
SEEDS = range(16)
_AXES: Axes = {"architecture": ARCHITECTURES, "seed": SEEDS}

_BATCH, _LEARNING_RATE = 128, 2e-3

_CARD = """---
library_name: timm
pipeline_tag: image-classification
license: cc0-1.0
datasets:
- {hub_id}
tags:
- timm
---
# {architecture}, trained on {hub_id}

All {parameters:,} parameters were trained for {epochs} epochs on {rows:,} labelled images of `{hub_id}` (split
`{split}`, content {fingerprint}), and on nothing else.
"""


def variant(architecture: str, seed: int) -> dict[str, Any]:
    """The arguments of ``CertifySettings`` that pay for the choice of architecture and seed.

    The list of architectures grew with what was tried on these data sets.
    """
    return {**point_of(_AXES, architecture=architecture, seed=seed), "list_written": "after"}


def at_random(architecture: str, seed: int) -> MakePrior:
    """The prior of a recipe: the network at a random start, and nothing else."""

    def write(folder: Path, options: Options) -> str:
        return _random_start(folder, architecture, seed)

    return write


def trained_on(source: str, architecture: str, seed: int, epochs: int) -> MakePrior:
    """The prior of a recipe: the network trained in full on the data set ``source`` (a Hub id)."""

    def write(folder: Path, options: Options) -> str:
        return trained_elsewhere(
            folder,
            architecture,
            seed,
            options.source or source,
            hub_id=source,
            epochs=epochs,
            rows=options.source_rows,
        )

    return write


def trained_elsewhere(
    folder: Path,
    architecture: str,
    seed: int,
    source: str,
    *,
    hub_id: str,
    epochs: int,
    rows: int | None = None,
) -> str:
    """The network trained in full on ``source`` (``hub_id`` on its card): the path of a checkpoint with its card.

    Args:
        folder: below which it is written, unless it is there.
        architecture, seed: of the random start.
        source: data set, by Hub id or local folder.
        hub_id: what the card calls it.
        epochs: passes over it.
        rows: how many of its first rows are used; None is all.
    """
    start = _random_start(folder, architecture, seed)
    target = Path(f"{start}-{hub_id.split('/')[-1]}-{epochs}{'' if rows is None else f'-{rows}'}")
    if target.exists():
        return str(target)
    prior = Prior.from_pretrained(start)
    data = LabelledData.load(source, split="train" if rows is None else f"train[:{rows}]")
    module = prior.build(data.num_classes)
    _train(module, encode(prior.preprocessing(), data), epochs, seed, f"training on {hub_id}")
    _write(Path(start), target, module, hub_id, data, epochs)
    return str(target)


def _random_start(folder: Path, architecture: str, seed: int) -> str:
    target = folder / f"{architecture}-random{seed}"
    if not target.exists():
        export_random(architecture, target, seed=seed)
    return str(target)


def _train(module: torch.nn.Module, encoded: EncodedData, epochs: int, seed: int, title: str) -> None:
    """All parameters, by Adam over one cycle of the learning rate; ``seed`` orders the rows."""
    optimizer = torch.optim.Adam(module.parameters(), lr=_LEARNING_RATE)
    steps = epochs * -(-encoded.n // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_LEARNING_RATE, total_steps=steps)
    random = np.random.default_rng(seed)
    module.train()
    with tqdm(total=steps, desc=title, unit="step") as bar:
        for _ in range(epochs):
            for _, batch, labels in encoded.batches(_BATCH, order=random.permutation(encoded.n)):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(module(**batch), labels).backward()
                optimizer.step()
                schedule.step()
                bar.update()


def _write(
    start: Path, target: Path, module: torch.nn.Module, hub_id: str, data: LabelledData, epochs: int
) -> None:
    tensors = {name.removeprefix("network."): value for name, value in module.state_dict().items()}
    config = json.loads((start / "config.json").read_text(encoding="utf-8"))
    config["pretrained_cfg"]["tag"] = hub_id.split("/")[-1]
    card = _CARD.format(
        hub_id=hub_id,
        architecture=config["architecture"],
        parameters=sum(value.numel() for value in tensors.values()),
        epochs=epochs,
        rows=data.n,
        split=data.split,
        fingerprint=data.fingerprint[:16],
    )
    write_checkpoint(target, tensors, config, card)
