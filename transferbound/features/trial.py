"""Whether the end of a model, run by itself, gives the logits and the gradient of the whole model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call

from transferbound.data.encoded import EncodedData
from transferbound.features.file_layout import Layout
from transferbound.features.part import close, first_inputs_of, other_values
from transferbound.features.tail import Tail
from transferbound.subspace import SubspaceModel

__all__ = ["Trial"]

_LOGITS = 1e-4  # of the largest; the batches differ in size, so sums are taken in another order
_GRADIENT = 1e-3  # of its norm
_ELSEWHERE = 30  # times as much on accelerators, whose convolutions may round to 10 bits


class Trial:
    """The whole model's logits and gradient on the rows ``few``, with other values in all that is trainable.

    Attributes:
        seconds: of one example's forward pass.
    """

    def __init__(
        self,
        model: SubspaceModel,
        data: EncodedData,
        few: npt.NDArray[np.int64],
        device: torch.device,
        modules: Sequence[nn.Module],
    ) -> None:
        network, batch = model.model, data.batch(few, device)
        self._few, self._n, self._lengths = few, data.n, data.lengths
        self._slack = 1 if device.type == "cpu" else _ELSEWHERE
        parameters = dict(network.named_parameters())
        names = [model.projection.layout.specs[i].name for i in model.projection.trainable]
        self._other = other_values({name: parameters[name] for name in names})
        for value in self._other.values():
            value.requires_grad_()
        with ExitStack() as stack:
            seen = {module: stack.enter_context(first_inputs_of(module)) for module in modules}
            started = time.monotonic()
            with torch.no_grad():
                network(**batch)
            self.seconds = (time.monotonic() - started) / len(few)
            self._before = {module: inputs[0] for module, inputs in seen.items()}
            for inputs in seen.values():
                inputs.clear()
            logits = functional_call(network, self._other, kwargs=batch)
            self._after = {module: inputs[0] for module, inputs in seen.items()}
        random = torch.Generator().manual_seed(1)
        self._weights = torch.randn(logits.shape, generator=random).to(logits)
        self._expected, self._gradient = logits.detach(), self._gradient_of(logits)

    def tried(self, tail: Tail, lengths: npt.NDArray[np.int64] | None) -> tuple[Layout, Tensor] | None:
        """Layout and features of the rows, if the tail does on them as the model does."""
        before = self._before[tail.module]
        # What moves with the trainable parameters (tied weights) is not a function of the prior.
        if not close(before, self._after[tail.module], _LOGITS * self._slack):
            return None
        layout = Layout.of(before, self._n, lengths)
        fresh = layout.even(before, self._few)
        logits = self._run(tail, layout, fresh, before.device)
        if not close(logits.detach(), self._expected, _LOGITS * self._slack):
            return None
        return (layout, fresh) if self._same(self._gradient_of(logits)) else None

    def _run(self, tail: Tail, layout: Layout, fresh: Tensor, device: torch.device) -> Tensor:
        """Written and read as the file is, in two batches unlike in size and length."""
        count = len(self._few)
        lengths = None if layout.lengths is None else layout.lengths[self._few]
        layout = replace(layout, n=count, lengths=lengths)
        array = np.empty(layout.file_shape, dtype=np.float32)
        places, values = layout.lines_of(fresh, np.arange(count))
        array[places] = values
        order = np.arange(count) if self._lengths is None else np.argsort(self._lengths[self._few])
        logits = [
            tail(layout.read(array, rows).to(device), self._few[rows], self._other)
            for rows in np.split(order, [1 + count // 6])
            if len(rows)
        ]
        return torch.cat(logits)[torch.from_numpy(np.argsort(order)).to(device)]

    def _gradient_of(self, logits: Tensor) -> list[Tensor]:
        values = list(self._other.values())
        found = torch.autograd.grad((logits * self._weights).sum(), values, allow_unused=True)
        return [torch.zeros_like(v) if g is None else g for g, v in zip(found, values, strict=True)]

    def _same(self, gradient: Sequence[Tensor]) -> bool:
        total = float(torch.stack([g.norm() for g in self._gradient]).norm())
        return all(
            float((found - expected).norm())
            <= _GRADIENT * self._slack * max(float(expected.norm()), total / len(gradient))
            for found, expected in zip(gradient, self._gradient, strict=True)
        )
