"""How often a simulated statement was false: drawn in parts, with limits of the rate, and the table that is printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

__all__ = ["Bools", "Leak", "lower_limit", "print_rates", "upper_limit", "violations_of"]

Bools = np.ndarray
Leak = Callable[[np.random.Generator, int], Bools]


def violations_of(learner: Leak, seed: int, trials: int, chunk: int) -> Bools:
    """In which trials what the learner stated was false; ``chunk`` trials at a time bound the memory."""
    rng = np.random.default_rng(seed)
    return np.concatenate([learner(rng, min(chunk, trials - done)) for done in range(0, trials, chunk)])


def upper_limit(missed: Bools, confidence: float = 0.999) -> float:
    """Upper Clopper-Pearson limit of the rate of false statements (by scipy, not by the code under test)."""
    k, n = int(missed.sum()), len(missed)
    return 1.0 if k == n else float(stats.beta.isf(1.0 - confidence, k + 1, n - k))


def lower_limit(missed: Bools, confidence: float = 0.999) -> float:
    """Lower Clopper-Pearson limit of the rate of false statements."""
    k, n = int(missed.sum()), len(missed)
    return 0.0 if k == 0 else float(stats.beta.ppf(1.0 - confidence, k, n - k + 1))


def print_rates(honest: Mapping[str, Leak], leaks: Mapping[str, Leak], trials: int, chunk: int) -> None:
    """A line a learner: the rate of false statements, and its 99.9 % limits."""
    for title, learners in (("rule kept", honest), ("rule broken", leaks)):
        for name, learner in learners.items():
            missed = violations_of(learner, 1, trials, chunk)
            limits = f"[{lower_limit(missed):.4f}, {upper_limit(missed):.4f}]"
            print(f"{title:12s} {name:30s} {missed.mean():.4f} {limits}", flush=True)
