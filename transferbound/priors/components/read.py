"""What a checkpoint's network holds of some inputs: one pass in float64, of inputs that are not the training data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from itertools import islice
from typing import Any

import numpy as np
import torch

from transferbound.priors.backends.preprocessing import (
    ImagePreprocessing,
    Preprocessing,
    TextPreprocessing,
    images_at_once,
)
from transferbound.priors.components.classifier import pooled
from transferbound.priors.components.taps import seen_at
from transferbound.priors.prior import Prior

__all__ = ["Wanted", "head_module", "read_features"]

Wanted = tuple[tuple[str, ...], int]
"""Modules to look at, and the side of the map that image features are averaged to."""

_BATCH = 64


def head_module(prior: Prior) -> str:
    """The module of the body that holds the checkpoint's own head."""
    return prior.head_parameters(2)[0].rsplit(".", 1)[0]


@torch.inference_mode()
def read_features(
    prior: Prior, inputs: Iterable[Any], wanted: Set[Wanted], input_size: int = 0
) -> dict[Wanted, torch.Tensor]:
    """For each of ``wanted`` the features of all ``inputs``, float64 [N, F], in the order of the inputs.

    Args:
        prior: the checkpoint.
        inputs: texts, pairs of texts or PIL images.
        wanted: what to look at.
        input_size: as for :meth:`Prior.build`.
    """
    if not wanted:
        return {}
    body = prior.build(2, head_seed=1, input_size=input_size).double()
    every = tuple(dict.fromkeys(tap for taps, _ in sorted(wanted) for tap in taps))
    parts: dict[Wanted, list[torch.Tensor]] = {one: [] for one in wanted}
    order: list[np.ndarray] = []
    for rows, batch in _batches(prior.preprocessing(input_size), inputs):
        seen, _ = seen_at(body, every, head_module(prior), batch)
        order.append(rows)
        for one in wanted:
            parts[one].append(pooled(seen, *one, batch))
    back = torch.from_numpy(np.argsort(np.concatenate(order)))
    return {one: torch.cat(features)[back] for one, features in parts.items()}


def _batches(
    preprocessing: Preprocessing, inputs: Iterable[Any]
) -> Iterator[tuple[np.ndarray, dict[str, torch.Tensor]]]:
    """Row numbers and what the network reads of them, floating point in float64; texts of one length, unpadded."""
    if isinstance(preprocessing, TextPreprocessing):
        ids = []
        for row in inputs:
            first, second = (row, None) if isinstance(row, str) else (row[0], [row[1]])
            ids += preprocessing.tokens([first], second)[0]
        lengths = np.array([len(row) for row in ids])
        for length in np.unique(lengths):
            same = np.flatnonzero(lengths == length)
            for rows in np.split(same, range(_BATCH, len(same), _BATCH)):
                tokens = torch.tensor([ids[row] for row in rows])
                yield rows, {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        return
    assert isinstance(preprocessing, ImagePreprocessing)
    mean, std = (
        torch.tensor(values, dtype=torch.float32)[:, None, None]
        for values in (preprocessing.mean, preprocessing.std)
    )
    pictures, start = iter(inputs), 0
    while batch := list(islice(pictures, images_at_once(preprocessing.input_size))):
        pixels = np.stack([preprocessing.pixels(picture, preprocessing.channels == 1) for picture in batch])
        values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() * preprocessing.scale
        yield np.arange(start, start + len(batch)), {"pixel_values": ((values - mean) / std).double()}
        start += len(batch)
