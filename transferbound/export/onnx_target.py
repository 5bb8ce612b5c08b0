"""``onnx``: ``model.onnx`` for onnxruntime, whatever the predictor reads of its network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from transferbound.errors import ExportError
from transferbound.export.files import copy_tokenizer, encoder_config
from transferbound.export.onnx_graph import Graph, graph_of, write_graph
from transferbound.export.preprocess import describe_image, pixel_values
from transferbound.export.subject import Subject
from transferbound.export.target import Answering, Target
from transferbound.priors.backends.quiet import quiet_transformers
from transferbound.storage.files import read_json, write_json

__all__ = ["PREPROCESS_FILE", "OnnxTarget"]

MODEL_FILE = "model.onnx"
PREPROCESS_FILE = "preprocess.json"
_FORMAT, _VERSION = "transferbound-preprocess", 1


class OnnxTarget(Target):
    """A graph with inputs and output by name, and a description of how rows become its inputs."""

    name = "onnx"
    packages = ("onnx", "onnxscript", "onnxruntime")
    extra = "onnx"

    def reason_against(self, subject: Subject) -> str:
        """None: a graph carries every predictor."""
        return ""

    def write(self, subject: Subject, folder: Path) -> None:
        """``model.onnx``, and ``preprocess.json`` and a tokenizer, which say how rows become its inputs."""
        graph = graph_of(subject)
        write_graph(subject, graph, folder / MODEL_FILE)
        described: dict[str, Any] = {
            "format": _FORMAT,
            "version": _VERSION,
            "modality": subject.modality,
            "inputs": list(graph.names),
            "output": "logits",
            "labels": list(subject.class_names),
        }
        if subject.modality == "image":
            described["image"] = describe_image(subject, folder)
        else:
            described["text"] = _describe_text(subject, graph)
            copy_tokenizer(subject, folder)
            write_json(folder / "config.json", encoder_config(subject))  # says which tokenizer it is
        write_json(folder / PREPROCESS_FILE, described)

    def load(self, folder: Path, subject: Subject) -> Answering:
        """A session of onnxruntime on the CPU, fed as ``preprocess.json`` says."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"]
        )
        described = read_json(folder / PREPROCESS_FILE, ExportError)
        if described["modality"] == "text":
            return _text_answers(session, described, folder)

        def answers(rows: Sequence[Any]) -> np.ndarray:
            made = [
                session.run(["logits"], {"pixel_values": pixel_values([row], described["image"], folder)})[0]
                for row in rows
            ]
            return np.concatenate(made).astype(np.float64)

        return answers

    def usage(self, subject: Subject) -> str:
        """Onnxruntime, and for texts the tokenizer of the folder."""
        if subject.modality == "text":
            asked = '"a text"' if len(subject.columns) == 1 else '"a text", "another"'
            return (
                "import json, onnxruntime\nfrom transformers import AutoTokenizer\n\n"
                'session = onnxruntime.InferenceSession("model.onnx")\n'
                'tokenizer = AutoTokenizer.from_pretrained(".")\n'
                f'made = tokenizer({asked}, truncation=True, return_tensors="np")\n'
                "inputs = {one.name: made[one.name] for one in session.get_inputs()}\n"
                '(logits,) = session.run(["logits"], inputs)\n'
                'print(json.load(open("preprocess.json"))["labels"][int(logits[0].argmax())])'
            )
        return (
            "import onnxruntime\n\n"
            'session = onnxruntime.InferenceSession("model.onnx")\n'
            "# pixel_values: float32, rows x channels x height x width, made as preprocess.json says\n"
            '(logits,) = session.run(["logits"], {"pixel_values": pixel_values})'
        )


def _describe_text(subject: Subject, graph: Graph) -> dict[str, Any]:
    return {
        "tokenizer": "the tokenizer of this folder",
        "max_length": subject.preprocessing.input_size,
        "truncation": "longest_first",
        "pair": len(subject.columns) == 2,
        "lines": list(subject.columns) if len(subject.columns) > 2 else [],
        "padding": "masked" if "attention_mask" in graph.names else "none: rows of one length only",
    }


def _text_answers(session: Any, described: dict[str, Any], folder: Path) -> Answering:
    with quiet_transformers():
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    length = described["text"]["max_length"]

    def answers(rows: Sequence[Any]) -> np.ndarray:
        found = []
        for row in rows:
            parts = (row,) if isinstance(row, str) else row
            made = tokenizer(*parts, truncation=True, max_length=length, return_tensors="np")
            inputs = {name: np.asarray(made[name], dtype=np.int64) for name in described["inputs"]}
            found.append(session.run(["logits"], inputs)[0])
        return np.concatenate(found).astype(np.float64)

    return answers
