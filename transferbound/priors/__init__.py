"""Priors: pretrained checkpoints, fixed before the training data is seen.

``Prior.from_pretrained`` reads a checkpoint the way its own library does (timm or transformers),
checks that every tensor of it is used or known to be a discarded head, and gives fresh modules whose
every weight is a function of the checkpoint alone.
"""

from transferbound.priors._preprocessing import ImagePreprocessing, Preprocessing, TextPreprocessing
from transferbound.priors._prior import Prior
from transferbound.priors.registry import export_efficientnet_lite0, export_mnist5000
from transferbound.priors.scratch import export_random

__all__ = [
    "ImagePreprocessing",
    "Preprocessing",
    "Prior",
    "TextPreprocessing",
    "export_efficientnet_lite0",
    "export_mnist5000",
    "export_random",
]
