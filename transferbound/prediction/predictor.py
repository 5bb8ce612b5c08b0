"""``Predictor``: the certified model, to be used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax
from tqdm import tqdm

from transferbound._lazy import later
from transferbound._numerics import own_numerics
from transferbound.certificate.certificate import Certificate
from transferbound.certificate.remote import certificate_folder
from transferbound.certificate.schema import input_columns
from transferbound.data.batches import LARGE_BATCH
from transferbound.data.encode import encode_in_memory
from transferbound.data.inputs import Inputs, each_input
from transferbound.errors import ArgumentError
from transferbound.prediction.certified import certified_predictor
from transferbound.priors import ImagePreprocessing
from transferbound.risks.answers import NO_ANSWER, Answers, answers_of

if TYPE_CHECKING:
    from transferbound.predictor import DecodedPredictor

__all__ = ["Prediction", "Predictor"]

_PIECE_ROWS = 2000
_PIECE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Prediction:
    """What the certified model says of one row.

    Attributes:
        label: the class by its name; None where the best two tie within rounding: the certificate counts such a row
            as an error, whatever its label.
        label_id: the class by its number, or None.
        score: the largest of ``scores``.
        scores: the softmax of the logits, by class name. The certificate is about labels and says nothing of scores:
            they are not calibrated.
    """

    label: str | None
    label_id: int | None
    score: float
    scores: dict[str, float]


class Predictor:
    """The predictor that a certificate is about, as its message decodes. Make one with :meth:`from_pretrained`.

    A row gets the answer that it would get alone, whatever is asked beside it and on whatever device; of the training
    rows as many are answered wrongly as the certificate counts.

    Attributes:
        certificate: what is stated of it.
        class_names: names of the classes, by their numbers.
        modality: ``text`` or ``image``: what it reads.
        columns: the columns by which rows of a table are read; two where it reads pairs of texts.
        decoded: what the message decodes to.
    """

    def __init__(self, certificate: Certificate, decoded: DecodedPredictor, device: torch.device) -> None:
        dataset = certificate.content["dataset"]
        self.certificate = certificate
        self.class_names = tuple(dataset["class_names"])
        self.modality = dataset["modality"]
        self.columns = input_columns(certificate.content)
        self.decoded = decoded
        self._image_bits = int(dataset.get("image_bits", 8))
        self._module = decoded.module.to(device)
        self._preprocessing = decoded.preprocessing

    @classmethod
    @own_numerics()
    def from_pretrained(
        cls,
        certificate: str | os.PathLike[str] | Certificate,
        prior: Any = None,
        reference: Any = None,
        device: str | torch.device | None = None,
        dataset: Any = None,
    ) -> Predictor:
        """Decodes the message of a certificate against its checkpoint.

        The message, the checkpoint and the reference inputs are held to the fingerprints that the certificate states.
        Nothing is counted again, so what the certificate states of errors is taken on its word: whether it holds is
        for :func:`transferbound.verify` to say.

        Args:
            certificate: the folder that ``transferbound bound`` wrote, or what was read of one, or
                ``hf://OWNER/NAME[@REVISION]``.
            prior: the checkpoint, as :func:`transferbound.certify` takes it, or where it is now; default: the folder
                ``prior`` beside the certificate, or else the recorded name.
            reference: where the reference inputs are now, if the certificate states any of the user's own and they
                are not under the recorded name.
            device: where to compute; default: a GPU where there is one.
            dataset: where the data set is now, if some of its rows, set aside, are the reference inputs and it is not
                under the recorded name.

        Raises:
            CertificateError: the certificate is missing, malformed, of a language model, or contradicts its message.
            MessageError: the message is not the one that the certificate names, or does not decode.
            PriorError, DataError: the checkpoint or the reference inputs cannot be had, or are others.
            ArgumentError: a device that is not there, or reference inputs where none are stated.
        """
        chosen = _device(device)
        folder = None if isinstance(certificate, Certificate) else certificate_folder(certificate)
        read = (
            certificate if isinstance(certificate, Certificate) else Certificate.from_pretrained(str(folder))
        )
        input_columns(read.content)  # before anything large is read
        return cls(read, certified_predictor(read, folder, prior, reference, dataset), chosen)

    @own_numerics()
    def predict(
        self, inputs: Any, *, batch_size: int = LARGE_BATCH, progress: bool = False
    ) -> list[Prediction]:
        """The label of each row, by name, with scores.

        Args:
            inputs: one row, an iterable of rows or a ``datasets.Dataset``. Texts: strings, or pairs of strings where
                the certificate is of pairs. Images: paths, bytes of image files, PIL images, or uint8 arrays
                [height, width] or [height, width, channels]. A row that is a mapping, and a data set, are read by the
                certificate's column names.
            batch_size: most rows at a time; has no effect on the labels.
            progress: show a progress bar on standard error.

        Raises:
            DataError: a row cannot be read, or is of another kind; with its number from 0, or its file.
            ArgumentError: ``batch_size`` is not positive.
        """
        return [
            prediction
            for answers in self._answers(inputs, batch_size, progress)
            for prediction in self._predictions(answers)
        ]

    @own_numerics()
    def logits(
        self, inputs: Any, *, batch_size: int = LARGE_BATCH, progress: bool = False
    ) -> npt.NDArray[np.float64]:
        """The logits of each row, [n, C]. They agree from batch to batch to rounding; labels are the same.

        Args:
            inputs, batch_size, progress: as for :meth:`predict`.

        Raises:
            DataError, ArgumentError: as :meth:`predict`.
        """
        found = [answers.logits for answers in self._answers(inputs, batch_size, progress)]
        return np.concatenate(found) if found else np.zeros((0, len(self.class_names)))

    def export(
        self,
        out: str | os.PathLike[str],
        to: str | None = None,
        *,
        check: int | str = 64,
        dataset: Any = None,
    ) -> Path:
        """Writes an ordinary checkpoint that timm, transformers, sentence-transformers, peft or onnxruntime load.

        Args:
            out, to, check, dataset: as for :func:`transferbound.export.export.export_predictor`.

        Returns:
            ``out``.

        Raises:
            ExportError: the form cannot carry the predictor, or what was written answers otherwise.
            ArgumentError, OutputError, DataError: as there.
        """
        made: Path = later("export.export").export_predictor(self, out, to, check=check, dataset=dataset)
        return made

    def _answers(self, inputs: Any, batch_size: int, progress: bool) -> Iterator[Answers]:
        """Piece after piece, so that few rows are in memory at a time."""
        if batch_size < 1:
            raise ArgumentError(f"batch_size is {batch_size}; it must be at least 1")
        rows = each_input(inputs, self.modality, self.columns)
        total = len(inputs) if hasattr(inputs, "__len__") and not isinstance(inputs, str | bytes) else None
        first = 0
        with tqdm(total=total, desc="predicting", unit="row", disable=not progress, leave=False) as bar:
            while some := list(islice(rows, self._piece())):
                given = Inputs(self.modality, self.columns, some, first, image_bits=self._image_bits)
                encoded = encode_in_memory(self._preprocessing, given)
                yield answers_of(self._module, encoded, len(self.class_names), batch_size=batch_size)
                first += len(some)
                bar.update(len(some))

    def _piece(self) -> int:
        if not isinstance(self._preprocessing, ImagePreprocessing):
            return _PIECE_ROWS
        return max(1, min(_PIECE_ROWS, _PIECE_BYTES // (3 * self._preprocessing.input_size**2)))

    def _predictions(self, answers: Answers) -> Iterator[Prediction]:
        for found, scores in zip(
            answers.classes.tolist(), softmax(answers.logits, axis=1).tolist(), strict=True
        ):
            by_name = dict(zip(self.class_names, scores, strict=True))
            if found == NO_ANSWER:
                yield Prediction(None, None, max(scores), by_name)
            else:
                yield Prediction(self.class_names[found], found, scores[found], by_name)

    def __repr__(self) -> str:
        return f"Predictor({self.certificate!r}, classes {', '.join(self.class_names)[:80]})"


def _device(device: str | torch.device | None) -> torch.device:
    """A device that is there: a small tensor is put on it."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArgumentError(f"device is {str(device)[:60]!r}: {reason[:200]}; cpu is always there") from error
