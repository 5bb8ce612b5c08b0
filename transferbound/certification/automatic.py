"""``bound`` with no option: which head, on which components, found by trying; all that the decoder needs is paid for.

The family that is tried is declared: the constant answers, the checkpoint's own head as it stands, and sparse heads on
K components of each place on the list of features (transferbound.priors.components.family). A message names its
member, so trying costs nothing: the bound holds for all messages at once.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from transferbound.bounds.confidence import failure_probability
from transferbound.certification.attempt import Attempt, rank
from transferbound.certification.head_judge import HeadJudge
from transferbound.certification.input_size import affordable_input_size
from transferbound.certification.inputs import Inputs
from transferbound.certification.settings import CertifySettings
from transferbound.data.batches import LARGE_BATCH, evaluation_batches, evaluation_order
from transferbound.data.encoded import EncodedData
from transferbound.features import features_key
from transferbound.features.components import ComponentTable, component_table
from transferbound.finetune.heads import FULL, PILOT, Effort, HeadProblem, TrainedHead, train_head
from transferbound.message import Header, message_bits
from transferbound.message.short_codes import COMPONENTS, SPARSE_STEPS, sparse_dim
from transferbound.priors.components import FAMILY
from transferbound.priors.components.basis import basis_of
from transferbound.priors.components.names import are_words, name_weights
from transferbound.risks.zero_one import ZeroOne
from transferbound.subspace.kinds.sparse import sparse_scale

__all__ = ["Automatic", "automatic_base"]

_MOST_COMPONENTS = 256
_PILOT_ROWS = 12_000  # more are not needed to tell places and numbers of components apart
_HELD_BACK = 1 / 3  # of a pilot's rows, where those are not all
_FIRST_COMPONENTS = ((1500, 32), (20_000, 64))  # up to so many units, begin with so many components; else 100
_FINALISTS = 6
_LEVELS = 15
_FINE_LEVELS = 31
_SPARED = 0.05  # of the time for attempts, which no further one begins in
_PASSES_SHARE = 0.5  # of the time, for passes of the network
_TIMED, _MARGIN = 12, 1.15  # batches that are timed, and how much longer counting may take
_LARGE = 2e7  # rows times numbers of a head
_LEAST_SECONDS = 1.5  # for a head, however little time is left
_SHORT_MINUTES = 1.0  # budgets below look at one kind of reference inputs alone
_PILOTS_SHARE = 0.5  # of the time, and of that an equal part for each place on the list


def automatic_base(
    settings: CertifySettings, inputs: Inputs, device: torch.device, to_count: int = 0
) -> Header:
    """What all sparse heads of a run have in common.

    Args:
        settings, inputs: of the run.
        device: where the network runs.
        to_count: rows that are counted beside a pass over the training rows.
    """
    size = settings.input_size
    if size is None:
        rows = inputs.data.n + to_count
        seconds = _PASSES_SHARE * 60 * settings.finetune.budget_minutes
        size = affordable_input_size(inputs.prior, inputs.data, device, rows, seconds)
    classes = inputs.data.num_classes
    return Header(
        "sparse",
        dim=sparse_dim(classes, 0),
        levels=_LEVELS,
        step=SPARSE_STEPS[-1],
        input_size=size,
        candidate=settings.candidate,
        candidates=settings.candidates,
        classes=classes,
    )


@dataclass
class Automatic:
    """Tries the family on encoded data.

    Args:
        inputs, settings: what determines the family.
        base: :func:`automatic_base`.
        encoded: the training rows at the base's input size.
        device: where the network runs.
        progress: show progress bars.
        deadline: ``time.monotonic()`` by which all should be done, counting included.
        to_count: rows that are counted afterwards.
    """

    inputs: Inputs
    settings: CertifySettings
    base: Header
    encoded: EncodedData
    device: torch.device
    progress: bool
    deadline: float
    to_count: int = 0
    tried: list[Attempt] = field(default_factory=list)
    names: dict[tuple[int, int], torch.Tensor] = field(default_factory=dict)

    def run(self) -> Attempt:
        """The member with the smallest bound."""
        self.risk = ZeroOne.of(self.inputs.data)
        self.delta = failure_probability(self.settings.confidence)
        self.labels = torch.from_numpy(np.asarray(self.inputs.data.labels, dtype=np.int64))
        self.weights = self._weights()
        with tqdm(desc="trying heads", unit="head", disable=not self.progress, leave=False) as self.bar:
            self._constant()
            self.deadline -= self._counting()
            table = self._table()
            self.begun = time.monotonic()
            self._own_head(table)
            self._finals(table, self._pilots(table))
        return min((attempt for attempt in self.tried if attempt.whole), key=rank)

    # Members of the family -------------------------------------------------------------------------

    def _constant(self) -> None:
        """The best of the constant answers."""
        classes = self.base.classes
        means = [float(self.weights[self.labels != answer].sum()) for answer in range(classes)]
        answer = int(np.argmin(means))
        header = Header(
            "constant",
            dim=1,
            candidate=self.base.candidate,
            candidates=self.base.candidates,
            answer=answer,
            classes=classes,
        )
        integers = np.zeros(1, dtype=np.int64)
        bits = message_bits(header, integers)
        wrong = (self.labels != answer).double().numpy()
        bound = self.risk.form.bound(self.risk.units.losses(wrong), bits, self.delta)
        self._kept(Attempt(header, integers, means[answer], bits, bound))

    def _own_head(self, table: ComponentTable) -> None:
        """The checkpoint's own head as it stands, or moved by its biases."""
        if table.own.shape[1]:
            self._kept(self._attempt(table, 0, 0, np.arange(self.encoded.n), None))

    def _pilots(self, table: ComponentTable) -> list[Attempt]:
        """One for each of some places and numbers of components, the most promising first."""
        train, held = self._pilot_rows()
        first = next((k for n, k in _FIRST_COMPONENTS if self.risk.units.n <= n), 100)
        found: dict[tuple[int, int], Attempt] = {}
        places = self._places(table)
        each = _PILOTS_SHARE * (self.deadline - time.monotonic()) / (len(places) + 6)

        def pilot(place: int, count: int) -> None:
            count = max((k for k in COMPONENTS if 0 < k <= min(count, table.most(place))), default=0)
            if count and (place, count) not in found and (not found or self._time_left(1.0 - _PILOTS_SHARE)):
                until = time.monotonic() + each
                found[place, count] = self._kept(self._attempt(table, place, count, train, held, until=until))

        for place in places:
            pilot(place, first)
        for _ in range(2):
            for place, count in sorted(found, key=lambda key: rank(found[key]))[:3]:
                pilot(place, 2 * count)
                pilot(place, count // 2)
        return sorted(found.values(), key=rank)

    def _places(self, table: ComponentTable) -> list[int]:
        """Those that differ, what the checkpoint's own head reads last: it is seldom best."""
        family = FAMILY[self.inputs.prior.modality]
        different: dict[tuple[int, bool, bool], int] = {}
        named = not self.inputs.data.is_pairs and are_words(self.inputs.data.class_names)
        for place, columns in sorted(table.columns.items()):
            adds_own = family[place].own_head and bool(table.own.shape[1])
            if named or not family[place].names:
                different.setdefault((columns.start, adds_own, family[place].names), place)
        return sorted(different.values(), key=lambda place: (not family[place].depths, place))

    def _finals(self, table: ComponentTable, ranked: list[Attempt]) -> None:
        """Attempts on all rows: the best places and numbers of components, then the best of them on a finer grid."""
        large = bool(ranked) and self.encoded.n * ranked[0].header.dim > _LARGE
        chosen = ranked[: 2 if large else _FINALISTS]  # time is better spent on few
        turns = len(chosen) + (not large and bool(chosen))
        for turn in range(turns):
            if turn and not self._time_left(_SPARED):
                break
            header, levels = chosen[min(turn, len(chosen) - 1)].header, _LEVELS
            if turn == len(chosen):
                done = [attempt for attempt in self.tried if attempt.whole and attempt.header.components]
                header, levels = min(done, key=rank).header, _FINE_LEVELS
            now = time.monotonic()
            until = now + (self.deadline - now) / (turns - turn)
            place, count = header.features, header.components
            rows = np.arange(self.encoded.n)
            attempt = self._attempt(table, place, count, rows, None, levels=levels, effort=FULL, until=until)
            self._kept(attempt)

    # One head --------------------------------------------------------------------------------------

    def _attempt(
        self,
        table: ComponentTable,
        place: int,
        count: int,
        rows: npt.NDArray[np.int64],
        held: npt.NDArray[np.int64] | None,
        levels: int = _LEVELS,
        effort: Effort = PILOT,
        until: float = math.inf,
    ) -> Attempt:
        """Trains a head on ``rows`` and judges it there, or on ``held`` as if it were all rows."""
        started = time.monotonic()
        features = table.components(place, count) if count else torch.zeros(self.encoded.n, 0)
        base = self._start(table, place, features)
        header = replace(
            self.base,
            features=place,
            components=count,
            dim=sparse_dim(self.base.classes, count),
            levels=levels,
        )

        def problem_on(some: npt.NDArray[np.int64]) -> HeadProblem:
            weights = self.weights[some]
            return HeadProblem(
                features=features[some],
                labels=self.labels[some],
                weights=weights / weights.sum(),
                num_classes=self.base.classes,
                scale=sparse_scale(count),
                base=None if base is None else base[some],
            )

        judge = HeadJudge(self.risk, self.delta, header, None if held is None else problem_on(held))
        head: TrainedHead = train_head(
            problem_on(rows),
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
            coded, head.integers, mean, bits, bound, seconds, whole=len(rows) == self.encoded.n, head=head
        )

    def _start(self, table: ComponentTable, place: int, features: torch.Tensor) -> torch.Tensor | None:
        """What the answers of a place's heads start from, [n, C]; None for zeros."""
        choice, inputs = FAMILY[self.inputs.prior.modality][place], self.inputs
        if choice.own_head and table.own.shape[1]:
            return torch.from_numpy(np.ascontiguousarray(table.own))
        if not choice.names or not features.shape[1]:
            return None
        key = (place, features.shape[1])
        if key not in self.names:
            directions, taps = table.basis.directions[place], table.basis.taps[place]
            size = self.base.input_size
            self.names[key] = name_weights(
                inputs.prior, inputs.data.class_names, directions, taps, features.shape[1], size
            )
        return features @ self.names[key].T

    def _kept(self, attempt: Attempt) -> Attempt:
        self.tried.append(attempt)
        self.bar.update()
        best = min(self.tried, key=rank)
        self.bar.set_postfix({"bound": self.risk.value_up(best.bound)}, refresh=False)
        return attempt

    def _table(self) -> ComponentTable:
        prior, data, own = self.inputs.prior, self.inputs.data, self.inputs.reference
        places = None
        if own is None and self.settings.finetune.budget_minutes < _SHORT_MINUTES:
            family = FAMILY[prior.modality]
            places = [place for place, choice in enumerate(family) if choice.reference == family[0].reference]
        return component_table(
            prior,
            basis_of(prior, None if own is None else own.reference, self.base.input_size, places),
            self.encoded,
            features_key(prior, data, self.base.input_size),
            classes=self.base.classes,
            class_names=data.class_names,
            most=_MOST_COMPONENTS,
            device=self.device,
            progress=self.progress,
        )

    @torch.inference_mode()
    def _counting(self) -> float:
        """About how long the decoded head will take to be counted: some batches are timed."""
        module = self.inputs.prior.build(2, input_size=self.base.input_size).to(self.device)
        batches = list(
            evaluation_batches(self.encoded, evaluation_order(self.encoded), LARGE_BATCH, self.device)
        )
        timed = batches[:: max(1, len(batches) // _TIMED)]
        module(**self.encoded.batch(timed[0], self.device))
        started = time.monotonic()
        for rows in timed:
            module(**self.encoded.batch(rows, self.device))
        each = (time.monotonic() - started) / len(timed)
        return _MARGIN * each * len(batches) * self.to_count / self.encoded.n

    def _weights(self) -> torch.Tensor:
        """float64 [rows], of sum one: the share of each row in the mean over units."""
        rows = np.arange(self.encoded.n)
        ones = self.risk.units.weigh(torch.ones(len(rows)), rows).double()
        return ones / ones.sum()

    def _pilot_rows(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        """Rows to train a pilot on, and rows to judge it on: all and None where all are few."""
        n = self.encoded.n
        if n <= _PILOT_ROWS:
            return np.arange(n), None
        some = np.random.default_rng(0).permutation(n)[:_PILOT_ROWS]
        cut = round(_HELD_BACK * len(some))
        return np.sort(some[cut:]), np.sort(some[:cut])

    def _time_left(self, share: float) -> bool:
        """Whether more than ``share`` of the time for attempts is left."""
        return self.deadline - time.monotonic() > share * (self.deadline - self.begun)
