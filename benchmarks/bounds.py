"""Microseconds a call of every bound: python benchmarks/bounds.py [--json] [--repeat 20]"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from transferbound.bounds import (
    Mixture,
    catoni,
    hoeffding,
    max_bits,
    mcallester,
    min_n,
    occam_betting,
    occam_binomial,
    occam_excess,
    occam_kl,
    pac_bayes_kl,
)

SIZES = (1_000, 50_000, 1_000_000, 10_000_000)
BITS = (0.0, 100.0, 8_488.09, 1_000_000.0)
ERROR = 0.13624
DELTA = 0.05


def microseconds(call: Callable[[], object], repeat: int) -> float:
    """The fastest of ``repeat`` calls after one that warms up."""
    call()
    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return 1e6 * best


def measure(repeat: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for n in SIZES:
        errors = round(ERROR * n)
        for bits in BITS:
            calls: dict[str, Callable[[], object]] = {
                "occam_binomial": partial(occam_binomial, errors, n, bits, DELTA),
                "occam_binomial, k = n / 2": partial(occam_binomial, n // 2, n, bits, DELTA),
                "occam_kl": partial(occam_kl, ERROR, n, bits, DELTA),
                "catoni": partial(catoni, ERROR, n, bits, DELTA),
                "pac_bayes_kl": partial(pac_bayes_kl, ERROR, n, bits, DELTA),
                "mcallester": partial(mcallester, ERROR, n, bits, DELTA),
                "hoeffding": partial(hoeffding, ERROR, n, bits, DELTA),
                "max_bits": partial(max_bits, 0.35, errors, n, DELTA),
                "min_n": partial(min_n, 0.35, ERROR, bits, DELTA),
            }
            for name, call in calls.items():
                rows.append({"bound": name, "n": n, "bits": bits, "us": microseconds(call, repeat)})
    return rows + _of_losses(repeat) + _of_documents(repeat)


def _of_losses(repeat: int) -> list[dict[str, object]]:
    rng, rows = np.random.default_rng(0), []
    for n in SIZES[:2]:
        losses = rng.beta(2.0, 12.0, n)
        rows.append(
            {
                "bound": "occam_betting",
                "n": n,
                "bits": 100.0,
                "us": microseconds(partial(occam_betting, losses, 100.0, DELTA), min(repeat, 3)),
            }
        )
    return rows


def _of_documents(repeat: int) -> list[dict[str, object]]:
    """The excess over the prior, and the mixture that it is about, for documents of 64 tokens."""
    rng, rows, mixture, switching = np.random.default_rng(1), [], Mixture(2.0**-6), Mixture(2.0**-6, 2.0**-8)
    prior = np.maximum(-rng.exponential(6.0, (SIZES[1], 64)), -15.0)
    model = np.minimum(prior + rng.normal(1.0, 1.0, prior.shape), 0.0)
    losses = -prior.mean(axis=1)
    for n in SIZES[:2]:
        for bits in (100.0, 1_500.0):
            excess = mixture.excess(model[:n], prior[:n])
            call = partial(occam_excess, excess, losses[:n], mixture.top(64), 15.0, bits, DELTA)
            rows.append(
                {"bound": "occam_excess", "n": n, "bits": bits, "us": microseconds(call, min(repeat, 3))}
            )
    for name, kind in (("Mixture.excess", mixture), ("Mixture.excess, switching", switching)):
        call = partial(kind.excess, model, prior)
        rows.append({"bound": name, "n": SIZES[1], "bits": 0.0, "us": microseconds(call, min(repeat, 2))})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--repeat", type=int, default=20, help="calls a figure; the fastest counts")
    arguments = parser.parse_args()
    rows = measure(arguments.repeat)
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'bound':28s}{'n':>12s}{'bits':>12s}{'us a call':>12s}")
    for row in rows:
        print(f"{row['bound']:28s}{row['n']:>12,}{row['bits']:>12,.0f}{row['us']:>12.1f}")


if __name__ == "__main__":
    main()
