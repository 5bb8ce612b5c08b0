"""Work shared by processes: shares of rows, sums, means, and what all of them agree on.

``accelerator`` is an ``accelerate.Accelerator``, or None for a process that is alone. Every process must make
the same calls in the same order: each waits for the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = [
    "accelerator_for",
    "all_agree",
    "from_first",
    "gathered",
    "is_alone",
    "mean",
    "same_everywhere",
    "share",
    "total",
]


@contextmanager
def accelerator_for(mixed_precision: str) -> Iterator[Accelerator]:
    """An accelerator of this precision, whatever precision another run of this process had.

    ``accelerate`` keeps one state for a process, and refuses another precision: what it keeps of the program's own
    accelerator, or that there was none, is as it was afterwards.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    kept = [(state, dict(state._shared_state)) for state in (AcceleratorState, GradientState)]
    AcceleratorState._reset_state()
    try:
        yield Accelerator(mixed_precision=mixed_precision)
    finally:
        for state, values in kept:
            state._shared_state.clear()
            state._shared_state.update(values)


def is_alone(accelerator: Accelerator | None) -> bool:
    """Whether this is the only process."""
    return accelerator is None or bool(accelerator.num_processes == 1)


def share(rows: npt.NDArray[np.int64], accelerator: Accelerator | None) -> npt.NDArray[np.int64]:
    """This process's part of ``rows``: every k-th of them, so that rows sorted by length are shared evenly."""
    if accelerator is None:
        return rows
    return rows[accelerator.process_index :: accelerator.num_processes]


def total(here: Tensor, accelerator: Accelerator | None) -> Tensor:
    """The sum of ``here``, a tensor of the same shape in each process, over the processes."""
    if accelerator is None or is_alone(accelerator):
        return here
    summed: Tensor = accelerator.reduce(here.to(accelerator.device), reduction="sum")
    return summed


def mean(here: float, accelerator: Accelerator | None) -> float:
    """The mean over the processes: of clocks that differ, where decisions must not."""
    if accelerator is None or is_alone(accelerator):
        return here
    return float(total(torch.tensor(float(here)), accelerator) / accelerator.num_processes)


def gathered(here: Tensor, accelerator: Accelerator | None) -> Tensor:
    """``here`` of every process, one after the other along the first dimension; all of one shape."""
    if accelerator is None or is_alone(accelerator):
        return here
    found: Tensor = accelerator.gather(here)
    return found


def from_first(here: bytes, accelerator: Accelerator | None) -> bytes:
    """What the first process has; where threads add up in another order, the others may have something else."""
    if accelerator is None or is_alone(accelerator):
        return here
    from accelerate.utils import broadcast_object_list

    shared: list[bytes] = broadcast_object_list([here])
    return shared[0]


def all_agree(here: bool, accelerator: Accelerator | None) -> bool:
    """Whether ``here`` is true in all processes."""
    if accelerator is None or is_alone(accelerator):
        return here
    return bool(total(torch.tensor(int(here)), accelerator) == accelerator.num_processes)


def same_everywhere(here: str, accelerator: Accelerator | None) -> bool:
    """Whether ``here`` is the same text in all processes."""
    if accelerator is None or is_alone(accelerator):
        return True
    number = int.from_bytes(hashlib.sha256(here.encode()).digest()[:4], "little")
    return bool((gathered(torch.tensor([number], device=accelerator.device), accelerator) == number).all())
