"""Sparse heads on fixed features, for studies: at the smallest bound, or with the fewest bits at a given train error.

No clock decides anything here, as it does in ``transferbound bound``: the same rows give the same certificate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from _run.study.state import CONFIDENCE, stated
from transferbound import Certificate
from transferbound.bounds.confidence import failure_probability
from transferbound.certification.head_judge import HeadJudge
from transferbound.certification.inputs import Inputs
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.explanation.without import LinearRows, wrong_rows
from transferbound.features import features_key
from transferbound.features.components import ComponentTable, component_table
from transferbound.finetune.heads import Effort, HeadProblem, train_head
from transferbound.message import Header, step_size
from transferbound.message.estimate import estimated_symbol_bits
from transferbound.message.short_codes import SPARSE_STEPS, sparse_dim
from transferbound.priors.components import FAMILY
from transferbound.priors.components.basis import basis_of
from transferbound.risks.zero_one import ZeroOne
from transferbound.subspace.kinds.sparse import sparse_contexts, sparse_scale

HEAD_INPUT = 1
"""The place on the list of features that every network has: what its own head would read."""
OWN_HEAD = 0
"""The place whose answers are added to those of the checkpoint's own head."""

_EFFORT = Effort((0.3, 0.12, 0.05, 0.02, 0.008, 0.003), 60, 40, (4, 8), (0.0, 0.7), 2, 0)
_UNPOLISHED = replace(_EFFORT, path=(0.7, 0.45, 0.3, 0.2, 0.12, 0.07, 0.04, 0.02, 0.01, 0.005), polished=0)
_DELTA = failure_probability(CONFIDENCE)
_PER_BIT = 1e-6
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Head:
    """An instrument: kind "sparse" at one place on the list of features.

    Attributes:
        components: numbers K that are tried, all declared by the message format; the best is kept.
        place: on the list of features.
        target: train error, a fraction: the fewest bits at which it is no larger. None: the smallest bound.
        levels: of the grid.
        input_size: of the prior, 0 for its own.
    """

    components: tuple[int, ...]
    place: int = HEAD_INPUT
    target: float | None = None
    levels: int = 15
    input_size: int = 0

    def certify(self, inputs: Inputs, out: Path, variant: Mapping[str, Any]) -> Certificate:
        """Of a target that is not reached the nearest head, and the row says so."""
        encoded = encode(inputs.prior.preprocessing(self.input_size), inputs.data)
        table = self._table(inputs, encoded)
        most = table.most(self.place) if self.place in table.columns else 0
        tried = [count for count in self.components if count <= most] or [0]
        found = [(count, *self._trained(inputs, table, count, variant)) for count in tried]
        count, header, integers, score = min(found, key=lambda one: one[3])
        study: dict[str, Any] = {"components": count}
        if self.target is not None:
            study["reached"] = score < 1.0
        if FAMILY[inputs.data.modality][self.place].own_head and table.own.shape[1]:
            study["own_error"] = float(wrong_rows(table.own.astype(np.float64), inputs.data.labels).mean())
        return stated(
            inputs,
            header,
            integers,
            out,
            variant=variant,
            training={"kind": "head", "tried": list(tried), "target": self.target, "study": study},
            contexts=sparse_contexts(count, inputs.data.num_classes),
            encoded=encoded,
        )

    def _table(self, inputs: Inputs, encoded: EncodedData) -> ComponentTable:
        prior, data = inputs.prior, inputs.data
        return component_table(
            prior,
            basis_of(prior, None, self.input_size, [self.place]),
            encoded,
            features_key(prior, data, self.input_size),
            classes=data.num_classes,
            class_names=data.class_names,
            most=max(self.components),
            device=torch.device("cpu"),
        )

    def _trained(
        self, inputs: Inputs, table: ComponentTable, count: int, variant: Mapping[str, Any]
    ) -> tuple[Header, Ints, float]:
        """Header and integers of the best head on K components, and its score: the smaller, the better."""
        data, risk = inputs.data, ZeroOne.of(inputs.data)
        features = table.components(self.place, count) if count else torch.zeros(data.n, 0)
        adds_own = FAMILY[data.modality][self.place].own_head and table.own.shape[1]
        problem = HeadProblem(
            features=features,
            labels=torch.from_numpy(np.asarray(data.labels, dtype=np.int64)),
            weights=torch.full((data.n,), 1.0 / data.n, dtype=torch.float64),
            num_classes=data.num_classes,
            scale=sparse_scale(count),
            base=torch.from_numpy(np.ascontiguousarray(table.own)) if adds_own else None,
        )
        judge = HeadJudge(risk, _DELTA, _header(self, inputs, count, variant), None)

        def judged(mean: float, integers: Ints, exponent: int) -> tuple[float, float]:
            bits, bound = judge(mean, integers, exponent)
            if self.target is None:
                return bits, bound
            return bits, bits * _PER_BIT if mean <= self.target else 1.0 + mean - self.target

        head = train_head(
            problem,
            judged,
            risk=risk,
            delta=_DELTA,
            levels=self.levels,
            exponents=tuple(SPARSE_STEPS),
            deadline=math.inf,
            effort=_EFFORT if self.target is None else _UNPOLISHED,
        )
        integers, mean, header = head.integers, head.mean_loss, replace(judge.header, step=head.exponent)
        if self.target is not None:
            integers, mean = _cut_down(problem, head.integers, header, self.target)
        return header, integers, judged(mean, integers, head.exponent)[1]


def _cut_down(problem: HeadProblem, integers: Ints, header: Header, target: float) -> tuple[Ints, float]:
    """Takes numbers away, those first that buy least for each bit, while the train error is at most ``target``.

    Returns:
        What is left, and its train error, a fraction.
    """
    start = (
        np.zeros((problem.n, problem.num_classes)) if problem.base is None else problem.base.double().numpy()
    )
    inputs = problem.inputs.double().numpy() * step_size(header.step)
    rows = LinearRows(inputs, start, problem.labels.numpy())
    contexts = sparse_contexts(header.components, header.classes)
    integers, most = integers.copy(), int(target * problem.n)
    stays: set[int] = set()
    while True:
        places = np.array([place for place in np.flatnonzero(integers) if place not in stays], dtype=np.int64)
        if not len(places):
            return integers, float(rows.wrong(integers).mean())
        errors = np.array([wrong.sum() for wrong in rows.each_without(integers, places)])
        stays |= set(places[errors > most].tolist())  # what cannot go now will not be able to with less
        if (errors <= most).any():
            bits = np.array([_saved(integers, place, header.levels, contexts) for place in places])
            worth = np.where(errors <= most, (errors - rows.wrong(integers).sum()) / bits, np.inf)
            integers[places[int(worth.argmin())]] = 0


def _saved(integers: Ints, place: int, levels: int, contexts: Ints) -> float:
    """About how many bits a zero there saves, at least a hundredth."""
    less = integers.copy()
    less[place] = 0
    before = estimated_symbol_bits(integers, contexts, levels=levels)
    return max(before - estimated_symbol_bits(less, contexts, levels=levels), 0.01)


def _header(head: Head, inputs: Inputs, count: int, variant: Mapping[str, Any]) -> Header:
    classes = inputs.data.num_classes
    return Header(
        "sparse",
        dim=sparse_dim(classes, count),
        levels=head.levels,
        step=SPARSE_STEPS[-1],
        input_size=head.input_size,
        candidate=variant["candidate"],
        candidates=variant["candidates"],
        features=head.place,
        components=count,
        classes=classes,
    )
