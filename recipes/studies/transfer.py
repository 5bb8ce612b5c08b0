"""Transfer: the bits that a prior saves, from a random start to ImageNet, and what one task says of another.

    python recipes/studies/transfer.py --mnist DIR --fashion-mnist DIR --lite0 DIR --subj DIR --sst2 DIR --minilm DIR

Claim (Lotfi et al. 2022): a better prior makes the same train error cheaper to say; transfer is
compression. Points: heads on what priors at growing distance see, at the smallest bound and with the fewest bits for a
given train error: small networks at a random start, fixed filters, small networks trained on rendered digits and on
each other's data set, EfficientNet-Lite0 from ImageNet; for sentences MiniLM with random weights, and as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _priors.digits import rendered_digits
from _run.study.command import QUICK, Scene, Study, main
from _run.study.heads import HEAD_INPUT, Head
from _run.study.page import Section, bars, bits, paired, percents, where
from _run.study.points import Point, Row
from _run.study.priors import encoder, trained_net
from _run.study.tables import sampled

ARCHITECTURE = "transferbound_convnet"
_IMAGENET_PLACE, _IMAGENET_SIDE = 8, 64
_ROWS = {QUICK: 200, "small": 2000, "full": 60_000}
_SOURCE_ROWS = {QUICK: 200, "small": 3000, "full": 60_000}
_TEXTS = {QUICK: 60, "small": 1000, "full": 8000}
_EPOCHS = {QUICK: 1, "small": 8, "full": 10}
_COMPONENTS = {QUICK: (8,), "small": (24, 64), "full": (24, 64, 160, 256)}
ERRORS = {"mnist": 0.1, "fashion_mnist": 0.25, "subj": 0.15, "sst2": 0.3}
"""Train errors at which bits are compared, by task."""
_CALLED = {"mnist": "ylecun/mnist", "fashion_mnist": "zalando-datasets/fashion_mnist"}
RENDERED = "rendered digits"
_KEPT = {
    ("mnist", prior) for prior in ("random start", "fixed filters", RENDERED, "fashion_mnist", "ImageNet")
}


def points(scene: Scene) -> list[Point]:
    """A task after another; the smallest bound, then equal train error; ImageNet, whose passes are long, last."""
    tasks = (
        partial(_pictures, scene, "mnist", "fashion_mnist"),
        partial(_pictures, scene, "fashion_mnist", "mnist"),
        partial(_texts, scene),
    )
    made = [
        point
        for own in tasks
        for equal in (False, True)
        for seed in scene.seeds
        for point in own(seed, equal)
    ]
    return sorted(made, key=lambda point: point.setting["prior"] == "ImageNet")


def _pictures(scene: Scene, task: str, other: str, seed: int, equal: bool) -> Iterator[Point]:
    priors: dict[str, Callable[[], str]] = {
        "random start": partial(str, f"random/{ARCHITECTURE}/{seed}"),
        "fixed filters": partial(str, "fixed/transferbound_filters"),
        RENDERED: partial(_trained, scene, RENDERED, seed),
        other: partial(_trained, scene, other, seed),
        "ImageNet": partial(str, scene.sources["lite0"]),
    }
    count, source = _ROWS[scene.size], scene.sources[task]
    for name, prior in priors.items():
        imagenet = name == "ImageNet"
        head = Head(
            _COMPONENTS[scene.size],
            place=_IMAGENET_PLACE if imagenet else HEAD_INPUT,
            target=ERRORS[task] if equal else None,
            input_size=_IMAGENET_SIDE if imagenet else 0,
        )
        yield Point(
            {"task": task, "prior": name, "target": head.target},
            seed,
            prior,
            partial(sampled, scene.work / "data", task, source, count, seed),
            head,
            kept=seed == 0 and not equal and (task, name) in _KEPT,
        )


def _trained(scene: Scene, source: str, seed: int) -> str:
    """The small network trained on other rows than the task's."""
    count, data = _SOURCE_ROWS[scene.size], scene.work / "data"
    if source == RENDERED:
        rows, called = rendered_digits(data, count, seed), "rendered_digits"
    else:
        rows, called = sampled(data, source, scene.sources[source], count, seed), _CALLED[source]
    return trained_net(scene.work / "priors", ARCHITECTURE, seed, rows, called, epochs=_EPOCHS[scene.size])


def _texts(scene: Scene, seed: int, equal: bool) -> Iterator[Point]:
    for task in ("subj", "sst2") if scene.size == "full" else ("subj",):
        priors: dict[str, Callable[[], str]] = {
            "random start": partial(encoder, scene.work / "priors", scene.sources["minilm"], seed=seed),
            "MiniLM": partial(str, scene.sources["minilm"]),
        }
        for name, prior in priors.items():
            head = Head(_COMPONENTS[scene.size][:2], target=ERRORS[task] if equal else None)
            source = scene.sources[task]
            yield Point(
                {"task": task, "prior": name, "target": head.target},
                seed,
                prior,
                partial(sampled, scene.work / "data", task, source, _TEXTS[scene.size], seed),
                head,
            )


# The page ------------------------------------------------------------------------------------------


def _settings(rows: list[Row]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["task"], row["prior"]) for row in rows))


def _lines(rows: list[Row]) -> list[tuple[str, ...]]:
    lines = []
    for task, prior in _settings(rows):
        best, equal = (where(rows, task=task, prior=prior, target=target) for target in (None, ERRORS[task]))
        start = where(rows, task=task, prior="random start", target=ERRORS[task])
        saved = paired(equal, start, "bits").text() if equal and start and prior != "random start" else ""
        missed = sum(not row["reached"] for row in equal)
        cell = bits(equal) + (f" (missed by {missed})" if missed else "") if equal else ""
        found = (
            (bits(best), percents(best, "train_error"), percents(best, "risk_bound")) if best else ("",) * 3
        )
        lines.append((task, prior, str(len(best)), *found, cell, saved))
    return lines


def _draw(rows: list[Row], axes: Axes) -> None:
    shown = [
        (task, prior) for task, prior in _settings(rows) if where(rows, task=task, prior=prior, target=None)
    ]
    groups = [where(rows, task=task, prior=prior, target=None) for task, prior in shown]
    bars(axes, [f"{task}, {prior}" for task, prior in shown], groups, "risk_bound", 100)
    axes.set_ylabel("bound, %")


def _verdict(rows: list[Row]) -> str:
    said = []
    for task in dict.fromkeys(row["task"] for row in rows):
        start = where(rows, task=task, prior="random start", target=ERRORS[task])
        others = [prior for own, prior in _settings(rows) if own == task and prior != "random start"]
        for prior in others:
            equal = where(rows, task=task, prior=prior, target=ERRORS[task])
            if start and equal:
                saved = paired(equal, start, "bits")
                word = {1: "saves", 0: "is not told from a random start: it saves", -1: "costs"}[saved.sign]
                shown = saved if saved.sign >= 0 else paired(start, equal, "bits")
                said.append(f"on {task} {prior} {word} {shown.text()} bits")
    if not said:
        return _by_bound(rows)
    told = sum(" saves " in one and "random" not in one for one in said)
    return (
        f"{told} of {len(said)} priors save bits at equal train error beyond doubt: " + "; ".join(said) + "."
    )


def _by_bound(rows: list[Row]) -> str:
    """Where nothing was run at equal train error."""
    said = []
    for task, prior in _settings(rows):
        pair = [where(rows, task=task, prior=one, target=None) for one in (prior, "random start")]
        if prior != "random start" and all(pair):
            fall = paired(*pair, "risk_bound", 100)
            word = {1: "lowers", 0: "is not told from a random start: it lowers", -1: "raises"}[fall.sign]
            shown = fall if fall.sign >= 0 else paired(*pair[::-1], "risk_bound", 100)
            said.append(f"on {task} {prior} {word} the bound by {shown.text(1)} points")
    return "Not run at equal train error yet; at the smallest bound: " + "; ".join(said) + "."


SECTION = Section(
    "transfer",
    "Transfer",
    "a better prior makes the same train error cheaper to say: transfer is compression (CIFAR-10 from "
    "ImageNet 35.1 against "
    "58.2 % from scratch).",
    "declared are 2,000 pictures of MNIST and of FashionMNIST and 1,000 sentences of SUBJ, of which the "
    "table has what was run; sparse heads on what the prior's "
    "own head would "
    "read (EfficientNet-Lite0 at 64 pixels: two depths, 2 x 2 places). The small networks are trained on "
    "3,000 rows. A task's "
    "row with another task as prior is what the one says of the other. Equal train errors: "
    + ", ".join(f"{task} {100 * error:.0f} %" for task, error in ERRORS.items())
    + ".",
    (
        "task",
        "prior",
        "seeds",
        "bits",
        "train error",
        "bound",
        "bits at equal train error",
        "saved by the prior",
    ),
    _lines,
    _draw,
    _verdict,
)


STUDY = Study(
    "transfer",
    {
        **_CALLED,
        "lite0": "timm/tf_efficientnet_lite0.in1k",
        "subj": "SetFit/subj",
        "sst2": "stanfordnlp/sst2",
        "minilm": "sentence-transformers/all-MiniLM-L6-v2",
    },
    points,
)

if __name__ == "__main__":
    sys.exit(main(STUDY, __doc__))
