"""Which library reads a checkpoint, and as what."""

from __future__ import annotations

import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from transferbound.priors.backends.backend import Backend
from transferbound.priors.backends.text_backend import PooledTexts, TextSequences
from transferbound.priors.backends.timm_backend import TimmBackend
from transferbound.priors.backends.transformers_backend import TransformersImages
from transferbound.priors.backends.transformers_network import read_config
from transferbound.priors.checkpoint.resolve import Checkpoint

__all__ = ["open_backend"]


def open_backend(checkpoint: Checkpoint, tensors: dict[str, torch.Tensor]) -> Backend:
    """The backend for ``checkpoint``, made of ``tensors``, which are all of its own.

    Raises:
        PriorError: neither library knows the checkpoint, or the tensors do not fit it.
    """
    if checkpoint.is_timm:
        return TimmBackend(checkpoint, tensors)
    config = read_config(checkpoint)
    if config.model_type in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES:
        return TransformersImages(checkpoint, config, tensors)
    if checkpoint.model_class.endswith("ForSequenceClassification"):
        return TextSequences(checkpoint, config, tensors)
    return PooledTexts(checkpoint, config, tensors)
