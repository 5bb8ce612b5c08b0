"""Discrete polish: after training, coordinates change on the grid while the true bound falls.

Training sees a surrogate; here each trial is a set of changed coordinates, judged by the losses on the whole
training set and by the bits of the whole message. Which coordinates to try comes from a second-order
estimate of the loss, with the diagonal Fisher information for curvature (Hassibi and Stork 1992 prune so).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from tqdm import tqdm

from transferbound.data.batches import LARGE_BATCH, evaluation_batches, evaluation_order
from transferbound.data.encoded import EncodedData
from transferbound.distributed import share, total
from transferbound.message import Header, cheapest, message_bits
from transferbound.risks.risk import Objective
from transferbound.subspace import SubspaceModel
from transferbound.subspace.quantizer import Quantizer

__all__ = ["SAMPLE_BATCHES", "PolishResult", "polish"]

SAMPLE_BATCHES = 128
_FIRST_SHARE = 0.02  # of the coordinates, changed in the first trial

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Logits = Callable[[Ints], torch.Tensor]


@dataclass(frozen=True)
class PolishResult:
    """The integers after the polish, int64 [d]; how many changed; the bound (fraction) before and after."""

    integers: Ints
    changed: int
    before: float
    after: float


def polish(
    model: SubspaceModel,
    data: EncodedData,
    logits: Logits,
    header: Header,
    integers: Ints,
    step: float,
    *,
    risk: Objective,
    delta: float,
    trials: int,
    batch_size: int,
    accelerator: Accelerator,
    progress: bool = True,
) -> PolishResult:
    """Tries ``trials`` sets of changes, each on all of ``data``, and keeps those that lower the bound.

    Args:
        model: the wrapped model; its coordinates are left at the result.
        data: the training examples.
        logits: from row numbers to the model's logits [B, C].
        integers: grid points to start from, int64 [d].
        step: the lattice step.
        risk: whose bound is to fall.
        delta: the bound's failure probability.
        batch_size: rows of one gradient.
    """
    judge = _Judge(model, data, logits, header, step, risk, delta, accelerator)
    start, best = integers, judge(integers)
    before = best.bound
    size = max(1, round(_FIRST_SHARE * len(start)))
    current, proposal, first = start, None, 0
    for _ in tqdm(range(trials), desc="polishing", unit="trial", disable=not progress, leave=False):
        if proposal is None:
            proposal = _ranked_changes(current, best, judge, batch_size)
        places, values = proposal
        if first >= len(places):
            break
        changed = current.copy()
        changed[places[first : first + size]] = values[first : first + size]
        trial = judge(changed)
        if trial.bound < best.bound:
            current, best, proposal, first = changed, trial, None, 0
        elif size > 1:
            size = min(size, len(places)) // 2
        else:  # one by one, as far as the trials go
            first += 1
    judge.place(current)
    return PolishResult(current, int((current != start).sum()), before, best.bound)


@dataclass(frozen=True)
class _Score:
    mean: float
    bits: float
    bound: float


class _Judge:
    """The true bound of a grid point: losses of all rows, bits of the whole message."""

    def __init__(
        self,
        model: SubspaceModel,
        data: EncodedData,
        logits: Logits,
        header: Header,
        step: float,
        risk: Objective,
        delta: float,
        accelerator: Accelerator,
    ) -> None:
        self.model, self.data, self.logits, self.header = model, data, logits, header
        self.step, self.risk, self.delta, self.accelerator = step, risk, delta, accelerator
        self.contexts = model.projection.contexts()

    def place(self, integers: Ints) -> None:
        with torch.no_grad():
            self.model.coordinates.copy_(torch.from_numpy(integers * self.step))

    def __call__(self, integers: Ints) -> _Score:
        self.place(integers)
        bits = message_bits(cheapest(self.header, integers, self.contexts), integers, self.contexts)
        rows = self._losses()
        mean = float(self.risk.units.losses(rows).mean())
        return _Score(mean, bits, self.risk.bound(rows, bits, self.delta))

    @torch.inference_mode()
    def _losses(self) -> Floats:
        """Of every row, float64 [rows]; all processes get all of them."""
        rows = share(evaluation_order(self.data), self.accelerator)
        device = self.accelerator.device
        found = torch.zeros(self.data.n, dtype=torch.float32, device=device)
        for some in evaluation_batches(self.data, rows, LARGE_BATCH, device):
            found[torch.from_numpy(some)] = self.risk.losses(self.logits(some), some)
        return total(found, self.accelerator).double().cpu().numpy()


def _ranked_changes(q: Ints, score: _Score, judge: _Judge, batch_size: int) -> tuple[Ints, Ints]:
    """Every place and its best new value, by the estimated gain in units of the mean loss; the largest gain first."""
    judge.place(q)
    gradient, curvature, loss = _local_loss(judge, batch_size)
    mean = max(score.mean, 1 / judge.risk.units.n)
    price = judge.risk.bit_price(mean, score.bits, judge.delta)
    exchange = mean / max(loss, 1e-9)
    largest = (judge.header.levels - 1) // 2
    costs = _symbol_costs(q, largest)
    gains = np.full((2 * largest + 1, len(q)), -np.inf)
    for row, value in enumerate(range(-largest, largest + 1)):
        move = (value - q) * judge.step
        rise = gradient * move + 0.5 * curvature * move**2
        gain = price * (costs[q + largest] - costs[row]) - exchange * rise
        gains[row] = np.where(q == value, -np.inf, gain)
    best = gains.argmax(0)
    gain = gains.max(0)
    order = np.argsort(-gain, kind="stable")
    return order, best[order] - largest


def _symbol_costs(q: Ints, largest: int) -> Floats:
    """Bits of each grid point under the frequencies as they stand, [L]."""
    counts = np.bincount(q + largest, minlength=2 * largest + 1) + 0.5
    counts[largest + 1 :] = counts[:largest][::-1] = (counts[largest + 1 :] + counts[:largest][::-1]) / 2
    return np.asarray(-np.log2(counts / counts.sum()))


def _local_loss(judge: _Judge, batch_size: int) -> tuple[Floats, Floats, float]:
    """Gradient [d], diagonal Fisher information [d] and value of the mean surrogate, on a sample."""
    model, data = judge.model, judge.data
    size = min(batch_size, data.n)
    rows = np.random.default_rng(0).permutation(data.n)[: SAMPLE_BATCHES * size]
    gradients: list[Floats] = []
    losses: list[float] = []
    assert isinstance(model.quantizer, Quantizer)
    model.quantizer.active = (
        False  # at a grid point the quantizer changes nothing, and its clamp cuts gradients
    )
    for start in range(0, len(rows) - size + 1, size):
        some = rows[start : start + size]
        model.coordinates.grad = None
        loss = judge.risk.units.weigh(judge.risk.surrogate(judge.logits(some), some), some).mean()
        loss.backward()
        assert model.coordinates.grad is not None
        gradients.append(model.coordinates.grad.double().cpu().numpy())
        losses.append(float(loss.detach()))
    model.quantizer.active = True
    model.coordinates.grad = None
    stacked = np.stack(gradients)
    return stacked.mean(0), size * stacked.var(0), float(np.mean(losses))
