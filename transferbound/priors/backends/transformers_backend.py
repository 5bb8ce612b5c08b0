"""transformers checkpoints, and the image classifiers among them."""

from __future__ import annotations

import inspect
from typing import Any

import torch
import transformers
from torch import nn

from transferbound.priors.backends.backend import Backend
from transferbound.priors.backends.image_processor import image_preprocessing
from transferbound.priors.backends.preprocessing import ImagePreprocessing
from transferbound.priors.backends.transformers_network import Head, TransformersNetwork
from transferbound.priors.backends.wrappers import ImageClassifier
from transferbound.priors.checkpoint.resolve import Checkpoint
from transferbound.priors.class_order import own_names

__all__ = ["TransformersBackend", "TransformersImages"]


class TransformersBackend(Backend):
    """A checkpoint whose ``config.json`` names a transformers model type."""

    source = "transformers"

    def __init__(
        self, checkpoint: Checkpoint, network: TransformersNetwork, tensors: dict[str, torch.Tensor]
    ) -> None:
        self._name, self.folder, self._files = checkpoint.name, checkpoint.folder, checkpoint.read
        self._network = network
        module, self.unused = network.load(tensors)
        self.architecture = type(module).__name__
        self.own_classes = int(network.config.num_labels) if network.head == "own" else 0
        self.own_names = own_names(checkpoint.config.get("id2label"), self.own_classes)
        self._state = {f"network.{key}": value.detach().clone() for key, value in module.state_dict().items()}

    def state(self, input_size: int) -> dict[str, torch.Tensor]:
        return self._state


class TransformersImages(TransformersBackend):
    """An image classifier, or an image network that a head is put on by transformers."""

    modality = "image"

    def __init__(self, checkpoint: Checkpoint, config: Any, tensors: dict[str, torch.Tensor]) -> None:
        factory = transformers.AutoModelForImageClassification
        head: Head = "own" if checkpoint.model_class.endswith("ForImageClassification") else "new"
        super().__init__(checkpoint, TransformersNetwork(checkpoint.name, factory, config, head), tensors)
        self._own = image_preprocessing(self._files, self._name, config, 0)
        self.input_size = self._own.input_size

    def skeleton(self, num_classes: int, input_size: int) -> nn.Module:
        network = self._network.build(num_classes)
        resized = input_size not in (0, self.input_size)
        if resized and "interpolate_pos_encoding" in inspect.signature(network.forward).parameters:
            return ImageClassifier(network, interpolate_pos_encoding=True)
        return ImageClassifier(network)

    def preprocessing(self, input_size: int) -> ImagePreprocessing:
        if input_size in (0, self.input_size):
            return self._own
        return image_preprocessing(self._files, self._name, self._network.config, input_size)
