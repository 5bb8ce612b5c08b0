"""How the threads of torch wait for one another, set before torch is loaded."""

from __future__ import annotations

import os

__all__ = ["wait_passively"]

_OWN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def wait_passively() -> None:
    """Threads that have nothing to do sleep, unless the environment says how they are to wait.

    By default they spin. Beside other busy processes the one that all wait for then gets no core, and a step takes
    several times as long (benchmarks/contention.py).
    """
    if not any(name in os.environ for name in _OWN):
        os.environ["OMP_WAIT_POLICY"] = "passive"
