"""Optimizers in one subspace, run until the same training loss; then one rounding for all, and the shortest message.

The grid is not in the loop here, so that what differs is the optimizer alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from _run.study.state import stated
from transferbound import Certificate, SubspaceConfig, SubspaceModel
from transferbound.certification.inputs import Inputs
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.message import message_bits, step_size
from transferbound.subspace.config import header_for

Ints = npt.NDArray[np.int64]

_STEPS_BELOW = range(29)  # quarter powers of two below the largest coordinate
_LEVELS = (3, 5, 7, 15)
_DEADZONES = (0.5, 0.65, 0.8)
_SAMPLES = 256  # rows of which the Fisher matrix's trace is a mean
_NOISE_EVERY, _NOISE_BATCH = 20, 32


@dataclass(frozen=True)
class Descent:
    """An instrument: kind "hashed", trained by one optimizer until the mean cross-entropy of all rows is ``loss``.

    Attributes:
        method: "sgd", "momentum", "adam", "gd" (one exact gradient of all rows a step), "gd with noise" (and noise as
            strong as that of batches of 32) or "sharpness-aware" (Foret et al. 2021).
        dim: d.
        batch_size: rows of a step; those with "gd" take all.
        learning_rate: constant.
        loss: at which training ends, in nats.
        target: train error, a fraction, at which the message is as short as the rounding finds.
        most_rows: rows, passes times n, after which training ends in any case.
        seed: of order and noise.
    """

    method: str
    dim: int
    batch_size: int
    learning_rate: float
    loss: float
    target: float
    most_rows: int
    seed: int

    def certify(self, inputs: Inputs, out: Path, variant: Mapping[str, Any]) -> Certificate:
        """The shortest message at the target; where none reaches it, the most accurate one."""
        prior, data = inputs.prior, inputs.data
        encoded = encode(prior.preprocessing(), data)
        config = SubspaceConfig("hashed", self.dim)
        model = SubspaceModel(prior.build(data.num_classes), config, prior.head_parameters(data.num_classes))
        model.eval()
        run = _Run(self, model, encoded)
        steps = run.train()
        study: dict[str, Any] = {
            "loss": run.loss(),
            "steps": steps,
            "float_error": run.error(),
            "length": float(model.coordinates.detach().norm()),
            "fisher_trace": run.fisher_trace(),
        }
        exponent, levels, integers, reached = run.shortest(variant)
        header = header_for(config, levels=levels, step=exponent, **_place(variant))
        study["reached"] = reached
        training = {"kind": self.method, "learning_rate": self.learning_rate, "study": study}
        return stated(inputs, header, integers, out, variant=variant, training=training, encoded=encoded)


class _Run:
    """One training run of a model on rows in memory."""

    def __init__(self, settings: Descent, model: SubspaceModel, data: EncodedData) -> None:
        self.settings, self.model, self.data, self.w = settings, model, data, model.coordinates
        self.random = np.random.default_rng(settings.seed)
        self.noise = torch.Generator().manual_seed(settings.seed)
        self.all = np.arange(data.n)
        self.noise_scale = 0.0

    def train(self) -> int:
        """Steps taken until the loss is there."""
        settings = self.settings
        full = settings.method.startswith("gd")
        size = self.data.n if full else settings.batch_size
        check = max(1, self.data.n // size)  # about once a pass
        optimizer = self._optimizer()
        for step in range(1, settings.most_rows // size + 1):
            rows = self.all if full else self._batch(size)
            self.gradient(rows)
            if settings.method == "gd with noise":
                self._add_noise(step)
            if settings.method == "sharpness-aware":
                self._look_ahead(rows)
            optimizer.step()
            if step % check == 0 and self.loss() <= settings.loss:
                return step
        return step

    def _optimizer(self) -> torch.optim.Optimizer:
        rate = self.settings.learning_rate
        if self.settings.method == "adam":
            return torch.optim.Adam([self.w], lr=rate)
        momentum = 0.9 if self.settings.method == "momentum" else 0.0
        return torch.optim.SGD([self.w], lr=rate, momentum=momentum)

    def _batch(self, size: int) -> Ints:
        return self.random.choice(self.data.n, size, replace=False)

    def gradient(self, rows: Ints) -> None:
        """Of the mean loss over ``rows``, exact, in pieces that memory holds."""
        self.w.grad = None
        for some in np.array_split(rows, -(-len(rows) // 500)):
            logits = self.model(**self.data.batch(some))
            labels = self.data.labels[torch.from_numpy(some)]
            (torch.nn.functional.cross_entropy(logits, labels, reduction="sum") / len(rows)).backward()

    def _grad(self) -> Tensor:
        assert self.w.grad is not None
        return self.w.grad

    def _add_noise(self, step: int) -> None:
        """Gaussian, alike in all directions, with the total variance of the gradient of a small batch."""
        exact = self._grad().clone()
        if step % _NOISE_EVERY == 1:
            self.gradient(self._batch(_NOISE_BATCH))
            self.noise_scale = float((self._grad() - exact).norm()) / math.sqrt(len(exact))
        self.w.grad = exact + self.noise_scale * torch.randn(exact.shape, generator=self.noise)

    def _look_ahead(self, rows: Ints) -> None:
        """The gradient at the worst near point, 0.05 away."""
        away = 0.05 * self._grad() / self._grad().norm().clamp_min(1e-12)
        with torch.no_grad():
            self.w.add_(away)
        self.gradient(rows)
        with torch.no_grad():
            self.w.sub_(away)

    @torch.inference_mode()
    def _logits(self) -> Tensor:
        return torch.cat([self.model(**batch) for _, batch, _ in self.data.batches(500)])

    def loss(self) -> float:
        """Mean cross-entropy over all rows, in nats."""
        return float(torch.nn.functional.cross_entropy(self._logits(), self.data.labels))

    def error(self) -> float:
        """Share of all rows that are wrong."""
        return float((self._logits().argmax(1) != self.data.labels).float().mean())

    def fisher_trace(self) -> float:
        """Trace of the Fisher matrix in the subspace: the mean squared length of the gradient of log p(y), y by p."""
        rows = self.random.choice(self.data.n, min(_SAMPLES, self.data.n), replace=False)
        total = 0.0
        for row in rows:
            self.w.grad = None
            logits = self.model(**self.data.batch(np.array([row])))
            label = torch.multinomial(logits.detach().softmax(1), 1, generator=self.noise)[0]
            torch.nn.functional.cross_entropy(logits, label).backward()
            total += float(self._grad().square().sum())
        return total / len(rows)

    def shortest(self, variant: Mapping[str, Any]) -> tuple[int, int, Ints, bool]:
        """Exponent, levels and integers of the shortest message that reaches the target, and whether one does."""
        trained = self.w.detach().clone()
        tried: dict[bytes, float] = {}
        found: list[tuple[bool, float, int, int, Ints]] = []
        for exponent, levels, integers in self._roundings(trained.double().numpy()):
            key = integers.tobytes() + bytes([exponent % 256])
            if key not in tried:
                with torch.no_grad():
                    self.w.copy_(torch.from_numpy(integers * step_size(exponent)).float())
                tried[key] = self.error()
            header = header_for(
                SubspaceConfig("hashed", len(trained)), levels=levels, step=exponent, **_place(variant)
            )
            reached = tried[key] <= self.settings.target
            cost = message_bits(header, integers) if reached else 1e6 * (1 + tried[key])
            found.append((reached, cost, exponent, levels, integers))
        with torch.no_grad():
            self.w.copy_(trained)
        reached, _, exponent, levels, integers = min(found, key=lambda one: one[1])
        return exponent, levels, integers, reached

    def _roundings(self, w: npt.NDArray[np.float64]) -> Iterator[tuple[int, int, Ints]]:
        largest = round(4 * math.log2(float(np.abs(w).max())))
        for below, levels, zone in itertools.product(_STEPS_BELOW, _LEVELS, _DEADZONES):
            exponent, most = largest - below, (levels - 1) // 2
            scaled = np.abs(w) / step_size(exponent)
            sizes = np.clip(np.floor(scaled + 0.5), 0, most)
            integers = np.where(scaled < zone, 0, np.sign(w) * np.maximum(sizes, 1)).astype(np.int64)
            if 2.0 ** (below / 4) <= 2 * most + 1 and integers.any():  # no finer than its levels reach
                yield exponent, levels, integers


def _place(variant: Mapping[str, Any]) -> dict[str, Any]:
    return {key: variant[key] for key in ("candidate", "candidates")}
