"""What a program has set for all of torch, put aside while something is certified or checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

__all__ = ["own_numerics"]


@contextmanager
def own_numerics() -> Iterator[None]:
    """float32 on the CPU as the default, no autocast, gradients where they are asked for, matrix products in full.

    A notebook may have set another default dtype or device, a coarser precision of matrix products, or be within
    autocast or ``no_grad``: nothing of that may enter what is trained or counted, and all of it is as it was
    afterwards. As a decorator it holds for one call.
    """
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    with ExitStack() as stack:
        stack.callback(torch.set_default_dtype, dtype)
        stack.callback(torch.set_float32_matmul_precision, precision)
        torch.set_default_dtype(torch.float32)
        torch.set_float32_matmul_precision("highest")
        if torch.get_default_device().type != "cpu":  # each operation in such a context is a little slower
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(kind, enabled=False))
        yield
