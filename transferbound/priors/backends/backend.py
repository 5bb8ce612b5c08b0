"""What ``Prior`` asks of the two libraries that it reads checkpoints with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from transferbound.priors.backends.preprocessing import Preprocessing

__all__ = ["Backend", "quiet_construction"]


class Backend(ABC):
    """A checkpoint read by timm or transformers."""

    source: str
    modality: str
    architecture: str
    #: Number of classes of the checkpoint's own head; 0 if it has none.
    own_classes: int
    #: The checkpoint's own input size: image side in pixels, or most tokens in a row.
    input_size: int
    #: Tensors of the checkpoint that no prior uses: pretraining heads, unused poolers.
    unused: tuple[str, ...]

    @abstractmethod
    def state(self, input_size: int) -> dict[str, torch.Tensor]:
        """The pretrained tensors under the names of ``skeleton``'s ``state_dict``."""

    @abstractmethod
    def skeleton(self, num_classes: int, input_size: int) -> nn.Module:
        """A module of the right shapes; its values are arbitrary."""

    @abstractmethod
    def preprocessing(self, input_size: int) -> Preprocessing:
        """The checkpoint's own preprocessing, at ``input_size`` (its own where 0)."""


@contextmanager
def quiet_construction() -> Iterator[None]:
    """Build modules without moving torch's global random state; every value is overwritten afterwards."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)  # the CPU's alone: torch.manual_seed would move the GPU's too
        yield
