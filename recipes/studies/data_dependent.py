"""Data-dependent priors: what is left for the message to say as more of the rows are spent on the prior.

    python recipes/studies/data_dependent.py --fashion-mnist DIR

Claim (Lotfi et al. 2022, section 6.4): with rows spent on the prior the bound gets tight because the message gets
empty, so that it tells of the prior's test error and not of why the network generalizes. Points: 0, 10, 20, 50 and
80 % of the rows train a small convolutional network, from its head on a sparse head is moved on the rest; beside it,
in the rows, the network's own error there, of which a held-out bound is made.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _run.study.command import QUICK, Scene, Study, main
from _run.study.heads import OWN_HEAD, Head
from _run.study.points import Point
from _run.study.priors import trained_net
from _run.study.tables import sampled

SHARES = (0.0, 0.1, 0.2, 0.5, 0.8)
ARCHITECTURE = "transferbound_convnet"
_ROWS = {QUICK: 200, "small": 3000, "full": 60_000}
_EPOCHS = {QUICK: 1, "small": 10, "full": 20}
_COMPONENTS = {QUICK: (0, 8), "small": (0, 8, 24, 64, 128), "full": (0, 8, 24, 64, 128, 256)}
_CALLED = "zalando-datasets/fashion_mnist"


def points(scene: Scene) -> list[Point]:
    """Every share at every seed."""
    return [_point(scene, share, seed) for seed in scene.seeds for share in SHARES]


def _point(scene: Scene, share: float, seed: int) -> Point:
    count = _ROWS[scene.size]
    source = scene.sources["fashion_mnist"]
    rows = partial(sampled, scene.work / "data", "fashion_mnist", source, count, seed)
    spent = round(share * count)
    return Point(
        {"share": share, "spent": spent},
        seed,
        partial(_prior, scene, rows, spent, seed),
        rows,
        Head(_COMPONENTS[scene.size], place=OWN_HEAD),
        split=f"train[{spent}:]" if spent else "train",
        prior_split=f"train[:{spent}]" if spent else None,
        kept=seed == 0,
    )


def _prior(scene: Scene, rows: partial[str], spent: int, seed: int) -> str:
    if not spent:
        return f"random/{ARCHITECTURE}/{seed}"
    epochs = _EPOCHS[scene.size]
    return trained_net(scene.work / "priors", ARCHITECTURE, seed, rows(), _CALLED, epochs=epochs, first=spent)


STUDY = Study("data_dependent", {"fashion_mnist": _CALLED}, points)

if __name__ == "__main__":
    sys.exit(main(STUDY, __doc__))
