"""Which library reads a checkpoint, and as what."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_MAPPING_NAMES,
)

from transferbound.errors import PriorError
from transferbound.priors.backends.backend import Backend
from transferbound.priors.backends.causal_lm import CausalLanguageModel
from transferbound.priors.backends.text_backend import PooledTexts, TextSequences
from transferbound.priors.backends.timm_backend import TimmBackend
from transferbound.priors.backends.transformers_backend import TransformersImages
from transferbound.priors.backends.transformers_network import read_config
from transferbound.priors.checkpoint.resolve import Checkpoint
from transferbound.tasks import CLASSIFICATION, TEXT_GENERATION

__all__ = ["open_backend"]


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
    _check_reads_texts(checkpoint, config)
    return PooledTexts(checkpoint, config, tensors)


def _check_reads_texts(checkpoint: Checkpoint, config: Any) -> None:
    """Refuses networks of pictures that transformers has no classifier of, of sound and of tables.

    Raises:
        PriorError: says what the checkpoint is, and what can be named in its place.
    """
    name, saved = checkpoint.name, checkpoint.model_class or "a network"
    what = f"the prior {name}, saved as {saved[:80]} (model type {str(config.model_type)[:80]}),"
    if "MAE" in saved:
        raise PriorError(
            f"{what} is a masked autoencoder, which transformers has no classifier of; name its encoder, saved as a "
            "ViTModel or for timm, or a checkpoint that was finetuned from it"
        )
    found = MODEL_MAPPING_NAMES.get(config.model_type, "")
    network = getattr(transformers, found if isinstance(found, str) else found[0], None)
    reads = getattr(network, "main_input_name", "input_ids")
    if network is None or reads not in ("input_ids", "inputs_embeds"):
        kind = {"pixel_values": "pictures", "input_values": "sound", "input_features": "sound"}.get(
            reads, "no texts"
        )
        raise PriorError(
            f"{what} reads {kind}, and transformers has no image classifier of that type; name an image classifier, "
            "a text encoder or a text decoder"
        )
