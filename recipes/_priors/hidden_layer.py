"""A layer and a head on the fixed bank of filters, trained on pictures that are no rows of any task."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import timm
import torch
from torch import nn
from tqdm import tqdm

from transferbound.priors.checkpoint.write import timm_config, write_checkpoint

__all__ = ["write_hidden_layer"]

ARCHITECTURE = "transferbound_filters_hidden"
_BATCH, _LEARNING_RATE, _DECAY = 256, 3e-3, 0.02
_DROPPED, _DROPPED_HIDDEN, _SMOOTHING = 0.2, 0.3, 0.05

_CARD = """---
library_name: timm
pipeline_tag: image-classification
license: cc0-1.0
tags:
- timm
---
# {architecture}

Gabor energies of an aligned picture, in which nothing was trained, a layer of {hidden} units and a head for ten
digits. Layer and head were trained for {epochs} passes over {rows:,} pictures ({digest}), and on nothing else:
{what}
"""


def write_hidden_layer(
    target: Path,
    pictures: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    *,
    epochs: int,
    what: str,
    seed: int = 0,
) -> Path:
    """Trains and writes the checkpoint.

    Args:
        target: folder of the checkpoint, which must not hold anything.
        pictures, labels: [N, 28, 28] and [N], from 0 to 9.
        epochs: passes over them.
        what: a sentence for the card: what the pictures are.
        seed: of the start and of the order.
    """
    torch.manual_seed(seed)
    network: Any = timm.create_model(ARCHITECTURE, num_classes=10)
    features = _features(network, pictures)
    _train(network, features, torch.from_numpy(labels), epochs)
    config = timm_config(ARCHITECTURE, network, num_classes=10, tag="drawn_digits")
    card = _CARD.format(
        architecture=ARCHITECTURE,
        hidden=network.hidden.out_features,
        epochs=epochs,
        rows=len(pictures),
        digest=f"sha256 {hashlib.sha256(pictures.tobytes() + labels.tobytes()).hexdigest()[:16]}",
        what=what,
    )
    return write_checkpoint(target, network.state_dict(), config, card)


@torch.inference_mode()
def _features(network: Any, pictures: npt.NDArray[np.uint8]) -> torch.Tensor:
    """What the fixed part sees, [N, F]: once, as nothing of it moves."""
    parts = [
        network.fixed_features(torch.from_numpy(pictures[start : start + _BATCH]).float()[:, None] / 255)
        for start in tqdm(range(0, len(pictures), _BATCH), desc="features", unit="batch")
    ]
    return torch.cat(parts).clone()


def _train(network: Any, features: torch.Tensor, labels: torch.Tensor, epochs: int) -> None:
    """Layer and head, in place; the features are centred and scaled alike, which the layer takes over at the end."""
    mean, scale = features.mean(0), features.std(0).mean()
    features = (features - mean) / scale
    model = nn.Sequential(
        nn.Dropout(_DROPPED), network.hidden, nn.ReLU(), nn.Dropout(_DROPPED_HIDDEN), network.fc
    )
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=_DECAY)
    steps = epochs * -(-len(features) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_LEARNING_RATE, total_steps=steps)
    model.train()
    with tqdm(total=steps, desc="training layer and head", unit="step") as bar:
        for _ in range(epochs):
            for rows in torch.randperm(len(features)).split(_BATCH):
                optimizer.zero_grad()
                answers = model(features[rows])
                nn.functional.cross_entropy(answers, labels[rows], label_smoothing=_SMOOTHING).backward()
                optimizer.step()
                schedule.step()
                bar.update()
    with torch.no_grad():
        network.hidden.weight /= scale
        network.hidden.bias -= network.hidden.weight @ mean
