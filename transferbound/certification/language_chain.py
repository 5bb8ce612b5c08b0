"""The stages of a message about a language model, trained one after another, each from where the last one ended."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transferbound.certification.language_run import LanguageRun, trained_offset
from transferbound.certification.language_settings import PROMPT
from transferbound.distributed import from_first
from transferbound.errors import ArgumentError
from transferbound.finetune.prompt import search_prompt
from transferbound.language_predictor import decode_stage, prompt_bits
from transferbound.message.generation import (
    MIX_BITS,
    MIXES,
    MOST_STAGES,
    GenerationMessage,
    Stage,
    prompt_length_bits,
)
from transferbound.risks.likelihoods import Likelihoods, log_likelihoods
from transferbound.storage.run_state import RunState, partial_of
from transferbound.subspace.config import SubspaceConfig
from transferbound.tasks import TEXT_GENERATION

__all__ = ["Chain"]

_AS_A_PROMPT = 1000  # coordinates that take as long as a search for a prompt


class Chain:
    """Stage after stage, each from where the one before it ended.

    Attributes:
        run: on one prior and its documents.
        configs: the subspace of each stage; None for a prompt.
        state: of the run that is not finished, where it is kept.

    Raises:
        ArgumentError: no chain can have these stages.
    """

    def __init__(
        self,
        run: LanguageRun,
        configs: Sequence[SubspaceConfig | None],
        target: Path | None,
    ) -> None:
        if not 1 <= len(configs) <= MOST_STAGES or None in configs[1:]:
            raise ArgumentError(
                f"{len(configs)} stages are named; 1 to {MOST_STAGES} make a chain, and a prompt can be its first alone"
            )
        self.run, self.configs = run, configs
        self.state = _state(run, configs, target)
        self.model = run.prior.build_language_model()
        self.risk = run.risk()
        self.stages: list[Stage] = []
        self.after: list[Likelihoods] = []
        self.bits = math.log2(MOST_STAGES)

    def found(self) -> tuple[GenerationMessage, tuple[Likelihoods, ...], list[dict[str, Any]]]:
        """The message, what the model of each stage makes of the documents, and what is told of the training."""
        told = []
        for number, config in enumerate(self.configs):
            told.append(self._stage(number, config))
        return GenerationMessage(tuple(self.stages)), tuple(self.after), told

    def _stage(self, number: int, config: SubspaceConfig | None) -> dict[str, Any]:
        run, now = self.run, time.monotonic()
        until = now + (run.deadline - now) * _share(self.configs[number:])
        if config is None:
            prompt, training = self._prompt(number, until)
            plain = Stage(MIXES[0], prompt=prompt)
            self.model = run.prior.prompted(prompt)
            paid = prompt_bits(run.prior, prompt) + prompt_length_bits(len(prompt)) + MIX_BITS
        else:
            state = None if self.state is None else self.state.part(number)
            offset, training = trained_offset(run, copy.deepcopy(self.model), self.risk, config, state, until)
            plain = Stage(MIXES[0], offset=from_first(offset, run.accelerator))
            decoded = decode_stage(
                run.prior, self.model, plain, run.settings.candidates
            )  # self.model is moved
            paid = decoded.bits
        self.bits += paid
        self.model.to(run.accelerator.device)
        scores = log_likelihoods(
            self.model, run.encoded, run.vocabulary, desc=f"scoring, stage {number + 1}", **run.how
        )
        self.model.cpu()

        def bound(mix: int) -> float:
            return self.risk.excess_bound(self.risk.mixture(scores.log2, mix), self.bits, run.delta, mix)

        mix = min(MIXES, key=bound)  # paid: the message names it
        self.stages.append(replace(plain, mix=mix))
        self.after.append(scores)
        training["excess_bound"] = bound(mix)
        self.risk = self.risk.after(scores.log2, mix)
        return training

    def _prompt(self, number: int, until: float) -> tuple[tuple[int, ...], dict[str, Any]]:
        """A search's end follows the clock: what it found is kept, and the first process's is that of all."""
        run, state = self.run, None if self.state is None else self.state.part(number)
        kept = None if state is None else state.load()
        if kept is not None:
            return tuple(kept[0]["prompt"].tolist()), kept[1]
        prompt, told = search_prompt(run.prior, run.encoded, self.risk, run.delta, until, run.progress)
        ids = from_first(np.array(prompt, dtype=np.int64).tobytes(), run.accelerator)
        prompt = tuple(np.frombuffer(ids, dtype=np.int64).tolist())
        if state is not None and run.accelerator.is_main_process:
            state.save({"prompt": torch.tensor(prompt)}, told)
        return prompt, told


def _share(configs: Sequence[SubspaceConfig | None]) -> float:
    """The first stage's part of the time that is left for these: the more coordinates, the more, by their root."""
    wants = [math.sqrt(_AS_A_PROMPT if config is None else config.dim) for config in configs]
    return wants[0] / sum(wants)


def _state(
    run: LanguageRun, configs: Sequence[SubspaceConfig | None], target: Path | None
) -> RunState | None:
    if target is None:
        return None
    finetune = run.settings.finetune.to_dict()
    finetune.pop("save_seconds")
    what = {
        "task": TEXT_GENERATION,
        "prior": run.prior.fingerprint,
        "dataset": run.data.fingerprint,
        "documents": hashlib.sha256(run.encoded.rows.tobytes()).hexdigest(),
        "language": asdict(run.language),
        "pool_seed": None if run.data.pool is None else run.data.pool.seed,
        "stages": [PROMPT if config is None else asdict(config) for config in configs],
        "levels": run.settings.levels,
        "candidate": [run.settings.candidate, run.settings.candidates],
        "finetune": finetune,
        "confidence": run.settings.confidence,
    }
    return RunState(partial_of(target), what, restart=run.settings.restart)
