"""PAC-Bayes compression bounds for finetuned pretrained models.

The three-line use:

    from transferbound import Prior, certify
    prior = Prior.from_pretrained("timm/tf_efficientnet_lite0.in1k")
    certificate = certify(prior, "ylecun/mnist", out="certificate")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transferbound._lazy import on_first_use
from transferbound._threads import wait_passively
from transferbound._version import __version__

if TYPE_CHECKING:
    from transferbound import bounds
    from transferbound.certificate.certificate import Certificate
    from transferbound.certification.certify import certify
    from transferbound.certification.certify_language import certify_language
    from transferbound.certification.language_settings import LanguageSettings
    from transferbound.certification.settings import CertifySettings
    from transferbound.data.documents import Documents
    from transferbound.data.labelled import LabelledData
    from transferbound.finetune import FinetuneSettings
    from transferbound.prediction.predictor import Prediction, Predictor
    from transferbound.priors import Prior
    from transferbound.subspace import SubspaceConfig, SubspaceModel
    from transferbound.subspace.quantizer import Quantizer
    from transferbound.verification.verdict import Verdict
    from transferbound.verification.verify import verify

wait_passively()  # before torch is loaded

__all__ = [
    "Certificate",
    "CertifySettings",
    "Documents",
    "FinetuneSettings",
    "LabelledData",
    "LanguageSettings",
    "Prediction",
    "Predictor",
    "Prior",
    "Quantizer",
    "SubspaceConfig",
    "SubspaceModel",
    "Verdict",
    "__version__",
    "bounds",
    "certify",
    "certify_language",
    "verify",
]

_HOMES = {
    "Certificate": "certificate.certificate",
    "CertifySettings": "certification.settings",
    "Documents": "data.documents",
    "FinetuneSettings": "finetune.settings",
    "LabelledData": "data.labelled",
    "LanguageSettings": "certification.language_settings",
    "Prediction": "prediction.predictor",
    "Predictor": "prediction.predictor",
    "Prior": "priors.prior",
    "Quantizer": "subspace.quantizer",
    "SubspaceConfig": "subspace.config",
    "SubspaceModel": "subspace.model",
    "Verdict": "verification.verdict",
    "bounds": "bounds",
    "certify": "certification.certify",
    "certify_language": "certification.certify_language",
    "verify": "verification.verify",
}
__getattr__ = on_first_use(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
