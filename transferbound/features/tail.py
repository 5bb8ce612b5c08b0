"""The end of a model, from one module on: the model's own forward pass, in which all before it is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call

from transferbound.data.encoded import EncodedData
from transferbound.features.record import Form

__all__ = ["Tail"]


@dataclass
class _Pass:
    """One forward pass: what has been reached in it."""

    features: Tensor
    examples: int
    tokens: int
    entered: bool = False
    used: dict[nn.Module, int] = field(default_factory=dict)


class Tail:
    """Logits from the tensor that enters ``module`` in place of the data.

    What is called before ``module``, beside it or beside a module around it, gives nan of the right
    shape: a model that uses it for anything else gives nan. Nothing stays changed after a call.

    Args:
        network: the whole model.
        module: at its first call in a forward pass, the tensor takes the place of its first argument.
        skipped: the calls that are skipped, in order: module and form of its output.
        data: of images only the number is used; token ids and masks are read.
    """

    def __init__(
        self,
        network: nn.Module,
        module: nn.Module,
        skipped: Sequence[tuple[nn.Module, Any]],
        data: EncodedData,
    ) -> None:
        self.network, self.module, self.data = network, module, data
        self._forms: dict[nn.Module, list[Any]] = {}
        for other, form in skipped:
            self._forms.setdefault(other, []).append(form)
        example = data.batch(np.zeros(1, dtype=np.int64))
        self._inputs: dict[str, Form] | None = None
        if data.lengths is None and all(value.is_floating_point() for value in example.values()):
            self._inputs = {key: Form((-1, *value.shape[1:]), value.dtype) for key, value in example.items()}

    def __call__(
        self,
        features: Tensor,
        rows: npt.NDArray[np.int64],
        parameters: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """[B, C], differentiable in the parameters from the module on, or in those given in their place."""
        device = features.device
        if self._inputs is None:
            batch = self.data.batch(rows, device)
        else:
            batch = {key: form.unknown(len(rows), 0, device) for key, form in self._inputs.items()}
        tokens = 0 if self.data.lengths is None else int(self.data.lengths[rows].max(initial=1))
        now = _Pass(features, len(rows), tokens)
        with self._changed(now):
            if parameters is None:
                logits: Tensor = self.network(**batch)
            else:
                logits = functional_call(self.network, parameters, kwargs=batch)
        if not now.entered:
            raise RuntimeError("the module that reads the features was not called")
        return logits

    @contextmanager
    def _changed(self, now: _Pass) -> Iterator[None]:
        def enter(_: nn.Module, args: Any, kwargs: Any) -> Any:
            if now.entered:
                return None
            now.entered = True
            return (now.features, *args[1:]), kwargs

        handle = self.module.register_forward_pre_hook(enter, with_kwargs=True)
        own: list[tuple[dict[str, Any], Any]] = []
        try:
            for module, forms in self._forms.items():
                held = vars(module)
                own.append((held, held.get("forward")))
                held["forward"] = _skip(module, module.forward, forms, now)
            yield
        finally:
            handle.remove()
            for held, before in own:
                del held["forward"]
                if before is not None:
                    held["forward"] = before


def _skip(
    module: nn.Module, forward: Callable[..., Any], forms: Sequence[Any], now: _Pass
) -> Callable[..., Any]:
    def skip(*args: Any, **kwargs: Any) -> Any:
        if now.entered:
            return forward(*args, **kwargs)
        turn = now.used.get(module, 0)
        now.used[module] = turn + 1
        return _unknown(forms[turn], now, now.features.device)

    return skip


def _unknown(form: Any, now: _Pass, device: torch.device) -> Any:
    if isinstance(form, Form):
        return form.unknown(now.examples, now.tokens, device)
    return tuple(_unknown(item, now, device) for item in form) if isinstance(form, tuple) else form
