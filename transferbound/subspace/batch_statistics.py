"""Normalization over a batch: what makes one row's answer depend on the rows beside it."""

from __future__ import annotations

from torch import nn

from transferbound.errors import SubspaceError

__all__ = ["has_statistics", "refuse_batch_dependence"]


def has_statistics(module: nn.Module) -> bool:
    return getattr(module, "running_mean", None) is not None


def refuse_batch_dependence(model: nn.Module) -> None:
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not has_statistics(module):
            raise SubspaceError(
                f"{name} is a batch normalization without running statistics: the prediction for one "
                "example would depend on its batch. Replace it before wrapping"
            )
