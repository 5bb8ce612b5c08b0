"""The decoded predictor as a graph: inputs by name, any number of rows, logits out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from transferbound.data.encoded import EncodedTexts
from transferbound.errors import ExportError
from transferbound.export.subject import Subject
from transferbound.priors.backends.quiet import quiet_construction
from transferbound.priors.components.classifier import ComponentClassifier
from transferbound.priors.components.constant import ConstantClassifier
from transferbound.priors.components.taps import seen_at
from transferbound.risks.trial import in_float64

__all__ = ["Graph", "graph_of", "write_graph"]

_OPSET = 18
_ONE_FILE = 1_500_000_000
"""Bytes of weights up to which all of it is one file: a file of protobuf ends at 2 GiB."""
_PADDED = 3
_ROUNDING = 1e-6  # of the largest logit, in float64


class Graph(nn.Module):
    """The predictor with its inputs in the order of ``names``.

    Args:
        module: the decoded predictor.
        names: of its inputs. Where a text's ``attention_mask`` is not among them, every token counts.
    """

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module, self.names = module, names

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits [B, C]."""
        batch = dict(zip(self.names, inputs, strict=True))
        if "input_ids" in batch and "attention_mask" not in batch:
            batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        module = self.module
        if isinstance(module, ConstantClassifier):
            return _for_each(inputs[0], module.logits)
        if not isinstance(module, ComponentClassifier):
            return _tensor(module(**batch))
        if module.components is None:
            alike = _for_each(inputs[0], module.head.bias)
            return alike + _tensor(module.body(**batch)) if module.adds_own else alike
        # To its end: the exporter leaves out what no output needs, and knows no stopping halfway.
        seen, own = seen_at(module.body, module.taps, module.own_head, batch, whole=True)
        added, components = module.from_seen(seen, own if module.adds_own else None, batch)
        logits = _tensor(module.head(components))
        return logits if added is None else logits + added


def _tensor(value: object) -> Tensor:
    assert isinstance(value, Tensor)
    return value


def _for_each(rows: Tensor, logits: Tensor) -> Tensor:
    """[B, C]: the same for every row. Their number must come from the input, or the graph would take one alone."""
    return torch.zeros_like(rows.flatten(1)[:, :1], dtype=logits.dtype) + logits


def graph_of(subject: Subject) -> Graph:
    """The graph's inputs: a mask of padding only for a network that keeps to it."""
    module = subject.decoded.module
    if subject.modality == "image":
        return Graph(module, ("pixel_values",))
    names = tuple(subject.sample.batch([0]))
    return Graph(
        module, names if _keeps_to_mask(subject) else tuple(n for n in names if n != "attention_mask")
    )


@torch.inference_mode()
def _keeps_to_mask(subject: Subject) -> bool:
    """Whether tokens that are masked move nothing, in float64."""
    assert isinstance(subject.sample, EncodedTexts)
    exact = in_float64(subject.decoded.module)
    for row in range(subject.sample.n):
        batch = subject.sample.batch([row])
        alone = exact(**batch)
        padded = {name: nn.functional.pad(value, (0, _PADDED)) for name, value in batch.items()}
        try:
            moved = float((exact(**padded) - alone).abs().max())
        except (RuntimeError, IndexError, ValueError):  # longer than it can read
            continue
        if not moved <= _ROUNDING * float(alone.abs().max()):
            return False
    return True


def write_graph(subject: Subject, graph: Graph, path: Path) -> None:
    """Writes ``model.onnx``; weights of more than 1.5 GB go to a file beside it.

    Raises:
        ExportError: torch's exporter cannot express the network.
    """
    batch = _example(subject)
    dynamic = {
        name: {0: torch.export.Dim("rows")}
        | ({1: torch.export.Dim("tokens")} if name != "pixel_values" else {})
        for name in graph.names
    }
    weights = sum(value.numel() * value.element_size() for value in graph.state_dict().values())
    try:
        with quiet_construction(), _quiet_export():
            torch.onnx.export(
                graph.eval(),
                tuple(batch[name] for name in graph.names),
                str(path),
                input_names=list(graph.names),
                output_names=["logits"],
                dynamic_shapes=(tuple(dynamic[name] for name in graph.names),),
                opset_version=_OPSET,
                dynamo=True,
                external_data=weights > _ONE_FILE,
                verbose=False,
            )
    except Exception as error:  # whatever the exporter makes of a network that it does not know
        lines = str(error).strip().splitlines() or [repr(error)]
        raise ExportError(
            f"torch {torch.__version__} cannot write {subject.prior.architecture} as ONNX: {lines[0][:200]}"
        ) from error


def _example(subject: Subject) -> dict[str, Tensor]:
    """Two rows: of one alone the exporter would conclude that there is always one."""
    lengths = subject.sample.lengths
    if lengths is None:
        return {name: value.contiguous() for name, value in subject.sample.batch([0, 1]).items()}
    longest = int(np.argmax(lengths))
    return subject.sample.batch([longest, longest])


@contextmanager
def _quiet_export() -> Iterator[None]:
    """The exporter warns of its own workings, and speaks of each step."""
    names = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "torch.fx")
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
