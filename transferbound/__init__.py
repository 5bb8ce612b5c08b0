"""PAC-Bayes compression bounds for finetuned pretrained models.

The three-line use:

    from transferbound import Prior, certify
    prior = Prior.from_pretrained("timm/tf_efficientnet_lite0.in1k")
    certificate = certify(prior, "ylecun/mnist", out="certificate")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from transferbound._version import __version__

if TYPE_CHECKING:
    from transferbound import bounds
    from transferbound.certificate.certificate import Certificate
    from transferbound.certification.certify import certify
    from transferbound.certification.settings import CertifySettings
    from transferbound.data.labelled import LabelledData
    from transferbound.finetune import FinetuneSettings
    from transferbound.priors import Prior
    from transferbound.subspace import SubspaceConfig, SubspaceModel
    from transferbound.subspace.quantizer import Quantizer
    from transferbound.verification.verdict import Verdict
    from transferbound.verification.verify import verify

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
    "__version__",
    "bounds",
    "certify",
    "verify",
]

# Loaded on first use: torch and transformers take seconds to import, and `bounds` needs neither.
_HOMES = {
    "Certificate": "certificate.certificate",
    "CertifySettings": "certification.settings",
    "FinetuneSettings": "finetune.settings",
    "LabelledData": "data.labelled",
    "Prior": "priors.prior",
    "Quantizer": "subspace.quantizer",
    "SubspaceConfig": "subspace.config",
    "SubspaceModel": "subspace.model",
    "Verdict": "verification.verdict",
    "certify": "certification.certify",
    "verify": "verification.verify",
}


def __getattr__(name: str) -> Any:
    if name == "bounds":
        return importlib.import_module("transferbound.bounds")
    if name in _HOMES:
        return getattr(importlib.import_module(f"transferbound.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
