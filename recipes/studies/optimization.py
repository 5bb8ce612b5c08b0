"""Optimization: whether stochasticity is what makes a network compress.

    python recipes/studies/optimization.py --mnist DIR

Claim (Lotfi et al. 2022): full-batch training compresses as well as stochastic training, so stochasticity
is not needed for it. Points: one small network in one hashed subspace, trained until the same training loss by seven
optimizers, rounded and coded alike, at the shortest message of the same train error; beside bits and bound, the trace
of the Fisher matrix in the subspace.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _run.study.command import QUICK, Scene, Study, main
from _run.study.descent import Descent
from _run.study.page import Section, bars, bits, of, paired, percents, where
from _run.study.points import Point, Row
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

# The page ------------------------------------------------------------------------------------------


def _lines(rows: list[Row]) -> list[tuple[str, ...]]:
    lines = []
    for name in METHODS:
        own = where(rows, method=name)
        if own:
            missed = sum(not row["reached"] for row in own)
            found = (bits(own), percents(own, "train_error"), percents(own, "risk_bound"))
            how = (of(own, "steps").text(), of(own, "loss").text(2), of(own, "fisher_trace").text(2))
            lines.append((name, str(len(own)), *how, *found, str(missed)))
    return lines


def _draw(rows: list[Row], axes: Axes) -> None:
    names = [name for name in METHODS if where(rows, method=name)]
    bars(axes, names, [where(rows, method=name) for name in names], "bits")
    axes.set_ylabel("bits at equal train error")


def _verdict(rows: list[Row]) -> str:
    small, full = where(rows, method="SGD, small batches"), where(rows, method="full batch")
    if not (small and full):
        return "Not run with full batches yet."
    more = paired(small, full, "bits")
    curved = paired(small, full, "fisher_trace")
    unmet = [row["method"] for row in full + small if row["loss"] > LOSS]
    word = {1: "Does not agree", 0: "Agrees as far as these seeds tell", -1: "Agrees, and more"}[more.sign]
    said = (
        f"{word}: full batches take {more.text()} bits more than small ones at the same training loss and "
        "train error, of "
        f"{bits(small)}; the trace of the Fisher matrix differs by {curved.text(2)}"
    )
    said += (
        ". Not sure: the interval is wide"
        if more.sign == 0 and more.high > 0.2 * of(small, "bits").mean
        else ""
    )
    if not unmet:
        return said + "."
    return f"{said}. Of these {len(small + full)} runs {len(unmet)} ended before the loss was reached."


SECTION = Section(
    "optimization",
    "Optimization",
    "full-batch training compresses as well as stochastic training, so that stochasticity is not needed "
    "(configurations, and "
    "not one number; its full batches are clipped gradients of 1,000 rows).",
    f"MNIST, 500 rows; a convolutional network of 1,734 parameters in {DIM} hashed coordinates, trained until "
    "the mean "
    f"cross-entropy of all rows is {LOSS}; then rounded alike (step, levels and dead zone from one list), to "
    "the shortest message "
    f"of at most {100 * ERROR:.0f} % train error. One exact gradient of all rows is a step of the full batch, "
    "nothing is clipped.",
    ("method", "seeds", "steps", "loss", "Fisher trace", "bits", "train error", "bound", "missed"),
    _lines,
    _draw,
    _verdict,
)


STUDY = Study("optimization", {"mnist": "ylecun/mnist"}, points)

if __name__ == "__main__":
    sys.exit(main(STUDY, __doc__))
