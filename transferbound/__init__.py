"""PAC-Bayes compression bounds for finetuned pretrained models.

The three-line use:

    from transferbound import Prior, certify
    prior = Prior.from_pretrained("timm/tf_efficientnet_lite0.in1k")
    certificate = certify(prior, "ylecun/mnist", out="certificate")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from transferbound import bounds
    from transferbound.certificate import Certificate
    from transferbound.certification import CertifySettings, certify
    from transferbound.data import LabelledData
    from transferbound.finetune import FinetuneSettings
    from transferbound.priors import Prior
    from transferbound.quantize import Quantizer
    from transferbound.subspace import SubspaceConfig, SubspaceModel
    from transferbound.verification import Verdict, verify

__all__ = [
    "Certificate",
    "CertifySettings",
    "FinetuneSettings",
    "LabelledData",
    "Prior",
    "Quantizer",
    "SubspaceConfig",
    "SubspaceModel",
    "Verdict",
    "bounds",
    "certify",
    "verify",
]

# Loaded on first use: torch and transformers take seconds to import, and `bounds` needs neither.
_HOMES = {
    "Certificate": "certificate",
    "CertifySettings": "certification",
    "FinetuneSettings": "finetune",
    "LabelledData": "data",
    "Prior": "priors",
    "Quantizer": "quantize",
    "SubspaceConfig": "subspace",
    "SubspaceModel": "subspace",
    "Verdict": "verification",
    "certify": "certification",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    if name == "bounds":
        return importlib.import_module("transferbound.bounds")
    if name in _HOMES:
        return getattr(importlib.import_module(f"transferbound.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
