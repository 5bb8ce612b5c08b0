"""How large pictures are made for a network: larger ones tell more, and take more time."""

from __future__ import annotations

import time

import torch

from transferbound.certification.settings import default_input_size
from transferbound.data.labelled import LabelledData
from transferbound.message import INPUT_SIZES
from transferbound.priors import Prior

__all__ = ["affordable_input_size"]

_MOST_TIMES = 3.0  # the side of the data's own pictures
_TRIED = 32  # pictures


def affordable_input_size(
    prior: Prior, data: LabelledData, device: torch.device, rows: int, seconds: float
) -> int:
    """The largest declared size at which passes over ``rows`` pictures are about done in ``seconds``.

    From :func:`default_input_size`, which is the least, up to three times the side of the data's first picture, and
    never above the checkpoint's own size. 0, the checkpoint's own, for text.
    """
    least = default_input_size(prior, data)
    if least == 0:
        return 0
    most = min(_MOST_TIMES * max(next(data.images()).size), prior.input_size - 1)
    best, each = least, _seconds_per_pixel(prior, least, device)
    for size in INPUT_SIZES:
        if least < size <= most and rows * each * size**2 <= seconds and prior.reads_size(size):
            best = size
    return best


@torch.inference_mode()
def _seconds_per_pixel(prior: Prior, size: int, device: torch.device) -> float:
    module = prior.build(2, input_size=size).to(device)
    channels = getattr(prior.preprocessing(size), "channels", 3)
    pixels = torch.zeros(_TRIED, channels, size, size, device=device).contiguous(
        memory_format=torch.channels_last
    )
    taken = []
    for _ in range(3):
        started = time.monotonic()
        module(pixel_values=pixels).sum().item()
        taken.append(time.monotonic() - started)
    return min(taken) / (_TRIED * size**2)
