"""Adam with one second moment for all coordinates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["SharedAdam"]


class SharedAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1) with the mean of the squared gradient over a whole tensor.

    Adam moves every coordinate at one speed, whether it matters or not. On a grid that pays for each nonzero
    coordinate the useful ones should move first: here steps keep the proportions of the gradient.

    Args:
        parameters: tensors to train, each with its own scalar second moment.
        lr: step length in units of a coordinate whose gradient is of average size.
        betas: decay of the running mean and of the running mean square.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float = 0.02, betas: tuple[float, float] = (0.9, 0.99)
    ) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step from the gradients as they stand; tensors without a gradient are left alone."""
        for group in self.param_groups:
            first, second = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros(())
                    state["mean"] = torch.zeros_like(parameter)
                    state["square"] = torch.zeros((), dtype=parameter.dtype, device=parameter.device)
                state["step"] += 1
                state["mean"].lerp_(parameter.grad, 1 - first)
                state["square"].lerp_(parameter.grad.square().mean(), 1 - second)
                count = float(state["step"])
                mean = state["mean"] / (1 - first**count)
                scale = (state["square"] / (1 - second**count)).sqrt_() + 1e-12
                parameter.sub_(group["lr"] * mean / scale)
