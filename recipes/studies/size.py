"""Size: bits, bound and train error of one family of networks by width, and of MiniLM by depth.

    python recipes/studies/size.py --fashion-mnist DIR --subj DIR --minilm DIR

Claim (Lotfi et al. 2022, section 6.2): larger models compress further: the same data is said in fewer bits. Points:
convolutional networks of 2 to 62 thousand parameters (to 912 thousand with --full) in hashed subspaces of two declared
dimensions; heads on the first 1, 3 or 6 layers of MiniLM (each with --full), at the smallest bound and at equal train
error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _run.study.command import QUICK, Scene, Study, main
from _run.study.heads import Head
from _run.study.nets import Net
from _run.study.points import Point
from _run.study.priors import encoder
from _run.study.tables import sampled

WIDTHS = {QUICK: (4, 8), "small": (4, 8, 16, 32), "full": (4, 8, 16, 32, 64, 128)}
PARAMETERS = {4: 1734, 8: 5186, 16: 17274, 32: 62186, 64: 234954, 128: 912266}
DIMS = {QUICK: (30,), "small": (150, 500), "full": (250, 1000, 2500)}
LAYERS = {QUICK: (1,), "small": (1, 3, 6), "full": (1, 2, 3, 4, 5, 6)}
WORDS_ERROR = 0.15
"""Train error at which bits are compared, heads on SUBJ."""
_ROWS = {QUICK: 200, "small": 1500, "full": 60_000}
_EPOCHS = {QUICK: 1.0, "small": 15.0, "full": 60.0}
_TEXTS = {QUICK: 60, "small": 1000, "full": 10_000}


def points(scene: Scene) -> list[Point]:
    """Widths, then depths."""
    return [point for own in (_widths, _layers) for seed in scene.seeds for point in own(scene, seed)]


def _widths(scene: Scene, seed: int) -> Iterator[Point]:
    size, source = scene.size, scene.sources["fashion_mnist"]
    for dim in DIMS[size]:
        for width in WIDTHS[size]:
            name = "convnet" if width == 16 else f"convnet_{width}"
            prior = f"random/transferbound_{name}/{seed}"
            yield Point(
                {
                    "family": "width",
                    "value": width,
                    "parameters": PARAMETERS[width],
                    "d": dim,
                    "target": None,
                },
                seed,
                partial(str, prior),
                partial(sampled, scene.work / "data", "fashion_mnist", source, _ROWS[size], seed),
                Net(dim, _EPOCHS[size], seed),
                kept=seed == 0 and dim == DIMS[size][0],
            )


def _layers(scene: Scene, seed: int) -> Iterator[Point]:
    size, source, base = scene.size, scene.sources["subj"], scene.sources["minilm"]
    for layers in LAYERS[size]:
        for target in (None, WORDS_ERROR):
            yield Point(
                {"family": "layers", "value": layers, "parameters": None, "d": None, "target": target},
                seed,
                partial(encoder, scene.work / "priors", base, layers=layers),
                partial(sampled, scene.work / "data", "subj", source, _TEXTS[size], seed),
                Head((24, 64) if size != QUICK else (8,), target=target),
                kept=seed == 0 and target is None and layers == LAYERS[size][-1],
            )


STUDY = Study(
    "size",
    {
        "fashion_mnist": "zalando-datasets/fashion_mnist",
        "subj": "SetFit/subj",
        "minilm": "sentence-transformers/all-MiniLM-L6-v2",
    },
    points,
)

if __name__ == "__main__":
    sys.exit(main(STUDY, __doc__))
