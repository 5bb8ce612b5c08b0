"""The finetuning loop: gradient steps on the coordinates, the grid in the loop, a checkpoint now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from transferbound.bounds import occam_kl
from transferbound.data.batches import epoch_batches
from transferbound.data.encoded import EncodedData
from transferbound.errors import SubspaceError
from transferbound.features import CachedFeatures
from transferbound.finetune.numbers import round_down_coarsely
from transferbound.finetune.optimizer import SharedAdam
from transferbound.finetune.polish import SAMPLE_BATCHES, PolishResult, polish
from transferbound.finetune.price import bit_price, soft_bits
from transferbound.finetune.settings import FinetuneSettings
from transferbound.message import Header, message_bits, step_size
from transferbound.storage.run_state import RunState
from transferbound.subspace import SubspaceModel
from transferbound.subspace.quantizer import Quantizer

__all__ = ["Finetuner"]

_WARMUP = 20
_MEMORY = 0.98  # of the running loss and error
_TIMED_STEPS = (5, 30)
_REPORT_EVERY = 25
# Coordinates are fixed the slower, the fewer are left to make up for it; and these must still move to the end.
_FIXING_POWER = 2
_FIXING_RATE = 0.2  # at least, of the learning rate
_FORWARD_SHARE = 0.5  # of a step's time that the forward pass alone takes, with a margin


class Finetuner:
    """Trains the coordinates of ``model`` on ``data`` and gives the integers on the grid.

    Args:
        model: a :class:`SubspaceModel` whose quantizer is a :class:`Quantizer`.
        data: the encoded training examples.
        header: the choices of the message; its step is filled in by the result.
        delta: the bound's failure probability: it sets the price of a bit.
        settings: see :class:`FinetuneSettings`.
        state: where checkpoints go and come from; None: nowhere.
        accelerator: processes, device and precision.
        progress: show a progress bar with loss, train error, bits and the bound so far.
        deadline: ``time.monotonic()`` by which all should be done, where the budget decides the steps.
        to_count: examples that are evaluated afterwards, within the same budget.
        features: train the head or the last blocks on these instead of the model on ``data``; see
            :mod:`transferbound.features`.
    """

    def __init__(
        self,
        model: SubspaceModel,
        data: EncodedData,
        header: Header,
        *,
        delta: float,
        settings: FinetuneSettings,
        accelerator: Accelerator,
        state: RunState | None = None,
        progress: bool = True,
        deadline: float | None = None,
        to_count: int = 0,
        features: CachedFeatures | None = None,
    ) -> None:
        if not isinstance(model.quantizer, Quantizer):
            raise SubspaceError(
                "the model has no Quantizer; pass quantizer=Quantizer(levels) to SubspaceModel"
            )
        self.model, self.data, self.header, self.delta = model, data, header, delta
        self.settings, self.state, self.accelerator, self.progress = settings, state, accelerator, progress
        self.quantizer = model.quantizer
        self.deadline, self.to_count, self.features = deadline, to_count, features
        self.batch_size = min(settings.batch_size, data.n)
        self.per_epoch = math.ceil(data.n / self.batch_size)
        self.step = 0
        self.total_steps: int | None = None
        if settings.epochs is not None:
            self.total_steps = max(1, round(settings.epochs * self.per_epoch))
        self.risk = 1.0
        self.loss = math.nan
        self.bits = 0.0
        self.polished: PolishResult | None = None
        self.optimizer = SharedAdam([model.coordinates], lr=settings.learning_rate)
        self.optimizer.add_param_group({"params": [self.quantizer.log_step]})
        self._saved_at = time.monotonic()

    # The run ---------------------------------------------------------------------------------------

    def run(self) -> npt.NDArray[np.int64]:
        """Trains to the end and returns the integers q, int64 [d]; ``exponent`` names their step."""
        self._restore()
        self.model.eval()  # no dropout: a resumed run must repeat an unbroken one
        bar = tqdm(
            total=self.total_steps,
            initial=self.step,
            desc="finetuning",
            unit="step",
            disable=not self._shows(),
        )
        with bar:
            for indices in self._batches() if self.step != self.total_steps else ():
                self._advance(indices)
                bar.update()
                self._maybe_plan(bar)
                if self.step % _REPORT_EVERY == 0 or self.step == self.total_steps:
                    self._report(bar)
                self._maybe_save()
                if self.step == self.total_steps:
                    break
        self._save()
        self.model.check_buffers()
        self._quantize_at(1.0)
        return self._polish(self.quantizer.integers(self.model.coordinates))

    @property
    def exponent(self) -> int:
        """Exponent of the lattice step, as a message names it."""
        return self.quantizer.exponent

    def _batches(self) -> Iterator[npt.NDArray[np.int64]]:
        """Row numbers of each step from the present one on: a function of seed and epoch alone."""
        while True:
            epoch, within = divmod(self.step, self.per_epoch)
            yield from epoch_batches(self.data, self.batch_size, self.settings.seed, epoch)[within:]

    def _advance(self, indices: npt.NDArray[np.int64]) -> None:
        done = self.step / self.total_steps if self.total_steps else 0.0
        self._quantize_at(done)
        rate = self.settings.learning_rate * min(1.0, (self.step + 1) / _WARMUP)
        floor = 0.0 if self.quantizer.fixed is None else _FIXING_RATE
        rate *= max(0.5 * (1.0 + math.cos(math.pi * done)), floor)
        coordinates, step = self.optimizer.param_groups
        coordinates["lr"], step["lr"] = rate, rate * self.settings.step_rate
        self.optimizer.zero_grad()
        loss, errors = self._backward(indices)
        if (
            self.quantizer.active and self.settings.bit_weight > 0 and self.step > 0
        ):  # no loss is known before
            self._add_price()
        self.optimizer.step()
        self.step += 1
        keep = min(_MEMORY, 1.0 - 1.0 / self.step)
        self.loss = loss if math.isnan(self.loss) else keep * self.loss + (1.0 - keep) * loss
        self.risk = keep * self.risk + (1.0 - keep) * errors

    def _backward(self, indices: npt.NDArray[np.int64]) -> tuple[float, float]:
        """Gradient of the mean loss over the batch, this process's share of it; mean loss and error."""
        accelerator = self.accelerator
        mine = indices[accelerator.process_index :: accelerator.num_processes]
        seen = torch.zeros(2, device=accelerator.device)
        if len(mine):
            labels = self.data.labels[torch.from_numpy(mine)].to(accelerator.device)
            with accelerator.autocast():
                logits = self._logits(mine)
            loss = torch.nn.functional.cross_entropy(logits.float(), labels, reduction="sum")
            # The reduction below is a mean over processes.
            (loss * (accelerator.num_processes / len(indices))).backward()
            seen = torch.stack([loss.detach(), (logits.detach().argmax(1) != labels).sum().float()])
        if accelerator.num_processes > 1:
            self.model.reduce_gradient(accelerator)
            seen = accelerator.reduce(seen, reduction="sum")
        loss_sum, wrong = seen.tolist()
        return loss_sum / len(indices), wrong / len(indices)

    def _logits(self, rows: npt.NDArray[np.int64]) -> Tensor:
        if self.features is not None:
            return self.features.logits(rows)
        return self.model(**self.data.batch(rows, self.accelerator.device))

    def _add_price(self) -> None:
        """Adds the price of the bits, in units of the loss: the loss stands for the errors it goes with."""
        price = bit_price(self.risk, self.data.n, self.bits, self.delta)
        exchange = self.loss / max(self.risk, 1.0 / self.data.n)
        bits = soft_bits(self.model.coordinates, self.quantizer.log_step.exp(), self.quantizer.threshold)
        (self.settings.bit_weight * price * exchange * bits).backward()
        if self.quantizer.fixed is not None and self.model.coordinates.grad is not None:
            self.model.coordinates.grad.masked_fill_(self.quantizer.fixed, 0.0)

    def _quantize_at(self, done: float) -> None:
        if done >= self.settings.quantize_from and not self.quantizer.active:
            self.quantizer.start(self.model.coordinates, self.settings.initial_density)
        if self.quantizer.active and self.settings.fix_until is not None:
            if self.quantizer.log_step.requires_grad:
                self.quantizer.snap_step()
            self.quantizer.fix(self.model.coordinates, self._fixed_share(done, self.settings.fix_until))
        if done >= self.settings.settle_from and self.quantizer.log_step.requires_grad:
            self.quantizer.snap_step()
        if self.quantizer.active and (self.bits == 0.0 or self.step % _REPORT_EVERY == 0):
            self.bits = self._message_bits()

    def _fixed_share(self, done: float, last: float) -> float:
        first = self.settings.quantize_from
        return 1.0 if done >= last else 1.0 - ((last - done) / (last - first)) ** _FIXING_POWER

    def _polish(self, integers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if not self.settings.polish:
            return integers
        result = polish(
            self.model,
            self.data,
            self._logits,
            replace(self.header, step=self.exponent),
            integers,
            step_size(self.exponent),
            delta=self.delta,
            trials=self.settings.polish,
            batch_size=self.batch_size,
            accelerator=self.accelerator,
            progress=self._shows(),
        )
        self.polished = result
        return result.integers

    # Planning and reporting ------------------------------------------------------------------------

    def _maybe_plan(self, bar: Any) -> None:
        """Fixes the number of steps from the speed of the first ones; they ran before any schedule."""
        first, last = _TIMED_STEPS
        if self.total_steps is not None:
            return
        if self.step == first:
            self._timed_from = time.monotonic()
        if self.step < last:
            return
        each = (time.monotonic() - self._timed_from) / (last - first)
        left = (self.deadline or time.monotonic() + 60 * self.settings.budget_minutes) - time.monotonic()
        # A step on features tells nothing of the whole model's speed.
        forward = self.features.seconds_per_row if self.features else _FORWARD_SHARE * each / self.batch_size
        left -= forward * (
            self.to_count + self.settings.polish * (self.data.n + 3 * SAMPLE_BATCHES * self.batch_size)
        )
        steps = torch.tensor([round_down_coarsely(max(left / each, 1.0))], device=self.accelerator.device)
        if self.accelerator.num_processes > 1:
            steps = self.accelerator.reduce(steps, reduction="mean")
        self.total_steps = max(last + 1, int(steps.item()))
        bar.total = self.total_steps
        bar.refresh()
        self._save()

    def _message_bits(self) -> float:
        return message_bits(self.header, self.quantizer.integers(self.model.coordinates))

    def _report(self, bar: Any) -> None:
        shown = {"loss": f"{self.loss:.3f}", "train error": f"{100 * self.risk:.1f}%"}
        if self.quantizer.active:
            bound = occam_kl(min(self.risk, 1.0), self.data.n, self.bits, self.delta)
            shown |= {"bits": f"{self.bits:.0f}", "bound": f"{100 * bound:.1f}%"}
        bar.set_postfix(shown, refresh=False)

    def _shows(self) -> bool:
        return self.progress and self.accelerator.is_main_process

    # Checkpoints -----------------------------------------------------------------------------------

    def _maybe_save(self) -> None:
        if self.total_steps is not None and time.monotonic() - self._saved_at >= self.settings.save_seconds:
            self._save()

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        if self.state is None or not self.accelerator.is_main_process:
            return
        tensors = {f"parameter.{name}": p.detach().clone() for name, p in self._trained()}
        for name, parameter in self._trained():
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{key}.{name}"] = value.detach().clone()
        if self.quantizer.fixed is not None:
            tensors["fixed"] = self.quantizer.fixed.clone()
        numbers = {
            "step": self.step,
            "total_steps": self.total_steps,
            "loss": self.loss,
            "risk": self.risk,
            "bits": self.bits,
            "active": self.quantizer.active,
            "settled": not self.quantizer.log_step.requires_grad,
        }
        self.state.save(tensors, numbers)

    def _restore(self) -> None:
        saved = self.state.load() if self.state is not None else None
        if saved is None:
            return
        tensors, numbers = saved
        for name, parameter in self._trained():
            parameter.data.copy_(tensors[f"parameter.{name}"])
            moments = {k.split(".", 1)[0]: v for k, v in tensors.items() if k.endswith("." + name)}
            moments.pop("parameter")
            if moments:
                self.optimizer.state[parameter] = {
                    key: value if key == "step" else value.to(parameter.device)
                    for key, value in moments.items()
                }
        if "fixed" in tensors:
            self.quantizer.fixed = tensors["fixed"].to(self.model.coordinates.device)
        self.step, self.total_steps = numbers["step"], numbers["total_steps"]
        self.loss, self.risk, self.bits = numbers["loss"], numbers["risk"], numbers["bits"]
        self.quantizer.active = numbers["active"]
        self.quantizer.log_step.requires_grad_(not numbers["settled"])

    def _trained(self) -> list[tuple[str, Tensor]]:
        return [("coordinates", self.model.coordinates), ("log_step", self.quantizer.log_step)]
