"""Which library reads a checkpoint, and as what."""

from __future__ import annotations

import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from transferbound.priors.backends.backend import Backend
from transferbound.priors.backends.causal_lm import CausalLanguageModel
from transferbound.priors.backends.text_backend import PooledTexts, TextSequences
from transferbound.priors.backends.timm_backend import TimmBackend
from transferbound.priors.backends.transformers_backend import TransformersImages
from transferbound.priors.backends.transformers_network import read_config
from transferbound.priors.checkpoint.resolve import Checkpoint

__all__ = ["CLASSIFICATION", "TASKS", "TEXT_GENERATION", "open_backend"]

CLASSIFICATION, TEXT_GENERATION = "classification", "text-generation"
TASKS = (CLASSIFICATION, TEXT_GENERATION)
"""What a checkpoint can be a prior for: classes of a row, or the tokens of a document."""


def open_backend(
    checkpoint: Checkpoint, tensors: dict[str, torch.Tensor], task: str = CLASSIFICATION
) -> Backend:
    """The backend for ``checkpoint``, made of ``tensors``, which are all of its own.

    Args:
        task: one of ``TASKS``.

    Raises:
        PriorError: neither library knows the checkpoint, the tensors do not fit it, or it is for another task.
    """
    if task == TEXT_GENERATION:
        return CausalLanguageModel(checkpoint, tensors)
    if checkpoint.is_timm:
        return TimmBackend(checkpoint, tensors)
    config = read_config(checkpoint)
    if config.model_type in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES:
        return TransformersImages(checkpoint, config, tensors)
    if checkpoint.model_class.endswith("ForSequenceClassification"):
        return TextSequences(checkpoint, config, tensors)
    return PooledTexts(checkpoint, config, tensors)
