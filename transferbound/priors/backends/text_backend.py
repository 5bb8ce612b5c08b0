"""transformers checkpoints of texts: sequence classifiers, and encoders or decoders whose hidden states are pooled."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import nn

from transferbound.errors import PriorError
from transferbound.priors.backends.dense import check_widths, dense_layers, split_dense
from transferbound.priors.backends.pooling import declared_pooling
from transferbound.priors.backends.preprocessing import TextPreprocessing
from transferbound.priors.backends.quiet import quiet_construction
from transferbound.priors.backends.tokenizer import (
    MAX_TOKENS,
    most_tokens,
    pad_id,
    read_tokenizer,
    text_preprocessing,
)
from transferbound.priors.backends.transformers_backend import TransformersBackend
from transferbound.priors.backends.transformers_network import TransformersNetwork, hidden_size
from transferbound.priors.backends.wrappers import PooledTextClassifier, TextClassifier
from transferbound.priors.checkpoint.resolve import Checkpoint

__all__ = ["PooledTexts", "TextBackend", "TextSequences"]


class TextBackend(TransformersBackend):
    """A checkpoint with a tokenizer."""

    modality = "text"

    def __init__(
        self, checkpoint: Checkpoint, network: TransformersNetwork, tensors: dict[str, torch.Tensor]
    ) -> None:
        config = network.config
        self._tokenizer = read_tokenizer(checkpoint.folder, checkpoint.name, config)
        if getattr(config, "pad_token_id", None) is None:
            # Decoders with a classifier look for the last token that is not this one.
            config.pad_token_id = pad_id(self._tokenizer)
        super().__init__(checkpoint, network, tensors)
        self._most_tokens = most_tokens(self._tokenizer, config, self.folder, self._name)
        self.input_size = min(MAX_TOKENS, self._most_tokens)

    def preprocessing(self, input_size: int) -> TextPreprocessing:
        size = input_size or self.input_size
        if not 2 <= size <= self._most_tokens:
            raise PriorError(
                f"input size {size} is out of range; the prior {self._name} reads "
                f"2 to {self._most_tokens} tokens"
            )
        return text_preprocessing(self._tokenizer, self._files.fingerprint, size, self._pooling_described())

    def _pooling_described(self) -> dict[str, Any]:
        """Plain JSON: how hidden states become features, where that is not the network's own affair."""
        return {"pooling": ""}


class TextSequences(TextBackend):
    """A sequence classifier of transformers."""

    def __init__(self, checkpoint: Checkpoint, config: Any, tensors: dict[str, torch.Tensor]) -> None:
        factory = transformers.AutoModelForSequenceClassification
        super().__init__(checkpoint, TransformersNetwork(checkpoint.name, factory, config, "own"), tensors)

    def skeleton(self, num_classes: int, input_size: int) -> nn.Module:
        return TextClassifier(self._network.build(num_classes))


class PooledTexts(TextBackend):
    """An encoder or decoder: its pooled hidden states, then sentence-transformers' dense layers, then a new head."""

    def __init__(self, checkpoint: Checkpoint, config: Any, tensors: dict[str, torch.Tensor]) -> None:
        name, folder = checkpoint.name, checkpoint.folder
        self._pooling = declared_pooling(folder, name, config, checkpoint.model_class)
        self._dense = dense_layers(folder, name)
        self._width = check_widths(self._dense, hidden_size(config, name), name)
        dense, rest = split_dense(self._dense, tensors)
        super().__init__(checkpoint, TransformersNetwork(name, transformers.AutoModel, config, "none"), rest)
        self._state |= {f"dense.{key}": value for key, value in dense.items()}

    def skeleton(self, num_classes: int, input_size: int) -> nn.Module:
        network = self._network.build(num_classes)
        with quiet_construction():
            dense = {layer.place: layer.build() for layer in self._dense}
            return PooledTextClassifier(network, self._width, num_classes, self._pooling, dense)

    def _pooling_described(self) -> dict[str, Any]:
        dense = {"dense": [layer.to_dict() for layer in self._dense]} if self._dense else {}
        return {"pooling": self._pooling, **dense}
