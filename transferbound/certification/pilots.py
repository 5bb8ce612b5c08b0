"""A pilot: a short run of one of a search's candidates, whose bound is an estimate and no certificate."""

from __future__ import annotations

import time
from dataclasses import replace

from transferbound.bounds.confidence import failure_probability
from transferbound.certification.inputs import Inputs
from transferbound.certification.search_state import FinishedPilot
from transferbound.certification.settings import CertifySettings
from transferbound.certification.training import Run, finetuner_for, subspace_model
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.distributed import mean
from transferbound.errors import TrainingError
from transferbound.message import cheapest, message_bits

__all__ = ["Encoder", "pilot_settings", "run_pilot"]


class Encoder:
    """The training data under the prior's preprocessing; the last input size that was asked for is kept."""

    def __init__(self, inputs: Inputs, progress: bool) -> None:
        self._inputs, self._progress = inputs, progress
        self._kept: tuple[int, EncodedData] | None = None

    def __call__(self, input_size: int) -> EncodedData:
        if self._kept is None or self._kept[0] != input_size:
            self._kept = None  # two sizes at once may not fit into memory
            preprocessing = self._inputs.prior.preprocessing(input_size)
            self._kept = input_size, encode(preprocessing, self._inputs.data, progress=self._progress)
        return self._kept[1]


def pilot_settings(candidate: CertifySettings, share: float, among: int) -> CertifySettings:
    """The candidate without polish and, where it names epochs, with its part of the ``share`` of ``among`` pilots."""
    finetune = replace(candidate.finetune, polish=0)
    if finetune.epochs is not None:
        finetune = replace(finetune, epochs=share * finetune.epochs / among)
    return replace(candidate, finetune=finetune)


def run_pilot(run: Run, encoder: Encoder, seconds: float) -> FinishedPilot:
    """Trains for ``seconds``, where no epochs are given, and estimates the bound with the running training error."""
    started = time.monotonic()
    model = subspace_model(run)
    tuner = finetuner_for(run, model, encoder(run.header.input_size))
    begun = time.monotonic()
    # What was needed to begin is not the pilot's own. Where epochs are given, the clock has no say.
    tuner.deadline = begun + seconds
    try:
        integers = tuner.run()
    except TrainingError:  # of the candidates that are tried some may be so
        return FinishedPilot(1.0, 0.0, 1.0, tuner.step, 0.0, 0.0)
    contexts = model.projection.contexts()
    coded = cheapest(replace(run.header, step=tuner.exponent), integers, contexts)
    bits = message_bits(coded, integers, contexts)
    error = min(max(tuner.mean_loss, 0.0), 1.0)
    ended = time.monotonic()
    delta = failure_probability(run.settings.confidence)
    return FinishedPilot(
        train_error=error,
        bits=bits,
        bound=tuner.risk.expected_bound(error, bits, delta),
        steps=tuner.step,
        # The clocks of the processes differ, and their decisions must not.
        seconds=round(mean(ended - started, run.accelerator), 3),
        trained_seconds=round(mean(ended - begun, run.accelerator), 3),
    )
