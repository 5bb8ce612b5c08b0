"""Finetuning in the subspace, with the grid in the loop. All of it is the encoder's own business.

Nothing here is part of a certificate's proof: whatever the loop does, the bound holds for the message
that comes out, because only what the message says reaches the certified predictor.
"""

from transferbound.finetune.loop import Finetuner
from transferbound.finetune.settings import FinetuneSettings

__all__ = ["FinetuneSettings", "Finetuner"]
