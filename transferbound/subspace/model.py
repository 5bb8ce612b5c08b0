"""A user's model, trained in a subspace.

The weights are written in place and the gradient of each trainable parameter is projected, and freed, as
soon as it is accumulated. So the forward and backward passes are those of the model itself: tied
weights, checkpointing, autocast and ``torch.compile`` work as they do without the subspace.
"""

from __future__ import annotations

import contextlib
import inspect
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from transferbound.errors import SubspaceError
from transferbound.subspace.batch_statistics import has_statistics, refuse_batch_dependence
from transferbound.subspace.build import build_projection
from transferbound.subspace.config import SubspaceConfig
from transferbound.subspace.layout import build_layout

__all__ = ["SubspaceModel"]

_UNSAVED = ("_handles", "_totals", "forward")


class _Forward:
    """The model's own ``forward`` signature, by which ``Trainer`` and others find columns and labels."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.__signature__ = inspect.signature(model.forward)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._model(*args, **kwargs)


class SubspaceModel(nn.Module):
    """theta = theta0 + P w around ``model``, where theta0 are the values that ``model`` holds now.

    Only ``coordinates`` (w, shape [config.dim], initially zero) and the quantizer's parameters are
    trained: give ``trainable_parameters()`` to the optimizer. After ``loss.backward()`` their ``.grad``
    is set as usual, and that of the model's parameters is None.

    Normalization layers with running statistics are always in evaluation mode, also after ``.train()``:
    the certified predictor is decoded from the coordinates, so no statistic may move.

    Args:
        model: the user's module; kept as the submodule ``model`` and changed in place.
        config: the subspace.
        head: names of the head's parameters.
        quantizer: maps w to the coordinates that are used, of the same shape, differentiably (a
            straight-through estimator); it may own parameters.
        keep_prior: False saves the memory of theta0: each step adds P (w - w_before) to theta, whose rounding
            errors add up to about 3e-8 sqrt(steps) of a weight. Linear kinds and float32 or float64
            parameters only. The decoder is exact either way.

    Attributes that this class lacks are looked up on ``model`` (``config``, ``generate``, ...). Gradients
    reach the coordinates by ``backward()``, not by ``torch.autograd.grad``.

    Raises:
        SubspaceError: the subspace does not fit the model, the model is sharded, or a normalization
            layer has no running statistics, so that one example's prediction depends on its batch.
    """

    def __init__(
        self,
        model: nn.Module,
        config: SubspaceConfig,
        head: Sequence[str] = (),
        quantizer: nn.Module | None = None,
        keep_prior: bool = True,
    ) -> None:
        super().__init__()
        _refuse_wrappers(model)
        _refuse_several_devices(model)
        refuse_batch_dependence(model)
        layout = build_layout(model, head)
        self.subspace_config = config
        self.head = tuple(head)
        self.projection = build_projection(config, layout)
        self.model = model
        self.quantizer = quantizer
        self.keep_prior = keep_prior
        parameters = dict(model.named_parameters())
        self._names = [layout.specs[i].name for i in self.projection.trainable]
        self._trainable = [parameters[name] for name in self._names]
        double = all(p.dtype == torch.float64 for p in self._trainable)
        dtype, device = torch.float64 if double else torch.float32, self._trainable[0].device
        self.coordinates = nn.Parameter(torch.zeros(config.dim, dtype=dtype, device=device))
        self._check_prior()
        self._keep_state()
        self._ask_for_gradients()
        self._attach_to_model()
        self._attach()
        self.train(model.training)

    def _keep_state(self) -> None:
        """What must not move (theta0, buffers), and to which coordinates the weights belong."""
        self._base = [p.detach().reshape(-1).clone() for p in self._trainable] if self.keep_prior else None
        self._buffer_copies = {n: b.detach().clone() for n, b in _state_buffers(self.model)}
        # Without theta0 the weights always belong to known coordinates, at first zero.
        self._written = None if self.keep_prior else torch.zeros_like(self.coordinates)
        self._point: Any = None

    def _ask_for_gradients(self) -> None:
        chosen = {id(p) for p in self._trainable}
        for p in self.model.parameters():
            p.requires_grad_(id(p) in chosen)
            p.grad = None

    def _attach_to_model(self) -> None:
        """Hooks on modules, which are copied with the model."""
        modules = list(self.model.modules())
        self._with_statistics = [m for m in modules if has_statistics(m)]
        names = ("gradient_checkpointing", "grad_checkpointing")
        self._switches = [(m, name) for m in modules for name in names if hasattr(m, name)]
        self.model.register_forward_pre_hook(self._before_forward, with_kwargs=True)
        for module in modules:
            if isinstance(module, nn.Embedding) and not module.weight.requires_grad:
                module.register_forward_hook(self._after_embedding)
        self.model.register_state_dict_pre_hook(self._before_state_dict)
        self.model.register_load_state_dict_post_hook(self._after_load)

    # Forward ---------------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.model(*args, **kwargs)

    def trainable_parameters(self) -> list[nn.Parameter]:
        """The coordinates, and what the quantizer owns: all that an optimizer may change."""
        own = [] if self.quantizer is None else [p for p in self.quantizer.parameters() if p.requires_grad]
        return [self.coordinates, *own]

    def used_coordinates(self) -> Tensor:
        """The coordinates as the model uses them: after the quantizer, if there is one. Shape [dim]."""
        if self.quantizer is None:
            return self.coordinates
        with self._full_precision():
            used: Tensor = self.quantizer(self.coordinates)
        if used.shape != self.coordinates.shape:
            raise SubspaceError(
                f"the quantizer returned shape {tuple(used.shape)}, not {tuple(self.coordinates.shape)}"
            )
        return used

    @torch.compiler.disable
    def sync(self) -> None:
        """Writes theta into the model's parameters if the coordinates changed. Forward does so itself."""
        with torch.no_grad(), self._full_precision():
            w = self.used_coordinates().detach().to(self.coordinates.dtype)
            # By value: an optimizer that writes to .data leaves no trace in a version counter.
            written = self._written
            if self._point is not None and written is not None and torch.equal(w, written):
                return
            self._point = self.projection.prepare(w if self.keep_prior else self._change(w))
            for position, index in enumerate(self.projection.trainable):
                data = self._trainable[position].data
                self._write(index, data, data.reshape(-1) if self._base is None else self._base[position])
            self._written = w.clone()
            torch.clear_autocast_cache()  # it holds casts of the old theta

    def _change(self, w: Tensor) -> Tensor:
        if self._written is None:
            raise SubspaceError(
                "the weights were loaded without their coordinates: with keep_prior=False load the state "
                "of the whole SubspaceModel, or make a new one"
            )
        return w - self._written

    def _check_prior(self) -> None:
        if self.keep_prior:
            return
        if not self.projection.linear:
            raise SubspaceError(f"kind {self.projection.kind!r} is not linear: it needs keep_prior=True")
        if any(p.element_size() < 4 for p in self._trainable):
            raise SubspaceError("parameters in half precision need keep_prior=True")

    def _full_precision(self) -> torch.autocast:
        return torch.autocast(self.coordinates.device.type, enabled=False)

    def _write(self, index: int, data: Tensor, base: Tensor) -> None:
        if data.dtype == self.coordinates.dtype and data.is_contiguous():
            self.projection.write(self._point, index, base, data.view(-1))
            return
        theta = base.to(dtype=self.coordinates.dtype, copy=True)
        self.projection.write(self._point, index, theta, theta)
        data.copy_(theta.view(data.shape))

    def _before_forward(self, module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        self._freeze_statistics()
        self.sync()
        if self._totals and torch._C._current_graph_task_id() == -1:
            self._totals.clear()  # left by a backward pass that failed
        if not self._asks_for_input_gradients():
            return None
        return tuple(_asking(a) for a in args), {key: _asking(value) for key, value in kwargs.items()}

    def _after_embedding(self, module: nn.Module, args: Any, output: Tensor) -> None:
        if self._asks_for_input_gradients():
            output.requires_grad_()

    @torch.compiler.disable
    def _asks_for_input_gradients(self) -> bool:
        """Reentrant checkpointing drops the gradient of a block none of whose inputs asks for one."""
        if not torch.is_grad_enabled():
            return False
        return any(getattr(module, name) is True for module, name in self._switches)

    def _before_state_dict(self, module: nn.Module, prefix: str, keep_vars: bool) -> None:
        self.sync()

    # Modes and copies ------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> SubspaceModel:
        super().train(mode)
        self._freeze_statistics()
        return self

    @torch.compiler.disable
    def _freeze_statistics(self) -> None:
        for module in self._with_statistics:
            module.training = False

    def check_buffers(self) -> None:
        """Raises SubspaceError if a buffer of the model moved since it was wrapped."""
        now = dict(_state_buffers(self.model))
        for name, before in self._buffer_copies.items():
            if name not in now or not torch.equal(now[name].cpu(), before.cpu()):
                raise SubspaceError(
                    f"buffer {name} moved during training: the predictor would depend on data that no "
                    "message carries"
                )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SubspaceModel:
        # A change of dtype is for the user's model only: what is trained stays in full precision.
        own = self.trainable_parameters()
        kept = [p.detach().clone() for p in own]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for p, before in zip(own, kept, strict=True):
            if p.dtype != before.dtype:
                grad, p.grad = p.grad, None
                p.data = before.to(p.device)
                p.grad = None if grad is None else grad.to(p.dtype)
        self._point = None
        if self._base is not None:
            self._base = [base.to(self.coordinates.device) for base in self._base]
            self._written = None
        elif self._written is not None:
            self._check_prior()
            self._written = self._written.to(self.coordinates.device)
        return self

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """As of any module. The coordinates are what counts: theta is written anew from theta0."""
        if assign:
            raise SubspaceError("load_state_dict(assign=True) would replace the parameters: use assign=False")
        result = super().load_state_dict(state_dict, strict=strict)
        if not self.keep_prior and "coordinates" in state_dict:
            with torch.no_grad():
                self._written = self.used_coordinates().detach().clone()
        return result

    def _after_load(self, module: nn.Module, incompatible: Any) -> None:
        self._written = None

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_") or "model" not in self.__dict__.get("_modules", {}):
                raise
            return getattr(self.model, name)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in _UNSAVED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._attach()

    # Backward --------------------------------------------------------------------------------------

    def _attach(self) -> None:
        """Hooks on the trainable parameters; they are not copied with a parameter, so also after a copy."""
        self.__dict__["forward"] = _Forward(self.model)
        self._totals: dict[int, Any] = {}
        self._handles = []
        this = weakref.ref(self)
        for position, parameter in enumerate(self._trainable):

            def project(p: Tensor, position: int = position) -> None:
                model = this()
                if model is not None:
                    model._project(position, p)

            self._handles.append(parameter.register_post_accumulate_grad_hook(project))

    @torch.no_grad()
    def _project(self, position: int, parameter: Tensor) -> None:
        grad, parameter.grad = parameter.grad, None
        if grad is None:
            return
        if grad.is_sparse:
            grad = grad.to_dense()
        task = torch._C._current_graph_task_id()
        if task not in self._totals:
            self._totals[task] = self.projection.new_total(self.coordinates.dtype, grad.device)
            # Once for each backward pass, when all its hooks have run (reentrant ones end on their own).
            torch.autograd.Variable._execution_engine.queue_callback(lambda: self._flush(task))
        index = self.projection.trainable[position]
        with self._full_precision():
            self.projection.project(self._point, index, grad.reshape(-1), self._totals[task])

    def _flush(self, task: int) -> None:
        with torch.no_grad(), self._full_precision():
            gradient = self.projection.fold(self._totals.pop(task))
        with torch.enable_grad():
            used = self.used_coordinates()
        if used is not self.coordinates:
            torch.autograd.backward(used, gradient.to(used.dtype))
        elif self.coordinates.grad is None:
            self.coordinates.grad = gradient
        else:
            self.coordinates.grad += gradient

    def reduce_gradient(self, accelerator: Any) -> None:
        """Averages the gradient over processes: d numbers and the quantizer's, never D.

        Call it after the last backward pass of a step and before ``optimizer.step()``; then the model
        needs no ``DistributedDataParallel`` around it.

        Args:
            accelerator: an ``accelerate.Accelerator`` (or anything with its ``reduce``).
        """
        for parameter in self.trainable_parameters():
            grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = accelerator.reduce(grad, reduction="mean")

    # Ending ----------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Plain data: the subspace, what it trains and what it costs."""
        held = self.projection.memory(self._trainable[0].element_size())
        held["prior"] *= self.keep_prior
        return {**self.projection.describe(), "cost": self.projection.cost(), "memory": held}

    @contextlib.contextmanager
    def at_prior(self) -> Iterator[nn.Module]:
        """The model with theta0 for the time of the block: ``with subspace.at_prior() as prior: ...``."""
        kept = self.coordinates.detach().clone()
        quantizer, self.quantizer = self.quantizer, None
        try:
            self.coordinates.data.zero_()
            yield self.model
        finally:
            self.coordinates.data.copy_(kept)
            self.quantizer = quantizer


def _asking(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point() and not value.requires_grad:
        return value.detach().requires_grad_()
    return value


def _refuse_wrappers(model: nn.Module) -> None:
    wrappers = (nn.parallel.DistributedDataParallel, nn.DataParallel, SubspaceModel)
    for module in model.modules():
        if isinstance(module, wrappers) or hasattr(module, "_orig_mod"):
            raise SubspaceError(
                f"the model is already wrapped ({type(module).__name__}): make the SubspaceModel of the "
                "plain model, and compile or distribute that (SubspaceModel.reduce_gradient)"
            )


def _refuse_several_devices(model: nn.Module) -> None:
    devices = {p.device for p in model.parameters()}
    if len(devices) > 1:
        raise SubspaceError(f"the model lies on several devices, {sorted(map(str, devices))}: move it to one")


def _state_buffers(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Buffers that a checkpoint would hold."""
    for prefix, module in model.named_modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:
                yield (f"{prefix}.{name}" if prefix else name), buffer
