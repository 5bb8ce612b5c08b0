"""Priors that studies make: small networks trained on some rows, text encoders at random or cut short."""

from __future__ import annotations

from pathlib import Path

import torch
from _priors.small import trained_elsewhere
from transformers import AutoConfig, AutoModel, AutoTokenizer

from transferbound.priors.checkpoint.write import new_checkpoint

_CARD = """---
library_name: transformers
pipeline_tag: feature-extraction
license: apache-2.0
---
# all-MiniLM-L6-v2, {what}
"""


def trained_net(
    folder: Path,
    architecture: str,
    seed: int,
    rows: str,
    called: str,
    *,
    epochs: int,
    first: int | None = None,
) -> str:
    """A small network of random start ``seed`` trained on the rows at ``rows``, or the first of them; its path.

    Args:
        folder: below which it is written, unless it is there.
        architecture, seed: of the start.
        rows: path of a data set.
        called: what its card calls the data.
        epochs: passes.
        first: how many of the rows; None: all.
    """
    own = folder / Path(rows).name
    return trained_elsewhere(own, architecture, seed, rows, hub_id=called, epochs=epochs, rows=first)


def encoder(folder: Path, base: str, *, layers: int | None = None, seed: int | None = None) -> str:
    """MiniLM with its first ``layers`` alone, or all of it with weights drawn by ``seed``; its path."""
    name = f"minilm-{'random' + str(seed) if seed is not None else 'layers' + str(layers)}"
    target = folder / name
    if target.exists():
        return str(target)
    folder.mkdir(parents=True, exist_ok=True)
    config = AutoConfig.from_pretrained(base)
    if seed is None:
        network = AutoModel.from_pretrained(base, add_pooling_layer=False, num_hidden_layers=layers)
        what = f"its first {layers} layers"
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = AutoModel.from_config(config, add_pooling_layer=False)
        what = (
            f"its architecture with weights at random, torch's seed {seed}: no training, and no training data"
        )
    with new_checkpoint(target, _CARD.format(what=what)) as partial:
        network.save_pretrained(partial)
        AutoTokenizer.from_pretrained(base).save_pretrained(partial)
    return str(target)
