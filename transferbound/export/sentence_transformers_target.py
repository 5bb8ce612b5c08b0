"""``sentence-transformers``: ``SentenceTransformer(FOLDER).encode(texts)`` gives logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from transferbound.export.files import copy_tokenizer
from transferbound.export.subject import Subject
from transferbound.export.target import Answering, Target
from transferbound.export.transformers_target import save_network
from transferbound.priors.backends.pooling import POOLINGS
from transferbound.priors.backends.quiet import quiet_construction, quiet_logger, quiet_transformers
from transferbound.priors.backends.wrappers import PooledTextClassifier
from transferbound.priors.checkpoint.write import write_tensors
from transferbound.storage.files import write_json

__all__ = ["SentenceTransformersTarget"]

_MODULES = "sentence_transformers.models."
_FLAGS = {
    "cls": "cls_token",
    "mean": "mean_tokens",
    "max": "max_tokens",
    "weightedmean": "weightedmean_tokens",
}


class SentenceTransformersTarget(Target):
    """A pooled encoder whose last dense layer is the head: what is called an embedding there are the logits."""

    name = "sentence-transformers"
    packages = ("sentence_transformers",)
    extra = "sentence-transformers"

    def reason_against(self, subject: Subject) -> str:
        """Single texts and a linear head on pooled states are all that an encoder holds."""
        if subject.modality != "text":
            return "it reads texts, and the certificate is of images"
        if subject.classifier is None:
            return subject.why_not
        if not isinstance(subject.classifier, PooledTextClassifier):
            return f"{subject.prior.architecture} is a classifier of its own, not an encoder whose states are pooled"
        if len(subject.columns) == 2:
            return "it encodes single texts, and the certificate is of pairs"
        return ""

    def write(self, subject: Subject, folder: Path) -> None:
        """Transformer, pooling and dense layers, the last of them the head."""
        classifier = subject.classifier
        assert isinstance(classifier, PooledTextClassifier)
        network: Any = classifier.network
        save_network(network, subject, folder)
        copy_tokenizer(subject, folder)
        size = subject.preprocessing.input_size
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": size, "do_lower_case": False})
        layers = [*_dense(classifier), (classifier.head, "torch.nn.modules.linear.Identity")]
        modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
        _write_pooling(folder / "1_Pooling", classifier.pooling, layers[0][0].in_features)
        for place, (layer, activation) in enumerate(layers, start=2):
            modules.append((f"{place}_Dense", "Dense"))
            _write_dense(folder / f"{place}_Dense", layer, activation)
        named = [
            {"idx": place, "name": str(place), "path": path, "type": _MODULES + kind}
            for place, (path, kind) in enumerate(modules)
        ]
        write_json(folder / "modules.json", named)
        write_json(folder / "config_sentence_transformers.json", {"prompts": {}, "default_prompt_name": None})

    def load(self, folder: Path, subject: Subject) -> Answering:
        """``encode``, a row at a time: its vectors are the logits."""
        from sentence_transformers import SentenceTransformer

        with quiet_construction(), quiet_transformers(), quiet_logger("sentence_transformers"):
            model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)

        def answers(rows: Sequence[Any]) -> np.ndarray:
            found = model.encode(list(rows), batch_size=1, show_progress_bar=False)
            return np.asarray(found, dtype=np.float64)

        return answers

    def usage(self, subject: Subject) -> str:
        """``encode``, whose vectors are logits, and the names of the classes."""
        return (
            "from sentence_transformers import SentenceTransformer\n\n"
            'model = SentenceTransformer(".")\n'
            'logits = model.encode(["a text"], batch_size=1)  # the last dense layer is the head\n'
            "names = model[0].auto_model.config.id2label\n"
            "print([names[int(row.argmax())] for row in logits])"
        )


def _dense(classifier: PooledTextClassifier) -> list[tuple[nn.Linear, str]]:
    """The dense layers between pooling and head, and what each does after its product."""
    found = []
    for layer in classifier.dense.values():
        linear, activation = layer.get_submodule("linear"), type(layer.get_submodule("activation"))
        assert isinstance(linear, nn.Linear)
        found.append((linear, f"{activation.__module__}.{activation.__qualname__}"))
    return found


def _write_pooling(folder: Path, pooling: str, width: int) -> None:
    """In the older form, a flag a mode, which all releases read."""
    folder.mkdir()
    flags = {f"pooling_mode_{_FLAGS.get(mode, mode)}": mode == pooling for mode in POOLINGS}
    write_json(folder / "config.json", {"word_embedding_dimension": width, **flags})


def _write_dense(folder: Path, layer: nn.Linear, activation: str) -> None:
    folder.mkdir()
    config = {
        "in_features": layer.in_features,
        "out_features": layer.out_features,
        "bias": layer.bias is not None,
        "activation_function": activation,
    }
    write_json(folder / "config.json", config)
    tensors: dict[str, torch.Tensor] = {f"linear.{name}": value for name, value in layer.state_dict().items()}
    write_tensors(folder / "model.safetensors", tensors)
