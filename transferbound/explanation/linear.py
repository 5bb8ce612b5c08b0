"""Kind "sparse": what each number of a linear head is worth, by counting all rows with a zero in its place.

The network runs once. Logits are then sums of what it gave, in float64, so that thousands of heads are counted in
seconds. A row whose best two logits tie within rounding is wrong here as it is in the certificate; how near is near is
another rule than there, so the two counts may differ by rows that are at the border.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from transferbound.data.batches import LARGE_BATCH, evaluation_batches, evaluation_order
from transferbound.explanation.explanation import Coordinate, Cut, Part
from transferbound.explanation.held import Held
from transferbound.explanation.without import LinearRows, answers, wrong_rows
from transferbound.message import step_size
from transferbound.priors.components.classifier import ComponentClassifier
from transferbound.subspace.kinds.sparse import sparse_scale

__all__ = ["LinearHead"]

_CUTS = 24

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class LinearHead:
    """A decoded message of kind "sparse" on rows.

    Attributes:
        shape: of the integers, a row for each class but the first, K components and a bias.
        errors: with the whole message.
    """

    def __init__(self, held: Held) -> None:
        self.held = held
        header = held.decoded.header
        self.shape = (header.classes - 1, header.components + 1)
        inputs, start = _seen(held)
        inputs *= sparse_scale(header.components) * step_size(header.step)
        self.rows = LinearRows(inputs, start, np.asarray(held.data.labels, dtype=np.int64))
        self.answers = answers(self.rows.logits(held.integers))
        self.errors = int(self.rows.wrong(held.integers).sum())

    def coordinates(self) -> tuple[Coordinate, ...]:
        """All that are not zero, in the message's order."""
        held = self.held
        places = np.flatnonzero(held.integers)
        found = []
        for place, wrong in zip(places, self.rows.each_without(held.integers, places), strict=True):
            shorter = held.bits(held.without(place))
            found.append(
                Coordinate(
                    int(place),
                    int(held.integers[place]),
                    self.name(int(place)),
                    round(held.bits(held.integers) - shorter, 6),
                    int(wrong.sum()) - self.errors,
                    held.bound(wrong, shorter),
                )
            )
        return tuple(found)

    def parts(self) -> dict[str, tuple[Part, ...]]:
        """By class, and by the rank of the component."""
        table = np.arange(len(self.held.integers)).reshape(self.shape)
        names = self.held.data.class_names
        by_class = [(name, table[place]) for place, name in enumerate(names[1:])]
        by_rank = [
            (f"components {first + 1} to {last}", table[:, first:last].ravel())
            for first, last in _octaves(self.shape[1] - 1)
        ]
        by_rank.append(("biases", table[:, -1]))
        return {
            "class": tuple(self._part(name, places) for name, places in by_class),
            "component": tuple(self._part(name, places) for name, places in by_rank),
        }

    def _part(self, name: str, places: Ints) -> Part:
        integers = self.held.without(places)
        wrong = self.rows.wrong(integers)
        saved = self.held.bits(self.held.integers) - self.held.bits(integers)
        count = int(np.count_nonzero(self.held.integers[places]))
        return Part(name, count, round(saved, 6), int(wrong.sum()) - self.errors)

    def cuts(self) -> tuple[Cut, ...]:
        """Down to no coordinate; values are counted anew after each cut, since what is left must make up for it."""
        integers = self.held.integers.copy()
        found = [self._cut(integers)]
        share = -(-max(1, int(np.count_nonzero(integers))) // _CUTS)
        with tqdm(
            total=int(np.count_nonzero(integers)), desc="cutting", disable=not self.held.progress, leave=False
        ) as bar:
            while len(places := np.flatnonzero(integers)):
                bits = self.held.bits(integers)
                errors = np.array([wrong.sum() for wrong in self.rows.each_without(integers, places)])
                saved = np.array(
                    [bits - self.held.bits(_zeroed(integers, place)) for place in places.tolist()]
                )
                worth = (errors - found[-1].errors) / np.maximum(saved, 1e-3)
                integers[places[np.argsort(worth, kind="stable")[:share]]] = 0
                found.append(self._cut(integers))
                bar.update(min(share, len(places)))
        return tuple(found)

    def _cut(self, integers: Ints) -> Cut:
        logits = self.rows.logits(integers)
        wrong = wrong_rows(logits, self.rows.labels)
        changed = answers(logits) != self.answers
        bits = self.held.bits(integers)
        return Cut(
            int(np.count_nonzero(integers)),
            bits,
            int(wrong.sum()),
            int(changed.sum()),
            self.held.bound(wrong, bits),
        )

    def name(self, place: int) -> str:
        """What a coordinate moves."""
        label, number = divmod(place, self.shape[1])
        of = self.held.data.class_names[label + 1]
        return f"{of}: " + ("bias" if number == self.shape[1] - 1 else f"component {number + 1}")


def _octaves(count: int) -> list[tuple[int, int]]:
    """1 to 8, 9 to 16, 17 to 32 and so on, from 0, up to ``count``."""
    edges = [0]
    while edges[-1] < count:
        edges.append(min(count, max(8, 2 * edges[-1])))
    return list(pairwise(edges))


def _zeroed(integers: Ints, place: int) -> Ints:
    changed = integers.copy()
    changed[place] = 0
    return changed


@torch.inference_mode()
def _seen(held: Held) -> tuple[Floats, Floats]:
    """What the head reads, and a one: [n, K + 1]; what its answer is added to: [n, C]."""
    module, data, header = held.decoded.module, held.encoded, held.decoded.header
    assert isinstance(module, ComponentClassifier)
    inputs = np.ones((data.n, header.components + 1))
    start = np.zeros((data.n, header.classes))
    names = _named_start(held) if header.components else None
    cpu = torch.device("cpu")
    order = evaluation_order(data)
    with tqdm(total=data.n, desc="network", unit="row", disable=not held.progress, leave=False) as bar:
        for rows in evaluation_batches(data, order, LARGE_BATCH, cpu):
            own, features = module.answer_and_components(data.batch(rows, cpu))
            inputs[rows, :-1] = features.double().numpy()
            if own is not None:
                start[rows] = own.double().numpy()
            if names is not None:
                start[rows] += inputs[rows, :-1] @ names.T
            bar.update(len(rows))
    return inputs, start


def _named_start(held: Held) -> Floats | None:
    """The head as it is before the message, where it knows the names of the classes: [C, K]."""
    from transferbound.predictor import built

    names = held.content["dataset"]["class_names"]
    fresh, _ = built(held.prior, held.decoded.header, len(names), names, held.reference)
    assert isinstance(fresh, ComponentClassifier)
    weight = fresh.head.weight
    return None if weight is None or not bool(weight.any()) else weight.detach().double().numpy()
