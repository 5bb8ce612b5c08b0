"""Other kinds: coordinates that move many weights at once are tried one by one, some of them, on some rows.

All of them are ranked by their share of what training gained: the surrogate's fall from the checkpoint to the
certified predictor, along the straight line between the two, credited to each coordinate by its gradient (integrated
gradients, Sundararajan, Taly and Yan 2017). The shares add up to the fall, up to the error of the sum.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr
from tqdm import tqdm

from transferbound.data.batches import LARGE_BATCH, evaluation_batches, evaluation_order
from transferbound.explanation.explanation import Coordinate, Cut, Part
from transferbound.explanation.held import Held
from transferbound.message import step_size
from transferbound.predictor import built
from transferbound.risks.answers import answers_of
from transferbound.subspace import SubspaceModel, build_layout, build_projection
from transferbound.subspace.config import subspace_config
from transferbound.subspace.decode import add_offset_

__all__ = ["Moved"]

_POINTS = 8
_SHARES = (1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0)
_MOST_PARTS = 12
_LEAST = 3  # coordinates of which a correlation says anything

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Moved:
    """A decoded message whose coordinates move tensors of the network, on rows.

    Attributes:
        errors: with the whole message.
    """

    def __init__(self, held: Held) -> None:
        self.held = held
        header = held.decoded.header
        self.names = held.content["dataset"]["class_names"]
        self.module, self.head = built(held.prior, header, len(self.names), self.names, held.reference)
        self.projection = build_projection(subspace_config(header), build_layout(self.module, self.head))
        parameters = dict(self.module.named_parameters())
        self.trained = [self.projection.layout.specs[i].name for i in self.projection.trainable]
        self.parameters = {name: parameters[name] for name in self.trained}
        self.prior = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.labels = np.asarray(held.data.labels, dtype=np.int64)
        self.whole = self.answers(held.integers)
        self.errors = self.wrong(self.whole)

    def answers(self, integers: Ints, left: frozenset[str] = frozenset()) -> Ints:
        """What the predictor of these integers answers, its tensors ``left`` as the checkpoint has them: int64 [n]."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(self.prior[name])
            add_offset_(self.module, self.projection, integers, step_size(self.held.decoded.header.step))
            for name in left:
                self.parameters[name].copy_(self.prior[name])
        return answers_of(self.module.eval(), self.held.encoded, len(self.names)).classes

    def wrong(self, answers: Ints) -> int:
        return int((answers != self.labels).sum())

    def coordinates(self, most: int, credits: Floats) -> tuple[Coordinate, ...]:
        """At most so many of those that are not zero, drawn once for all, in the message's order."""
        held = self.held
        places = np.flatnonzero(held.integers)
        if len(places) > most:
            places = np.sort(np.random.default_rng(0).permutation(places)[:most])
        found = []
        for place in tqdm(places, "coordinates", unit="coordinate", disable=not held.progress, leave=False):
            integers = held.without(place)
            bits, answers = held.bits(integers), self.answers(integers)
            found.append(
                Coordinate(
                    int(place),
                    int(held.integers[place]),
                    self.name(int(place)),
                    round(held.bits(held.integers) - bits, 6),
                    self.wrong(answers) - self.errors,
                    held.bound(answers != self.labels, bits),
                )
            )
        return tuple(found)

    def name(self, place: int) -> str:
        """A coordinate by whether it moves the head alone."""
        contexts = self.projection.contexts()
        return "head" if contexts[place] else f"{len(self.trained)} tensors"

    def parts(self) -> dict[str, tuple[Part, ...]]:
        """By module: without the offset of its tensors. Of many modules those that share a beginning are together."""
        groups: dict[str, set[str]] = {}
        depth = max(name.count(".") for name in self.trained)
        while depth > 0:
            groups = {}
            for name in self.trained:
                groups.setdefault(_beginning(name, depth), set()).add(name)
            if len(groups) <= _MOST_PARTS:
                break
            depth -= 1
        bar = tqdm(groups.items(), "modules", unit="module", disable=not self.held.progress, leave=False)
        found = [
            Part(name, None, None, self.wrong(self.answers(self.held.integers, frozenset(own))) - self.errors)
            for name, own in bar
        ]
        return {"module": tuple(found)}

    def credits(self, points: int = _POINTS) -> Floats:
        """What each coordinate has of the surrogate's fall: float64 [d], in units of the mean surrogate.

        Args:
            points: of the line, at which gradients are taken.
        """
        header = self.held.decoded.header
        fresh, head = built(self.held.prior, header, len(self.names), self.names, self.held.reference)
        model = SubspaceModel(fresh, subspace_config(header), head)
        model.eval()
        whole = torch.from_numpy(self.held.integers * step_size(header.step)).to(model.coordinates.dtype)
        total = torch.zeros_like(whole, dtype=torch.float64)
        for point in tqdm(range(points), "gradients", disable=not self.held.progress, leave=False):
            with torch.no_grad():
                model.coordinates.copy_(whole * ((point + 0.5) / points))
            total += self._gradient(model)
        credits: Floats = (-(total / points) * whole.double()).numpy()
        return credits

    def _gradient(self, model: SubspaceModel) -> torch.Tensor:
        """Of the mean surrogate over the rows, float64 [d]."""
        data, cpu = self.held.encoded, torch.device("cpu")
        model.coordinates.grad = None
        for rows in evaluation_batches(data, evaluation_order(data), LARGE_BATCH, cpu):
            outputs = model(**data.batch(rows, cpu))
            (self.held.risk.surrogate(outputs, rows).sum() / data.n).backward()
        gradient = model.coordinates.grad
        assert gradient is not None
        return gradient.double()

    def cuts(self, credits: Floats) -> tuple[Cut, ...]:
        """At eighths of the coordinates that are not zero."""
        places = np.flatnonzero(self.held.integers)
        ranked = places[
            np.argsort(credits[places], kind="stable")
        ]  # all cost about the same: the least credit first
        found = []
        for share in tqdm(_SHARES, "cuts", disable=not self.held.progress, leave=False):
            left = round(share * len(ranked))
            integers = self.held.without(ranked[: len(ranked) - left])
            answers, bits = self.answers(integers), self.held.bits(integers)
            found.append(
                Cut(
                    left,
                    bits,
                    self.wrong(answers),
                    int((answers != self.whole).sum()),
                    self.held.bound(answers != self.labels, bits),
                )
            )
        return tuple(found)


def agreement(coordinates: tuple[Coordinate, ...], credits: Floats) -> float | None:
    """Rank correlation of credits with the errors of those that were tried; None where they say nothing."""
    errors = [coordinate.errors for coordinate in coordinates]
    own = [credits[coordinate.place] for coordinate in coordinates]
    if len(errors) < _LEAST or len(set(errors)) == 1 or len(set(own)) == 1:
        return None
    return float(spearmanr(errors, own).statistic)


def _beginning(name: str, depth: int) -> str:
    """The first ``depth`` parts of a tensor's name, its last part left out."""
    return ".".join(name.split(".")[:-1][:depth]) or name
