"""Transfer: the bits that a prior saves, from a random start to ImageNet, and what one task says of another.

    python recipes/studies/transfer.py --mnist DIR --fashion-mnist DIR --lite0 DIR --subj DIR --sst2 DIR --minilm DIR

Claim (Lotfi et al. 2022, section 6.1): a better prior makes the same train error cheaper to say; transfer is
compression. Points: heads on what priors at growing distance see, at the smallest bound and with the fewest bits for a
given train error: small networks at a random start, fixed filters, small networks trained on rendered digits and on
each other's data set, EfficientNet-Lite0 from ImageNet; for sentences MiniLM with random weights, and as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _priors.digits import rendered_digits
from _run.study.command import QUICK, Scene, Study, main
from _run.study.heads import HEAD_INPUT, Head
from _run.study.points import Point
from _run.study.priors import encoder, trained_net
from _run.study.tables import sampled

ARCHITECTURE = "transferbound_convnet"
_IMAGENET_PLACE, _IMAGENET_SIDE = 8, 64
_ROWS = {QUICK: 200, "small": 2000, "full": 60_000}
_SOURCE_ROWS = {QUICK: 200, "small": 3000, "full": 60_000}
_TEXTS = {QUICK: 60, "small": 1000, "full": 8000}
_EPOCHS = {QUICK: 1, "small": 8, "full": 10}
_COMPONENTS = {QUICK: (8,), "small": (24, 64, 160), "full": (24, 64, 160, 256)}
ERRORS = {"mnist": 0.1, "fashion_mnist": 0.25, "subj": 0.15, "sst2": 0.3}
"""Train errors at which bits are compared, by task."""
_CALLED = {"mnist": "ylecun/mnist", "fashion_mnist": "zalando-datasets/fashion_mnist"}
RENDERED = "rendered digits"
_KEPT = {
    ("mnist", prior) for prior in ("random start", "fixed filters", RENDERED, "fashion_mnist", "ImageNet")
}


def points(scene: Scene) -> list[Point]:
    """Pictures, then texts; the smallest bound, then equal train error."""
    return [
        point
        for own in (_pictures, _texts)
        for equal in (False, True)
        for seed in scene.seeds
        for point in own(scene, seed, equal)
    ]


def _pictures(scene: Scene, seed: int, equal: bool) -> Iterator[Point]:
    for task, other in (("mnist", "fashion_mnist"), ("fashion_mnist", "mnist")):
        priors: dict[str, Callable[[], str]] = {
            "random start": lambda: f"random/{ARCHITECTURE}/{seed}",
            "fixed filters": lambda: "fixed/transferbound_filters",
            RENDERED: partial(_trained, scene, RENDERED, seed),
            other: partial(_trained, scene, other, seed),
            "ImageNet": lambda: scene.sources["lite0"],
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
            "MiniLM": lambda: scene.sources["minilm"],
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
