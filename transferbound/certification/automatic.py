"""``bound`` with no option: which head, on which components, found by trying; all that the decoder needs is paid for.

The family that is tried is declared: the constant answers, the checkpoint's own head as it stands, and sparse heads on
K components of each place on the list of features (transferbound.priors.components.family). A message names its
member, so trying costs nothing: the bound holds for all messages at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from transferbound.bounds.confidence import failure_probability
from transferbound.certification.attempt import Attempt, rank
from transferbound.certification.constant import constant_answer, weights_of
from transferbound.certification.family_heads import LEVELS, FamilyHeads, Member
from transferbound.certification.input_size import affordable_input_size
from transferbound.certification.inputs import Inputs
from transferbound.certification.settings import CertifySettings
from transferbound.data.batches import LARGE_BATCH, evaluation_batches, evaluation_order
from transferbound.data.encoded import EncodedData
from transferbound.features import features_key
from transferbound.features.components import ComponentTable, component_table
from transferbound.finetune.heads import FULL
from transferbound.message import Header
from transferbound.message.short_codes import COMPONENTS, SPARSE_STEPS, sparse_dim
from transferbound.priors.components import choices
from transferbound.priors.components.basis import basis_of
from transferbound.priors.components.named_classes import own_classes_of
from transferbound.priors.components.names import are_words
from transferbound.risks.zero_one import ZeroOne

__all__ = ["Automatic", "automatic_base"]

_MOST_COMPONENTS = 256
_PILOT_ROWS = 12_000  # more are not needed to tell places and numbers of components apart
_HELD_BACK = 1 / 3  # of a pilot's rows, where those are not all
_FIRST_COMPONENTS = ((1500, 32), (20_000, 64))  # up to so many units, begin with so many components; else 100
_FINALISTS = 6
_SECOND_LOOKS, _SECOND_SHARE = 5, 0.15  # pilots that are tried on all rows, and their part of the time
_FINALS_SHARE, _NEIGHBOURS_SHARE = 0.6, 0.6  # of the time that is left
_CENTRES = 3  # attempts beside which others are tried, and that are shaken
_SPARED = 0.05  # of the time for attempts, which no further one begins in
_PASSES_SHARE = 0.5  # of the time, for passes of the network
_LEAST_SHARE = 0.15  # of the time, for heads
_TIMED, _MARGIN = 12, 1.15  # batches that are timed, and how much longer counting may take
_LARGE = 2e7  # rows times numbers of a head
_SHORT_MINUTES = 1.0  # budgets below look at one kind of reference inputs alone
_PILOTS_SHARE = 0.4  # of the time, and of that an equal part for each place on the list


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
        levels=LEVELS,
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

    def run(self) -> Attempt:
        """The member with the smallest bound."""
        self.risk = ZeroOne.of(self.inputs.data)
        self.delta = failure_probability(self.settings.confidence)
        self.labels = torch.from_numpy(np.asarray(self.inputs.data.labels, dtype=np.int64))
        self.rows = np.arange(self.encoded.n)
        self.weights = weights_of(self.risk, self.encoded.n)
        with tqdm(desc="trying heads", unit="head", disable=not self.progress, leave=False) as self.bar:
            self._kept(constant_answer(self.inputs.data, self.base, self.delta))
            self.deadline -= self._counting()
            table = self._table()
            self.begun = time.monotonic()
            # Where passes and counting have taken it all, late is better than a head that nobody looked for.
            self.deadline = max(self.deadline, self.begun + _LEAST_SHARE * self._budget)
            heads = self._heads(table)
            self._own_head(heads)
            self._finals(heads, self._second_look(heads, self._pilots(heads)))
            self._neighbours(heads)
            self._shaken(heads)
        best = min((attempt for attempt in self.tried if attempt.whole), key=rank)
        return best if best.bound < self._constant_on_all_rows() else self.tried[0]

    def _constant_on_all_rows(self) -> float:
        """About what the constant answer certifies where it is counted on all rows: no label of the others is read."""
        data, constant = self.inputs.data, self.tried[0]
        if data.whole is None:
            return constant.bound
        return ZeroOne.of(data.whole).expected_bound(constant.mean, constant.bits, self.delta)

    # Members of the family -------------------------------------------------------------------------

    @property
    def _budget(self) -> float:
        """Seconds for all."""
        return 60 * self.settings.finetune.budget_minutes

    def _own_head(self, heads: FamilyHeads) -> None:
        """The checkpoint's own head as it stands, or moved by its biases."""
        if heads.table.own.shape[1]:
            self._kept(heads.attempt(0, 0, self.rows, until=self.deadline))

    def _pilots(self, heads: FamilyHeads) -> list[Attempt]:
        """One for each of some places and numbers of components, the most promising first."""
        table = heads.table
        train, held = self._pilot_rows()
        first = next((k for n, k in _FIRST_COMPONENTS if self.risk.units.n <= n), 100)
        found: dict[tuple[int, int], Attempt] = {}
        places = self._places(table)
        each = _PILOTS_SHARE * (self.deadline - time.monotonic()) / (len(places) + 6)

        def pilot(place: int, count: int) -> None:
            count = max((k for k in COMPONENTS if 0 < k <= min(count, table.most(place))), default=0)
            if count and (place, count) not in found and (not found or self._time_left(1.0 - _PILOTS_SHARE)):
                until = time.monotonic() + each
                found[place, count] = self._kept(heads.attempt(place, count, train, held, until=until))

        for place in places:
            pilot(place, first)
        for _ in range(2):
            for place, count in sorted(found, key=lambda key: rank(found[key]))[:3]:
                pilot(place, 2 * count)
                pilot(place, count // 2)
        return sorted(found.values(), key=rank)

    def _places(self, table: ComponentTable) -> list[int]:
        """Those that differ, what the checkpoint's own head reads last: it is seldom best."""
        prior, data = self.inputs.prior, self.inputs.data
        family = choices(prior.modality, self.inputs.reference is not None)
        different: dict[tuple[int, bool, bool, bool], int] = {}
        if data.modality == "image":
            named = own_classes_of(prior, data.class_names) is not None
        else:
            named = not data.is_pairs and are_words(data.class_names)
        for place, columns in sorted(table.columns.items()):
            choice = family[place]
            adds_own = choice.own_head and bool(table.own.shape[1])
            says = named or not choice.names
            # What is fitted to the package's sentences tells less of the data than the names alone.
            if says and not (choice.fitted and self.inputs.reference is None):
                different.setdefault((columns.start, adds_own, choice.names, choice.fitted), place)
        return sorted(different.values(), key=lambda place: (not family[place].depths, place))

    def _second_look(self, heads: FamilyHeads, ranked: list[Attempt]) -> list[Attempt]:
        """The best pilots once more, on all rows: what rows held back say of them is too rough to choose by."""
        if all(pilot.whole for pilot in ranked):
            return ranked
        each = _SECOND_SHARE * (self.deadline - time.monotonic()) / _SECOND_LOOKS
        found: list[Attempt] = []
        for pilot in ranked[:_SECOND_LOOKS]:
            if not found or self._time_left(1.0 - _PILOTS_SHARE - _SECOND_SHARE):
                place, count = pilot.header.features, pilot.header.components
                until = time.monotonic() + each
                found.append(self._kept(heads.attempt(place, count, self.rows, until=until)))
        return sorted(found, key=rank)

    def _finals(self, heads: FamilyHeads, ranked: list[Attempt]) -> None:
        """Attempts on all rows: the best places and numbers of components."""
        large = bool(ranked) and self.encoded.n * ranked[0].header.dim > _LARGE
        chosen = ranked[: 2 if large else _FINALISTS]  # time is better spent on few
        begun = time.monotonic()
        end = begun + _FINALS_SHARE * (self.deadline - begun)
        for turn, pilot in enumerate(chosen):
            now = time.monotonic()
            if turn and end - now < _SPARED * (end - begun):
                break
            until = now + (end - now) / (len(chosen) - turn)
            self._whole(heads, pilot.header.features, pilot.header.components, LEVELS, until)

    def _neighbours(self, heads: FamilyHeads) -> None:
        """Attempts beside the best ones, with more or fewer components or levels, as long as there is time."""
        end = time.monotonic() + _NEIGHBOURS_SHARE * (self.deadline - time.monotonic())
        tried = {_member(attempt) for attempt in self._wholes()}
        while True:
            found = self._wholes()
            beside = (one for best in found[:_CENTRES] for one in heads.beside(best.header))
            member = next((one for one in beside if one not in tried), None)
            # One takes about as long as the slowest so far.
            if member is None or time.monotonic() + max(attempt.seconds for attempt in found) > end:
                return
            tried.add(member)
            self._whole(heads, *member, end)

    def _shaken(self, heads: FamilyHeads) -> None:
        """Better heads near the best ones, as long as there is time."""
        for attempt in self._wholes()[:_CENTRES]:
            if self._time_left(_SPARED):
                self._kept(heads.shaken(attempt, self.deadline))

    def _wholes(self) -> list[Attempt]:
        """Heads on components that were trained on all rows, the best first."""
        return sorted((one for one in self.tried if one.whole and one.header.components), key=rank)

    def _whole(self, heads: FamilyHeads, place: int, count: int, levels: int, until: float) -> None:
        attempt = heads.attempt(place, count, self.rows, levels=levels, effort=FULL, until=until)
        self._kept(attempt)

    def _kept(self, attempt: Attempt) -> Attempt:
        self.tried.append(attempt)
        self.bar.update()
        best = min(self.tried, key=rank)
        self.bar.set_postfix({"bound": self.risk.value_up(best.bound)}, refresh=False)
        return attempt

    def _heads(self, table: ComponentTable) -> FamilyHeads:
        return FamilyHeads(
            self.inputs, self.base, table, self.risk, self.delta, self.labels, self.weights, self.deadline
        )

    def _table(self) -> ComponentTable:
        prior, data, own = self.inputs.prior, self.inputs.data, self.inputs.reference
        places = None
        if own is None and self.settings.finetune.budget_minutes < _SHORT_MINUTES:
            family = choices(prior.modality, own_reference=False)
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


def _member(attempt: Attempt) -> Member:
    return attempt.header.features, attempt.header.components, attempt.header.levels
