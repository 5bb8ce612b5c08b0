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

from transferbound.data.batches import epoch_batches
from transferbound.data.encoded import EncodedData
from transferbound.distributed import is_alone, mean, share, total
from transferbound.errors import TrainingError
from transferbound.features import CachedFeatures
from transferbound.finetune.numbers import round_down_coarsely
from transferbound.finetune.optimizer import SharedAdam
from transferbound.finetune.polish import SAMPLE_BATCHES, PolishResult, polish
from transferbound.finetune.schedule import GridSchedule
from transferbound.finetune.settings import FinetuneSettings
from transferbound.message import Header, step_size
from transferbound.risks.risk import Objective
from transferbound.storage.run_state import RunState
from transferbound.subspace import SubspaceModel

__all__ = ["Finetuner"]

_MEMORY = 0.98  # of the running surrogate and loss
_TIMED_STEPS = (5, 30)
_REPORT_EVERY = 25
_FORWARD_SHARE = 0.5  # of a step's time that the forward pass alone takes, with a margin


class Finetuner:
    """Trains the coordinates of ``model`` on ``data`` and gives the integers on the grid.

    Args:
        model: a :class:`SubspaceModel` whose quantizer is a :class:`Quantizer`.
        data: the encoded training examples.
        header: the choices of the message; its step is filled in by the result.
        risk: what is to be small: its surrogate is trained on, its bound sets the price of a bit.
        delta: the bound's failure probability.
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
        risk: Objective,
        delta: float,
        settings: FinetuneSettings,
        accelerator: Accelerator,
        state: RunState | None = None,
        progress: bool = True,
        deadline: float | None = None,
        to_count: int = 0,
        features: CachedFeatures | None = None,
    ) -> None:
        self.model, self.data, self.header, self.risk, self.delta = model, data, header, risk, delta
        self.settings, self.state, self.accelerator, self.progress = settings, state, accelerator, progress
        self.grid = GridSchedule(model, header, risk, delta, settings)
        self.quantizer = self.grid.quantizer
        self.deadline, self.to_count, self.features = deadline, to_count, features
        self.batch_size = min(settings.batch_size, data.n)
        self.per_epoch = math.ceil(data.n / self.batch_size)
        self.step = 0
        self.total_steps: int | None = None
        if settings.epochs is not None:
            self.total_steps = max(1, round(settings.epochs * self.per_epoch))
        self.mean_loss = 1.0
        self.surrogate = math.nan
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
        self._check_numbers()
        self._save()
        self.model.check_buffers()
        self.grid.advance(1.0)
        return self._polish(self.quantizer.integers(self.model.coordinates))

    @property
    def exponent(self) -> int:
        """Exponent of the lattice step, as a message names it."""
        return self.grid.exponent

    def _batches(self) -> Iterator[npt.NDArray[np.int64]]:
        """Row numbers of each step from the present one on: a function of seed and epoch alone."""
        while True:
            epoch, within = divmod(self.step, self.per_epoch)
            yield from epoch_batches(self.data, self.batch_size, self.settings.seed, epoch)[within:]

    def _advance(self, indices: npt.NDArray[np.int64]) -> None:
        done = self.step / self.total_steps if self.total_steps else 0.0
        self._check_numbers()
        self.grid.advance(done, recount=self.step % _REPORT_EVERY == 0)
        for group, rate in zip(
            self.optimizer.param_groups, self.grid.learning_rates(self.step, done), strict=True
        ):
            group["lr"] = rate
        self.optimizer.zero_grad()
        surrogate, loss = self._backward(indices)
        if not math.isfinite(surrogate):
            raise self._diverged()
        if self.step > 0:  # no mean is known before
            self.grid.charge(self.mean_loss, self.surrogate)
        self.optimizer.step()
        self.step += 1
        keep = min(_MEMORY, 1.0 - 1.0 / self.step)
        self.surrogate = (
            surrogate if math.isnan(self.surrogate) else keep * self.surrogate + (1.0 - keep) * surrogate
        )
        self.mean_loss = keep * self.mean_loss + (1.0 - keep) * loss

    def _backward(self, indices: npt.NDArray[np.int64]) -> tuple[float, float]:
        """Gradient of the mean surrogate over the batch, this process's share of it; mean surrogate and loss."""
        accelerator, risk = self.accelerator, self.risk
        mine = share(indices, accelerator)
        seen = torch.zeros(2, device=accelerator.device)
        if len(mine):
            with accelerator.autocast():
                outputs = self._logits(mine)
            surrogate = risk.units.weigh(risk.surrogate(outputs, mine), mine).sum()
            # The reduction below is a mean over processes.
            (surrogate * (accelerator.num_processes / len(indices))).backward()
            losses = risk.units.weigh(risk.losses(outputs.detach(), mine), mine).sum()
            seen = torch.stack([surrogate.detach(), losses])
        if not is_alone(accelerator):
            self.model.reduce_gradient(accelerator)
            risk.recall({name: mean(value, accelerator) for name, value in risk.memory().items()})
        surrogates, losses = total(seen, accelerator).tolist()
        return surrogates / len(indices), losses / len(indices)

    def _logits(self, rows: npt.NDArray[np.int64]) -> Tensor:
        if self.features is not None:
            return self.features.logits(rows)
        outputs: Tensor = self.model(**self.data.batch(rows, self.accelerator.device))
        return outputs

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
            risk=self.risk,
            delta=self.delta,
            trials=self.settings.polish,
            batch_size=self.batch_size,
            accelerator=self.accelerator,
            progress=self._shows(),
        )
        self.polished = result
        return result.integers

    def _check_numbers(self) -> None:
        """Raises TrainingError where a coordinate, in units of the grid, is no number."""
        places = self.model.coordinates.detach() / self.quantizer.log_step.detach().exp()
        if not bool(torch.isfinite(places).all()):
            raise self._diverged()

    def _diverged(self) -> TrainingError:
        """What is kept of the run would only end there again."""
        if self.state is not None and self.accelerator.is_main_process:
            self.state.remove()
        return TrainingError(
            f"training diverged at step {max(self.step, 1):,}: the loss is no number any more; lower --learning-rate, "
            f"which is {self.settings.learning_rate:g}"
        )

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
        steps = round_down_coarsely(max(left / each, 1.0))
        self.total_steps = max(last + 1, int(mean(steps, self.accelerator)))  # clocks differ, steps must not
        bar.total = self.total_steps
        bar.refresh()
        self._save()

    def _report(self, bar: Any) -> None:
        words, risk = self.risk.words, self.risk
        shown = {"loss": f"{self.surrogate:.3f}", f"train {words.quantity}": risk.value(self.mean_loss)}
        if self.quantizer.active:
            bound = risk.expected_bound(self.mean_loss, self.grid.bits, self.delta)
            shown |= {"bits": f"{self.grid.bits:.0f}", "bound": risk.value_up(bound)}
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
        grid_tensors, grid_numbers = self.grid.state()
        numbers = {
            "step": self.step,
            "total_steps": self.total_steps,
            "surrogate": self.surrogate,
            "mean_loss": self.mean_loss,
            "risk": self.risk.memory(),
        }
        self.state.save(tensors | grid_tensors, numbers | grid_numbers)

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
        self.step, self.total_steps = numbers["step"], numbers["total_steps"]
        self.surrogate, self.mean_loss = numbers["surrogate"], numbers["mean_loss"]
        self.risk.recall(numbers.get("risk", {}))
        self.grid.restore(tensors, numbers)

    def _trained(self) -> list[tuple[str, Tensor]]:
        return [("coordinates", self.model.coordinates), ("log_step", self.quantizer.log_step)]
