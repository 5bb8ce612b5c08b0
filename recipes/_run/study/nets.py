"""Small networks in a hashed subspace, for studies: the recipes' method at a fixed number of passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferbound import Certificate, CertifySettings, FinetuneSettings, SubspaceConfig
from transferbound.certification.certify import certify_inputs
from transferbound.certification.inputs import Inputs


@dataclass(frozen=True)
class Net:
    """An instrument: all parameters move in ``dim`` hashed coordinates, fixed on five levels one after another.

    Attributes:
        dim: d.
        epochs: passes over the rows.
        batch_size, learning_rate: of the recipes.
        bit_weight: 1 trades bits for errors as the bound does.
        seed: of the order of the rows.
    """

    dim: int
    epochs: float
    seed: int = 0
    batch_size: int = 64
    learning_rate: float = 0.1
    bit_weight: float = 1.0

    def certify(self, inputs: Inputs, out: Path, variant: Mapping[str, Any]) -> Certificate:
        """Trains, codes and counts as ``certify`` does."""
        finetune = FinetuneSettings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            bit_weight=self.bit_weight,
            quantize_from=0.3,
            fix_until=0.95,
            seed=self.seed,
        )
        settings = CertifySettings(
            subspace=SubspaceConfig("hashed", self.dim), levels=5, finetune=finetune, **variant
        )
        return certify_inputs(inputs, out, settings, progress=False)
