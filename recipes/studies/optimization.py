"""Optimization: whether stochasticity is what makes a network compress.

    python recipes/studies/optimization.py --mnist DIR

Claim (Lotfi et al. 2022, section 6.6): full-batch training compresses as well as stochastic training, so stochasticity
is not needed for it. Points: one small network in one hashed subspace, trained until the same training loss by seven
optimizers, rounded and coded alike, at the shortest message of the same train error; beside bits and bound, the trace
of the Fisher matrix in the subspace.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _run.study.command import QUICK, Scene, Study, main
from _run.study.descent import Descent
from _run.study.points import Point
from _run.study.tables import sampled

LARGE = 0
"""In place of a batch: a quarter of the rows, at most 512."""
METHODS: dict[str, tuple[str, int, float]] = {
    "SGD, small batches": ("sgd", 32, 2.0),
    "SGD, large batches": ("sgd", LARGE, 5.0),
    "SGD with momentum": ("momentum", 32, 0.2),
    "Adam": ("adam", 32, 0.02),
    "full batch": ("gd", 0, 10.0),
    "full batch with noise": ("gd with noise", 0, 10.0),
    "sharpness-aware": ("sharpness-aware", 32, 2.0),
}
"""Name to method, batch and learning rate. Rates were set for speed on 60 steps of one seed, none for bits."""
ARCHITECTURE, DIM = "transferbound_convnet_4", 200
LOSS, ERROR = 0.5, 0.25
_ROWS = {QUICK: 200, "small": 500, "full": 10_000}
_MOST = {QUICK: 1000, "small": 200_000, "full": 20_000_000}


def points(scene: Scene) -> list[Point]:
    """Every method at every seed."""
    return [_point(scene, name, seed) for seed in scene.seeds for name in METHODS]


def _point(scene: Scene, name: str, seed: int) -> Point:
    method, batch, rate = METHODS[name]
    batch = batch or min(512, _ROWS[scene.size] // 4)
    descent = Descent(method, DIM, batch, rate, LOSS, ERROR, _MOST[scene.size], seed)
    return Point(
        {"method": name},
        seed,
        partial(str, f"random/{ARCHITECTURE}/{seed}"),
        partial(sampled, scene.work / "data", "mnist", scene.sources["mnist"], _ROWS[scene.size], seed),
        descent,
        kept=seed == 0 and name in _KEPT,
    )


_KEPT = {"SGD, small batches", "SGD, large batches", "Adam", "full batch", "full batch with noise"}

STUDY = Study("optimization", {"mnist": "ylecun/mnist"}, points)

if __name__ == "__main__":
    sys.exit(main(STUDY, __doc__))
