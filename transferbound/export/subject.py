"""What is exported: a decoded predictor, as a plain classifier where it can be written as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.schema import input_columns
from transferbound.data.encode import encode_in_memory
from transferbound.data.encoded import EncodedData
from transferbound.data.inputs import Inputs
from transferbound.export.fold import CannotFoldError, folded
from transferbound.export.rows import reference_rows
from transferbound.predictor import DecodedPredictor
from transferbound.priors import Preprocessing, Prior

__all__ = ["Subject", "subject_of"]

_SAMPLE = 4


@dataclass(frozen=True)
class Subject:
    """A certified predictor, to be written for a library.

    Attributes:
        certificate: what is stated of it.
        decoded: the predictor itself.
        classifier: the same answers by a network with one linear head, as ``Prior.build`` gives them; None where there
            is no such network.
        why_not: where ``classifier`` is None, why.
        changed: whether ``classifier`` is not the decoded module itself, so that logits differ in their last bits.
        preprocessing: what turns rows into batches.
        sample: a few encoded rows that are not the training data.
    """

    certificate: Certificate
    decoded: DecodedPredictor
    classifier: nn.Module | None
    why_not: str
    changed: bool
    preprocessing: Preprocessing
    sample: EncodedData

    @property
    def prior(self) -> Prior:
        """The checkpoint."""
        return self.decoded.prior

    @property
    def class_names(self) -> tuple[str, ...]:
        """By their numbers."""
        return tuple(self.certificate.content["dataset"]["class_names"])

    @property
    def columns(self) -> tuple[str, ...]:
        """By which inputs are read; two for pairs of texts."""
        return input_columns(self.certificate.content)

    @property
    def image_bits(self) -> int:
        """Of a grey value, of which the first 8 are read."""
        return int(self.certificate.content["dataset"].get("image_bits", 8))

    @property
    def modality(self) -> str:
        """``image`` or ``text``."""
        return self.prior.modality

    @property
    def labels(self) -> dict[str, Any]:
        """``id2label`` and ``label2id``, as transformers wants them."""
        names = dict(enumerate(self.class_names))
        return {"id2label": names, "label2id": {name: number for number, name in names.items()}}

    def encoded(self, rows: Sequence[Any]) -> EncodedData:
        """Rows as the predictor reads them: PIL images, texts or pairs of texts."""
        return encode_in_memory(self.preprocessing, Inputs(self.modality, self.columns, rows))


def subject_of(certificate: Certificate, decoded: DecodedPredictor) -> Subject:
    """What of the predictor can be written as one network."""
    preprocessing = decoded.preprocessing
    if decoded.header.kind == "constant":  # counted on small pictures; an ordinary network reads its own size
        preprocessing = decoded.prior.preprocessing(decoded.header.input_size)
    columns = input_columns(certificate.content)
    modality = decoded.prior.modality
    rows = reference_rows(modality, len(columns), _SAMPLE)
    sample = encode_in_memory(preprocessing, Inputs(modality, columns, rows))
    classifier: nn.Module | None = None
    why_not, changed = "", False
    try:
        classifier = folded(decoded, certificate.content["dataset"]["class_names"])
        changed = classifier is not decoded.module
        if changed and not _agree(classifier, decoded.module, sample):
            raise CannotFoldError("its head does not read one vector, the last features of the network")
    except CannotFoldError as error:
        classifier, why_not = None, str(error)
    return Subject(certificate, decoded, classifier, why_not, changed, preprocessing, sample)


_ROUNDING = (
    1e-4  # weights are float32: logits that are small differences of large numbers keep a few digits fewer
)


@torch.inference_mode()
def _agree(one: nn.Module, other: nn.Module, sample: EncodedData) -> bool:
    """Whether two modules give the same logits for a few rows, each alone."""
    for row in range(sample.n):
        batch = sample.batch([row])
        first, second = _logits(one, batch), _logits(other, batch)
        if not torch.allclose(first, second, rtol=_ROUNDING, atol=_ROUNDING * float(second.abs().max())):
            return False
    return True


def _logits(module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    logits: Tensor = module(**batch)
    return logits
