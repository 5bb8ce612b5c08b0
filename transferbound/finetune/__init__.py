"""Finetuning in the subspace, with the grid in the loop. All of it is the encoder's own business.

Nothing here is part of a certificate's proof: whatever the loop does, the bound holds for the message
that comes out, because only what the message says reaches the certified predictor.
"""

from typing import TYPE_CHECKING

from transferbound._lazy import on_first_use
from transferbound.finetune.settings import FinetuneSettings

if TYPE_CHECKING:
    from transferbound.finetune.loop import Finetuner

__all__ = ["FinetuneSettings", "Finetuner"]

__getattr__ = on_first_use(__name__, {"Finetuner": "loop"})
