"""What ``Prior`` asks of the two libraries that it reads checkpoints with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import nn

from transferbound.priors.backends.preprocessing import Preprocessing

__all__ = ["Backend"]


class Backend(ABC):
    """A checkpoint read by timm or transformers."""

    source: str
    modality: str
    architecture: str
    #: Number of classes of the checkpoint's own head; 0 if it has none.
    own_classes: int
    #: Names of those classes, in their order; None where its config has none.
    own_names: tuple[str, ...] | None
    #: The checkpoint's own input size: image side in pixels, or most tokens in a row.
    input_size: int
    #: Tensors of the checkpoint that no prior uses: pretraining heads, unused poolers.
    unused: tuple[str, ...]
    #: Copies of the files beside the weights that are read of it, as long as this object lives.
    folder: Path

    @abstractmethod
    def state(self, input_size: int) -> dict[str, torch.Tensor]:
        """The pretrained tensors under the names of ``skeleton``'s ``state_dict``."""

    @abstractmethod
    def skeleton(self, num_classes: int, input_size: int) -> nn.Module:
        """A module of the right shapes; its values are arbitrary."""

    @abstractmethod
    def preprocessing(self, input_size: int) -> Preprocessing:
        """The checkpoint's own preprocessing, at ``input_size`` (its own where 0)."""
