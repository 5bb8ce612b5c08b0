"""Priors: pretrained checkpoints, fixed before the training data is seen.

``Prior.from_pretrained`` reads a checkpoint the way its own library does (timm or transformers),
checks that every tensor of it is used or known to be a discarded head, and gives fresh modules whose
every weight is a function of the checkpoint alone.
"""

from transferbound.priors.backends.document_preprocessing import DocumentPreprocessing
from transferbound.priors.backends.preprocessing import (
    ImagePreprocessing,
    Preprocessing,
    TextPreprocessing,
    images_at_once,
)
from transferbound.priors.backends.wrappers import LanguageModel
from transferbound.priors.components import principal
from transferbound.priors.fixed_map import export_fixed
from transferbound.priors.prior import Prior
from transferbound.priors.random_start import export_random

__all__ = [
    "DocumentPreprocessing",
    "ImagePreprocessing",
    "LanguageModel",
    "Preprocessing",
    "Prior",
    "TextPreprocessing",
    "export_fixed",
    "export_random",
    "images_at_once",
    "principal",
]
