"""``transformers``: ``AutoModelForSequenceClassification`` and ``AutoModelForImageClassification``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn

from transferbound.errors import ExportError
from transferbound.export.files import copy_tokenizer, write_image_processor
from transferbound.export.image_size import at_size
from transferbound.export.subject import Subject
from transferbound.export.target import Answering, Target
from transferbound.priors.backends.quiet import quiet_construction, quiet_transformers
from transferbound.priors.backends.wrappers import PooledTextClassifier

__all__ = ["TransformersTarget", "answering", "save_network"]


class TransformersTarget(Target):
    """A classifier of transformers, with its tokenizer or image processor."""

    name = "transformers"
    packages = ("transformers",)

    def reason_against(self, subject: Subject) -> str:
        """transformers has to have a classifier of that form."""
        if subject.prior.source != "transformers":
            return (
                f"the checkpoint {subject.prior.name} is one of {subject.prior.source}, not of transformers"
            )
        if subject.classifier is None:
            return subject.why_not
        if isinstance(subject.classifier, PooledTextClassifier):
            return (
                f"{subject.prior.architecture} has no classifier in transformers with a linear head on hidden states "
                f"pooled by {subject.classifier.pooling!r}"
            )
        return ""

    def write(self, subject: Subject, folder: Path) -> None:
        """The network at the certified size, and its tokenizer or image processor."""
        network: Any = at_size(subject)
        save_network(network, subject, folder)
        if subject.modality == "text":
            copy_tokenizer(subject, folder)
        else:
            write_image_processor(subject, folder)

    def load(self, folder: Path, subject: Subject) -> Answering:
        """``AutoModelFor...Classification``, and the tokenizer or processor of the folder."""
        factory = transformers.AutoModelForImageClassification
        if subject.modality == "text":
            factory = transformers.AutoModelForSequenceClassification
        with quiet_construction(), quiet_transformers():
            model = factory.from_pretrained(folder, trust_remote_code=False).eval()
            return answering(folder, model, subject.modality)

    def usage(self, subject: Subject) -> str:
        """A ``pipeline`` that cuts, or resizes, as was certified."""
        if subject.modality == "text":
            asked = '"a text"' if len(subject.columns) == 1 else '{"text": "a text", "text_pair": "another"}'
            return (
                "from transformers import pipeline\n\n"
                'classify = pipeline("text-classification", ".", truncation=True)  # cut as the certified texts are\n'
                f"print(classify({asked}))"
            )
        return (
            "from transformers import AutoImageProcessor, pipeline\n\n"
            '# backend="pil": the pixels that were certified; torchvision resizes a little differently\n'
            'processor = AutoImageProcessor.from_pretrained(".", backend="pil")\n'
            'classify = pipeline("image-classification", ".", image_processor=processor)\n'
            'print(classify("picture.png"))'
        )


def save_network(network: Any, subject: Subject, folder: Path) -> None:
    """Weights and ``config.json``, with the names of the classes."""
    own = network.config
    config = copy.deepcopy(own)
    config.id2label, config.label2id = subject.labels["id2label"], subject.labels["label2id"]
    config.name_or_path = ""  # where it lay on this machine is nobody's business
    network.config = config
    try:
        with quiet_transformers():
            network.save_pretrained(folder)
    except (OSError, RuntimeError, ValueError) as error:
        raise ExportError(f"transformers cannot write {type(network).__name__}: {error}") from error
    finally:
        network.config = own


def answering(folder: Path, model: nn.Module, modality: str) -> Answering:
    """A loaded model behind the tokenizer or the image processor of ``folder``, each row by itself."""
    prepared = _tokenized(folder) if modality == "text" else _processed(folder)

    @torch.inference_mode()
    def answers(rows: Sequence[Any]) -> np.ndarray:
        return torch.cat([model(**prepared(row)).logits for row in rows]).double().numpy()

    return answers


def _tokenized(folder: Path) -> Callable[[Any], Any]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)

    def prepared(row: Any) -> Any:
        parts = (row,) if isinstance(row, str) else row
        return tokenizer(*parts, truncation=True, return_tensors="pt")

    return prepared


def _processed(folder: Path) -> Callable[[Any], Any]:
    major = int(transformers.__version__.split(".", 1)[0])
    backend: dict[str, Any] = {"backend": "pil"} if major >= 5 else {"use_fast": False}
    processor = transformers.AutoImageProcessor.from_pretrained(folder, trust_remote_code=False, **backend)
    return lambda row: processor(row.convert("RGB"), return_tensors="pt")
