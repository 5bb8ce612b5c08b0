"""Heads on the members of the declared family: trained, judged by their messages, and improved near where they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from transferbound.certification.attempt import Attempt
from transferbound.certification.head_judge import HeadJudge
from transferbound.certification.inputs import Inputs
from transferbound.features.components import ComponentTable
from transferbound.finetune.heads import PILOT, Effort, HeadProblem, Search, shaken, train_head
from transferbound.message import Header, message_bits, step_size
from transferbound.message.short_codes import COMPONENTS, SPARSE_LEVELS, SPARSE_STEPS, sparse_dim
from transferbound.priors.components import FeatureChoice, choices
from transferbound.priors.components.basis import fitted_start
from transferbound.priors.components.names import name_weights
from transferbound.risks.zero_one import ZeroOne
from transferbound.subspace.kinds.sparse import sparse_scale

__all__ = ["LEVELS", "FamilyHeads", "Member"]

LEVELS = 31
_LEAST_SECONDS = 1.5  # for a head, however little time is left
_PATIENCE = 400  # trials of a shaken head in a row that are no better

Ints = npt.NDArray[np.int64]
Member = tuple[int, int, int]
"""Place on the list of features, number of components, levels."""


@dataclass
class FamilyHeads:
    """Trains heads on the components of one data set.

    Args:
        inputs: prior and data.
        base: what all headers have in common.
        table: the components of every row.
        risk, delta: what is bounded, and how surely.
        labels: int64 [rows].
        weights: float64 [rows], of sum one.
        deadline: ``time.monotonic()`` by which every head is to be done.
    """

    inputs: Inputs
    base: Header
    table: ComponentTable
    risk: ZeroOne
    delta: float
    labels: torch.Tensor
    weights: torch.Tensor
    deadline: float
    names: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)

    def attempt(
        self,
        place: int,
        count: int,
        rows: Ints,
        held: Ints | None = None,
        *,
        until: float,
        levels: int = LEVELS,
        effort: Effort = PILOT,
    ) -> Attempt:
        """Trains a head on ``rows`` and judges it there, or on ``held`` as if it were all rows."""
        started = time.monotonic()
        header = replace(
            self.base,
            features=place,
            components=count,
            dim=sparse_dim(self.base.classes, count),
            levels=levels,
        )
        whole = self._problem(place, count)
        judge = HeadJudge(self.risk, self.delta, header, None if held is None else _of(whole, held))
        head = train_head(
            whole if len(rows) == whole.n else _of(whole, rows),
            judge,
            risk=self.risk,
            delta=self.delta,
            levels=levels,
            exponents=tuple(SPARSE_STEPS),
            deadline=max(min(self.deadline, until), started + _LEAST_SECONDS),
            effort=effort,
        )
        coded = judge.header_of(head.integers, head.exponent)
        bits = message_bits(coded, head.integers, judge.contexts)
        _, bound = judge(head.mean_loss, head.integers, head.exponent)
        if held is None:
            bound = self.risk.expected_bound(head.mean_loss, bits, self.delta)
        seconds = time.monotonic() - started
        mean = judge.mean if held is not None else head.mean_loss
        return Attempt(
            coded, head.integers, mean, bits, bound, seconds, whole=len(rows) == whole.n, head=head
        )

    def shaken(self, attempt: Attempt, until: float) -> Attempt:
        """A head near that of ``attempt``, on all rows, of a smaller bound; its own where none is found."""
        started = time.monotonic()
        header, exponent = attempt.header, attempt.header.step
        problem = self._problem(header.features, header.components)
        judge = HeadJudge(self.risk, self.delta, header, None)
        search = Search(
            problem,
            attempt.integers.reshape(problem.shape),
            step_size(exponent),
            (header.levels - 1) // 2,
            lambda mean, integers: judge(mean, integers.ravel(), exponent),
            lambda mean, bits: self.risk.bit_price(max(mean, 1 / self.risk.units.n), bits, self.delta),
            until,
        )
        found = shaken(search, _PATIENCE)
        integers = found.integers.ravel()
        coded = judge.header_of(integers, exponent)
        bits = message_bits(coded, integers, judge.contexts)
        bound = self.risk.expected_bound(found.mean, bits, self.delta)
        return replace(
            attempt,
            header=coded,
            integers=integers,
            mean=found.mean,
            bits=bits,
            bound=bound,
            seconds=time.monotonic() - started,
        )

    def beside(self, header: Header) -> Iterator[Member]:
        """Members of the family with the next numbers of components, or levels, at the same place."""
        place, levels = header.features, header.levels
        at = COMPONENTS.index(header.components)
        for count in COMPONENTS[max(1, at - 1) : at + 2]:
            if count != header.components and count <= self.table.most(place):
                yield place, count, levels
        at = SPARSE_LEVELS.index(levels)
        for other in SPARSE_LEVELS[max(0, at - 1) : at + 2]:
            if other != levels:
                yield place, header.components, other

    def _problem(self, place: int, count: int) -> HeadProblem:
        """All rows at a place, with the first ``count`` components."""
        features = self.table.components(place, count) if count else torch.zeros(len(self.labels), 0)
        return HeadProblem(
            features=features,
            labels=self.labels,
            weights=self.weights,
            num_classes=self.base.classes,
            scale=sparse_scale(count),
            base=self._start(place, features),
        )

    def choice(self, place: int) -> FeatureChoice:
        """What a place on the list says."""
        return choices(self.inputs.prior.modality, self.inputs.reference is not None)[place]

    def _start(self, place: int, features: torch.Tensor) -> torch.Tensor | None:
        """What the answers of a place's heads start from, [n, C]; None for zeros."""
        choice = self.choice(place)
        if choice.own_head and self.table.own.shape[1]:
            return torch.from_numpy(np.ascontiguousarray(self.table.own))
        if not choice.names or not features.shape[1]:
            return None
        if place in self.table.basis.seen:
            return self._fitted_start(place)
        key = (place, features.shape[1])
        if key not in self.names:
            inputs, basis, size = self.inputs, self.table.basis, self.base.input_size
            directions, taps = basis.directions[place], basis.taps[place]
            self.names[key] = name_weights(
                inputs.prior, inputs.data.class_names, directions, taps, features.shape[1], size
            )
        return features @ self.names[key].T

    def _fitted_start(self, place: int) -> torch.Tensor:
        """[n, C], whatever the number of components."""
        key = (place, 0)
        if key not in self.names:
            start = fitted_start(self.inputs.prior, self.table.basis, place, self.inputs.data.class_names)
            self.names[key] = self.table.components(place, start.shape[1]) @ start.T
        return self.names[key]


def _of(problem: HeadProblem, rows: Ints) -> HeadProblem:
    """The same on some of the rows."""
    weights = problem.weights[rows]
    return replace(
        problem,
        features=problem.features[rows],
        labels=problem.labels[rows],
        weights=weights / weights.sum(),
        base=None if problem.base is None else problem.base[rows],
    )
