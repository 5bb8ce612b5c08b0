"""Size: bits, bound and train error of one family of networks by width, and of MiniLM by depth.

    python recipes/studies/size.py --fashion-mnist DIR --subj DIR --minilm DIR

Claim (Lotfi et al. 2022): larger models compress further: the same data is said in fewer bits. Points:
convolutional networks of 2 to 62 thousand parameters (to 912 thousand with --full) in hashed subspaces of two declared
dimensions; heads on the first 1, 3 or 6 layers of MiniLM (each with --full), at the smallest bound and at equal train
error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _run.study.command import QUICK, Scene, Study, main
from _run.study.heads import Head
from _run.study.nets import Net
from _run.study.page import Section, bits, of, paired, percents, where
from _run.study.points import Point, Row
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


# The page ------------------------------------------------------------------------------------------


def _settings(rows: list[Row]) -> list[tuple[str, int, int | None, float | None]]:
    keys = ("family", "value", "d", "target")
    return list(dict.fromkeys(tuple(row[key] for key in keys) for row in rows))  # type: ignore[misc]


def _own(rows: list[Row], family: str, value: int, dim: int | None, target: float | None) -> list[Row]:
    return where(rows, family=family, value=value, d=dim, target=target)


def _lines(rows: list[Row]) -> list[tuple[str, ...]]:
    lines = []
    for setting in _settings(rows):
        own, (family, value, dim, target) = _own(rows, *setting), setting
        name = f"{PARAMETERS[value]:,} parameters" if family == "width" else f"MiniLM, {value} layers"
        goal = "smallest bound" if target is None else f"{100 * target:.0f} % train error"
        found = (bits(own), percents(own, "train_error"), percents(own, "risk_bound"))
        lines.append((name, "" if dim is None else str(dim), goal, str(len(own)), *found))
    return lines


def _draw(rows: list[Row], axes: Axes) -> None:
    for dim in dict.fromkeys(row["d"] for row in where(rows, family="width")):
        widths = sorted({row["value"] for row in where(rows, family="width", d=dim)})
        means = [of(_own(rows, "width", width, dim, None), "risk_bound", 100).mean for width in widths]
        axes.plot([PARAMETERS[width] for width in widths], means, "o-", label=f"d = {dim}")
    axes.set(xscale="log", xlabel="parameters", ylabel="bound, %", ylim=(0, 100))
    axes.legend(frameon=False)


def _verdict(rows: list[Row]) -> str:
    said = []
    for dim in dict.fromkeys(row["d"] for row in where(rows, family="width")):
        widths = sorted({row["value"] for row in where(rows, family="width", d=dim)})
        small, large = (_own(rows, "width", width, dim, None) for width in (widths[0], widths[-1]))
        fall = paired(large, small, "risk_bound", 100)
        sizes = f"{PARAMETERS[widths[0]]:,} to {PARAMETERS[widths[-1]]:,} parameters"
        word = {1: "agrees", 0: "is not decided", -1: "does not agree"}[fall.sign]
        said.append(f"with d = {dim} from {sizes} the bound falls by {fall.text(1)} points ({word})")
    layers = sorted({row["value"] for row in where(rows, family="layers")})
    if len(layers) > 1:
        few, many = (_own(rows, "layers", count, None, WORDS_ERROR) for count in (layers[0], layers[-1]))
        if few and many:
            saved = paired(many, few, "bits")
            word = {1: "agrees", 0: "is not decided", -1: "does not agree"}[saved.sign]
            said.append(
                f"{layers[-1]} layers of MiniLM save {saved.text()} bits over {layers[0]} at equal train "
                f"error ({word})"
            )
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not run yet."


SECTION = Section(
    "size",
    "Size",
    "larger models compress further (bounds of 62.1, 57.1, 56.2, 56.0, 56.3, 56.5, 57.5, 61.7, 62.2 and 63.4 "
    "% from 4 thousand "
    "to 9 million parameters on CIFAR-10, one seed: a U with its best at 64 thousand).",
    "FashionMNIST, 1,500 rows, one family of convolutional networks by width in hashed subspaces of two "
    "dimensions, 15 "
    "passes; SUBJ, 1,000 rows, heads on the first layers of MiniLM.",
    ("model", "d", "found for", "seeds", "bits", "train error", "bound"),
    _lines,
    _draw,
    _verdict,
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
