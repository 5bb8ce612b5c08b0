"""``search``: short pilot runs over candidate settings; the one with the smallest bound is trained in full.

Nothing is paid for the search itself. The bound holds for all messages at once, so an encoder may try what it
likes; what the decoder needs of the winner (kind, dim, seed, levels, input size, head scale, ...) stands in the
header of its message and is paid there, as in any other run. A pilot's own bound is an estimate, made with the
running training error, and no certificate.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from tqdm import tqdm

from transferbound._numerics import own_numerics
from transferbound.certification.candidates import check_candidates
from transferbound.certification.inputs import Inputs
from transferbound.certification.pilots import Encoder, pilot_settings, run_pilot
from transferbound.certification.search_state import SearchState
from transferbound.certification.settings import CertifySettings
from transferbound.certification.training import Run, subspace_model
from transferbound.data.labelled import LabelledData
from transferbound.distributed import accelerator_for
from transferbound.finetune import FinetuneSettings
from transferbound.message import Header
from transferbound.storage.folders import check_out
from transferbound.storage.run_state import partial_of, remove_state
from transferbound.wording import printable

__all__ = ["Pilot", "SearchResult", "check_candidates", "search", "search_inputs"]

_LEAST_PART = 0.1  # of its part of the time, which the full run gets whatever the pilots took


@dataclass(frozen=True)
class Pilot:
    """One short run.

    Attributes:
        settings: where the candidates differ, what this one had.
        train_error: the running training error at its end, a fraction.
        bits: of its message, header included.
        bound: the headline that both would give, a fraction; an estimate and no certificate.
        steps: optimizer steps.
    """

    settings: dict[str, Any]
    train_error: float
    bits: float
    bound: float
    steps: int


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        settings: for ``certify``: the winner's, with what is left of the budget and the record of the search.
        pilots: the candidates that were tried, in their order.
        chosen: place of the winner among ``pilots``.
        untried: candidates for which no time was left.
    """

    settings: CertifySettings
    pilots: tuple[Pilot, ...]
    chosen: int
    untried: int = 0


def search(
    prior: Any,
    data: Any,
    candidates: Sequence[CertifySettings],
    out: str | os.PathLike[str] | None = None,
    *,
    share: float = 0.3,
    test: LabelledData | None = None,
    pretraining: Any = None,
    prior_split: LabelledData | str | None = None,
    allow_dependence: bool = False,
    progress: bool = True,
) -> SearchResult:
    """Tries each of ``candidates`` in a short run and gives the settings of the best.

        found = search(prior, data, candidates, "out")
        certify(prior, data, "out", found.settings)

    Where prior and data are to be checked once for both, see :func:`search_inputs`.

    Args:
        prior, data: as for ``certify``.
        candidates: 2 to 64 settings; equal ones are tried once. Budget, confidence and precision are the same in all.
        out: the folder that ``certify`` will write. Finished pilots are kept in ``OUT.partial``, and the same call
            does not repeat them. None: they are not kept.
        share: part of the epochs, or of the minutes, that goes to the pilots, in equal parts. Where the minutes
            run out, the candidates that are left are not tried.
        test, pretraining, prior_split, allow_dependence: as for ``certify``, which refuses on them what it refuses;
            so does this, before the first pilot.
        progress: a progress bar and a line for each pilot on standard error.

    Raises:
        TransferboundError: one of :mod:`transferbound.errors`.
    """
    check_candidates(candidates, share)  # before anything is loaded
    if out is not None:
        check_out(Path(out))
    inputs = Inputs.resolve(
        prior,
        data,
        test=test,
        pretraining=pretraining,
        prior_split=prior_split,
        allow_dependence=allow_dependence,
    )
    return search_inputs(inputs, candidates, out, share=share, progress=progress)


@own_numerics()
def search_inputs(
    inputs: Inputs,
    candidates: Sequence[CertifySettings],
    out: str | os.PathLike[str] | None = None,
    *,
    share: float = 0.3,
    progress: bool = True,
) -> SearchResult:
    """:func:`search` for prior and data that are resolved.

    Args:
        inputs: prior and data, found to go together.
        candidates, out, share, progress: as for :func:`search`.

    Raises:
        TransferboundError: as :func:`search`.
    """
    points = check_candidates(candidates, share)
    folder = None
    if out is not None:
        target = Path(out)
        check_out(target)
        folder = partial_of(target)
    with accelerator_for(points[0].finetune.mixed_precision) as accelerator:
        return _Search(inputs, points, share, folder, accelerator, progress).run()


class _Search:
    """The pilots of ``points``, those that are on disk already left out."""

    def __init__(
        self,
        inputs: Inputs,
        points: list[CertifySettings],
        share: float,
        folder: Path | None,
        accelerator: Accelerator,
        progress: bool,
    ) -> None:
        self.points, self.share = points, share
        self.finetune = points[0].finetune  # what it says of time and precision is the same in all
        self.accelerator = accelerator
        self.shows = progress and self.accelerator.is_main_process
        deadline = time.monotonic() + 60 * self.finetune.budget_minutes
        self.runs = [
            Run(inputs, pilot_settings(point, share, len(points)), self.accelerator, self.shows, deadline)
            for point in points
        ]
        self.encoder = Encoder(inputs, self.shows)
        self.labels = _where_they_differ(points, [run.header for run in self.runs])
        if folder is not None and any(point.restart for point in points):
            if self.accelerator.is_main_process:
                remove_state(folder)
            self.accelerator.wait_for_everyone()
        self.state = SearchState(folder, self._identity(inputs))

    def run(self) -> SearchResult:
        """The pilots that are not on disk yet, and the best of all."""
        for number in sorted(self.state.pilots):
            self._tell(number, " (found before)")
        left = [number for number in range(len(self.points)) if number not in self.state.pilots]
        for run in {self.runs[number].header: self.runs[number] for number in left}.values():
            subspace_model(run)  # before any time is spent: it may not fit
        # One input size after the other, so that the data is encoded once for each.
        left.sort(key=lambda number: self.runs[number].header.input_size)
        seconds = self.share * 60 * self.finetune.budget_minutes / len(self.points)
        while left and not self._time_is_over():
            number = left.pop(0)
            pilot = run_pilot(self.runs[number], self.encoder, seconds)
            self.state.add(number, pilot, write=self.accelerator.is_main_process)
            self._tell(number)
        return self._result(untried=len(left))

    def _time_is_over(self) -> bool:
        """Whether the pilots have used up their minutes. The first is always run."""
        if self.finetune.epochs is not None or not self.state.pilots:
            return False
        spent = sum(pilot.trained_seconds for pilot in self.state.pilots.values())
        return spent >= self.share * 60 * self.finetune.budget_minutes

    def _result(self, untried: int) -> SearchResult:
        numbers = sorted(self.state.pilots)
        pilots = tuple(self._as_pilot(number) for number in numbers)
        chosen = min(range(len(pilots)), key=lambda i: (pilots[i].bound, pilots[i].train_error, i))
        point = self.points[numbers[chosen]]
        record = {
            "share": self.share,
            "pilots": [asdict(pilot) for pilot in pilots],
            "chosen": chosen,
            "untried": untried,
        }
        if self.shows:
            if untried:
                _say(f"search: no time was left for {untried} of {len(self.points)} candidates")
            _say(f"search: going on with {_as_text(pilots[chosen].settings)}")
        settings = replace(point, finetune=self._rest(point.finetune), restart=False, search=record)
        return SearchResult(settings, pilots, chosen, untried)

    def _rest(self, finetune: FinetuneSettings) -> FinetuneSettings:
        """What is left for the full run: of the epochs, or of the minutes."""
        if finetune.epochs is not None:
            return replace(finetune, epochs=(1 - self.share) * finetune.epochs)
        budget = finetune.budget_minutes
        spent = sum(pilot.seconds for pilot in self.state.pilots.values()) / 60
        part = max(budget - spent, _LEAST_PART * (1 - self.share) * budget)
        return replace(finetune, budget_minutes=round(part, 4))

    def _as_pilot(self, number: int) -> Pilot:
        kept = self.state.pilots[number]
        return Pilot(self.labels[number], kept.train_error, kept.bits, kept.bound, kept.steps)

    def _identity(self, inputs: Inputs) -> dict[str, Any]:
        candidates = []
        for point, run in zip(self.points, self.runs, strict=True):
            finetune = point.finetune.to_dict()
            finetune.pop("save_seconds")
            candidates.append({"decoder": asdict(run.header), "finetune": finetune})
        return {
            "prior": inputs.prior.fingerprint,
            "dataset": inputs.data.fingerprint,
            "confidence": self.points[0].confidence,
            "search": {"share": self.share, "candidates": candidates},
        }

    def _tell(self, number: int, more: str = "") -> None:
        if not self.shows:
            return
        pilot = self._as_pilot(number)
        _say(
            f"pilot {number + 1}/{len(self.points)}: {_as_text(pilot.settings)}: train error "
            f"{100 * pilot.train_error:.2f} %, {pilot.bits:.0f} bits, bound about {100 * pilot.bound:.2f} %{more}"
        )


def _where_they_differ(points: list[CertifySettings], headers: list[Header]) -> list[dict[str, Any]]:
    """For each candidate, the fields of header and finetuning that are not the same in all."""
    flat = []
    for point, header in zip(points, headers, strict=True):
        finetune = point.finetune.to_dict()
        finetune["training_seed"] = finetune.pop("seed")  # the header's is the projection's
        flat.append(asdict(header) | finetune)
    differ = [name for name in flat[0] if any(fields[name] != flat[0][name] for fields in flat)]
    return [{name: fields[name] for name in differ} for fields in flat]


def _as_text(settings: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


def _say(line: str) -> None:
    tqdm.write(printable(line), file=sys.stderr)
