"""How large pictures, and how long texts, are made for a network: more tells more, and takes more time."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from transferbound.certification.settings import default_input_size
from transferbound.data.labelled import LabelledData
from transferbound.message import INPUT_SIZES
from transferbound.priors import Prior
from transferbound.priors.backends.preprocessing import TextPreprocessing

__all__ = ["affordable_input_size"]

_MOST_TIMES = 3.0  # the side of the data's own pictures
_TRIED = 32  # pictures
_RUNS = 3
_LEAST_TOKENS = 32
_TEXTS, _TOKENS = 8, 64  # that are timed
_FEW = 100_000  # tokens of all rows, below which no time is spent on finding out


def affordable_input_size(
    prior: Prior, data: LabelledData, device: torch.device, rows: int, seconds: float
) -> int:
    """The largest declared size at which passes over ``rows`` rows are about done in ``seconds``.

    Pictures: from :func:`default_input_size`, which is the least, up to three times the side of the data's first
    picture, and never above the checkpoint's own size. Texts: 0, the checkpoint's own, if there is time for it, else
    the most tokens that there is time for, at least 32.
    """
    if data.modality != "image":
        return _affordable_tokens(prior, data, device, rows, seconds)
    least = default_input_size(prior, data)
    if least == 0:
        return 0
    most = min(_MOST_TIMES * max(next(data.images()).size), prior.input_size - 1)
    best, each = least, _seconds_per_pixel(prior, least, device)
    for size in INPUT_SIZES:
        if least < size <= most and rows * each * size**2 <= seconds and prior.reads_size(size):
            best = size
    return best


def _affordable_tokens(
    prior: Prior, data: LabelledData, device: torch.device, rows: int, seconds: float
) -> int:
    preprocessing = prior.preprocessing(0)
    assert isinstance(preprocessing, TextPreprocessing)
    lengths = np.array([len(row) for row in preprocessing.tokens(*next(data.texts()))[0]])
    if rows * lengths.mean() < _FEW:
        return 0
    each = _seconds_per_token(prior, preprocessing, device)
    best = 0
    for size in (*INPUT_SIZES, preprocessing.input_size):
        affordable = rows * each * np.minimum(lengths, size).mean() <= seconds
        if _LEAST_TOKENS <= size <= preprocessing.input_size and (affordable or best == 0):
            best = size
    return 0 if best == preprocessing.input_size else best


@torch.inference_mode()
def _seconds_per_token(prior: Prior, preprocessing: TextPreprocessing, device: torch.device) -> float:
    module = prior.build(2).to(device)
    length = min(_TOKENS, preprocessing.input_size)
    tokens = torch.full((_TEXTS, length), preprocessing.empty_id, device=device)
    mask = torch.ones_like(tokens)
    return _seconds(lambda: module(input_ids=tokens, attention_mask=mask).sum().item()) / tokens.numel()


@torch.inference_mode()
def _seconds_per_pixel(prior: Prior, size: int, device: torch.device) -> float:
    module = prior.build(2, input_size=size).to(device)
    channels = getattr(prior.preprocessing(size), "channels", 3)
    pixels = torch.zeros(_TRIED, channels, size, size, device=device).contiguous(
        memory_format=torch.channels_last
    )
    return _seconds(lambda: module(pixel_values=pixels).sum().item()) / (_TRIED * size**2)


def _seconds(run: Callable[[], object]) -> float:
    """What a run takes, others on the same machine included: the fastest of some would leave them out."""
    run()
    started = time.monotonic()
    for _ in range(_RUNS):
        run()
    return (time.monotonic() - started) / _RUNS
