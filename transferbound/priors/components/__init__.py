"""Principal components of what a checkpoint's network holds at some depths, as a basis for a small head.

A function of the checkpoint, of reference inputs that are not the training data, and of a choice that the message
pays for: none of it is sent.
"""

from transferbound.priors.components.family import FAMILY, FeatureChoice, choices
from transferbound.priors.components.principal import principal

__all__ = ["FAMILY", "FeatureChoice", "choices", "principal"]
