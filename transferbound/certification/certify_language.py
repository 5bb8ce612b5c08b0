"""``certify`` for language models: finetune on documents, code the message, and state what it proves."""

from __future__ import annotations

import copy
import hashlib
import math
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content
from transferbound.certificate.language_content import LanguageContent
from transferbound.certificate.language_statement import Scored, make_language_statement
from transferbound.certification.language_run import LanguageRun, kept_likelihoods, trained_offset
from transferbound.certification.language_settings import PROMPT, LanguageSettings
from transferbound.certification.settings import CertifySettings
from transferbound.certification.writing import checked_out, versions, write_certificate
from transferbound.data.documents import Documents
from transferbound.data.encoded_documents import encode_documents
from transferbound.data.examples import Examples
from transferbound.distributed import accelerator_for, from_first
from transferbound.errors import ArgumentError, DataError, PriorError
from transferbound.finetune.prompt import search_prompt
from transferbound.independence.check import check_independence
from transferbound.language_predictor import decode_stage, prompt_bits
from transferbound.message.generation import (
    MIX_BITS,
    MIXES,
    MOST_PROMPT_TOKENS,
    MOST_STAGES,
    GenerationMessage,
    Stage,
    encode_generation,
    prompt_length_bits,
)
from transferbound.priors import DocumentPreprocessing, Prior
from transferbound.risks.likelihoods import Likelihoods, log_likelihoods
from transferbound.storage.run_state import RunState, settings_of
from transferbound.subspace.config import SubspaceConfig
from transferbound.tasks import TEXT_GENERATION

__all__ = ["DEFAULT_KIND", "certify_language", "default_language_dim", "default_stages"]

DEFAULT_KIND = "hashed"
"""Of subspace, where none is named."""

_MOST_DEFAULT_STAGES, _SPLIT, _LEAST_DIM = 3, 300, 50
_AS_A_PROMPT = 1000  # coordinates that take as long as a search for a prompt


def certify_language(
    prior: Prior | str,
    data: Documents | str,
    out: str | os.PathLike[str] | None = None,
    settings: CertifySettings | None = None,
    language: LanguageSettings | None = None,
    *,
    kind: str | None = None,
    test: Documents | None = None,
    pretraining: str | Examples | None = None,
    allow_dependence: bool = False,
    progress: bool = True,
) -> Certificate:
    """Finetunes the language model ``prior`` on documents and bounds its bits per token on new ones.

    Args:
        prior: a causal language model, or its name.
        data: the documents, or the data set's name.
        out: as for :func:`transferbound.certify`.
        settings: of the subspace, the finetuning, the confidence and the list of variants.
        language: what is bounded.
        kind: ``prompt`` for a prompt; None: the subspace of ``settings``, or the default one.
        test: documents for reporting only.
        pretraining, allow_dependence, progress: as for :func:`transferbound.certify`.

    Raises:
        TransferboundError: one of :mod:`transferbound.errors`; nothing is written to ``out`` then.
    """
    started = time.monotonic()
    settings, language = settings or CertifySettings(), language or LanguageSettings()
    target = checked_out(out, settings)
    if (kind == PROMPT or language.stage == [PROMPT]) and settings.candidates != 1:
        raise ArgumentError(
            "a prompt names no variant (--candidate); name another kind, or leave the list out"
        )
    prior = Prior.from_pretrained(prior, task=TEXT_GENERATION) if isinstance(prior, str) else prior
    data = Documents.load(data) if isinstance(data, str) else data
    data = _drawn(data, language, target)
    if test is not None and data.name == test.name and data.config == test.config and data.shared_rows(test):
        raise DataError(
            f"the test split {test.split} holds rows that the model is trained on; name another, or none"
        )
    known = allow_dependence or data.pool is not None  # a pool may be known to the checkpoint
    independence = check_independence(prior, data, pretraining, override=known)
    preprocessing = prior.preprocessing(language.max_tokens)
    assert isinstance(preprocessing, DocumentPreprocessing)
    if kind == PROMPT or PROMPT in (language.stage or ()):
        _check_room(prior, preprocessing)
    encoded = encode_documents(preprocessing, data, min_tokens=language.min_tokens, progress=progress)
    accelerator = accelerator_for(settings.finetune.mixed_precision)
    how: dict[str, Any] = {"accelerator": accelerator, "progress": progress}
    before = kept_likelihoods(
        prior, data, encoded, vocabulary=preprocessing.vocabulary, desc="scoring, prior", **how
    )
    deadline = started + 60 * settings.finetune.budget_minutes
    run = LanguageRun(prior, data, encoded, before, settings, language, accelerator, progress, deadline)
    message, after, training, state = _Chain(run, _stages(kind, settings, language, run), target, how).found()
    statement = make_language_statement(
        prior,
        data,
        encode_generation(message),
        confidence=settings.confidence,
        max_tokens=language.max_tokens,
        min_tokens=language.min_tokens,
        candidates=settings.candidates,
        list_written=settings.list_written,
        test=test,
        independence=independence,
        scored=Scored(
            encoded, before, after, tuple((stage.offset, stage.prompt) for stage in message.stages)
        ),
        **how,
    )
    content: LanguageContent = {
        **statement,
        "unverified": {"training": {"stages": training}, "versions": versions()},
    }
    certificate = Certificate(cast(Content, content), encode_generation(message))
    write_certificate(certificate, target, state, accelerator)
    return certificate


def default_language_dim(n: int) -> int:
    """The number of coordinates of a last stage where the user names none: an eighth of n, from 100 to 8,000."""
    return min(max(n // 8, 100), 8000)


def default_stages(n: int, dim: int) -> tuple[SubspaceConfig, ...]:
    """The subspaces of a chain that ends with ``dim`` coordinates, for n units: each tenfold the one before it."""
    dims = [dim]
    while len(dims) < _MOST_DEFAULT_STAGES and dims[0] >= _SPLIT:
        dims.insert(0, max(dims[0] // 10, _LEAST_DIM))
    return tuple(SubspaceConfig(DEFAULT_KIND, one) for one in dims)


def _stages(
    kind: str | None, settings: CertifySettings, language: LanguageSettings, run: LanguageRun
) -> list[SubspaceConfig | None]:
    """The subspace of each stage; None for a prompt."""
    n = run.risk().units.n
    if language.stage:
        return [_parsed(text, n) for text in language.stage]
    if kind == PROMPT:
        return [None]
    if settings.subspace is not None:
        return [settings.subspace]
    return list(default_stages(n, default_language_dim(n)))


def _parsed(text: str, n: int) -> SubspaceConfig | None:
    """``KIND`` or ``KIND:DIM``. Raises ArgumentError."""
    kind, _, dim = text.partition(":")
    if kind == PROMPT and not dim:
        return None
    if dim and not (dim.isascii() and dim.isdigit()):
        raise ArgumentError(f"stage is {text!r}; write KIND or KIND:DIM, as hashed:300, or prompt")
    return SubspaceConfig(kind, int(dim) if dim else default_language_dim(n))


def _drawn(data: Documents, language: LanguageSettings, target: Path | None) -> Documents:
    """Those that are drawn where the split is a pool; an unfinished run goes on with the seed that it began with."""
    if language.pool is None:
        if language.pool_seed is not None:
            raise ArgumentError(f"pool-seed is {language.pool_seed}, and nothing is drawn; name --pool too")
        return data
    seed = language.pool_seed
    if seed is None and target is not None:
        seed = (settings_of(_partial(target)) or {}).get("pool_seed")
    return data.drawn(language.pool, secrets.randbits(32) if seed is None else int(seed))


def _partial(target: Path) -> Path:
    return target.with_name(target.name + ".partial")


def _check_room(prior: Prior, preprocessing: DocumentPreprocessing) -> None:
    """Room for the longest prompt before a document. Raises ArgumentError."""
    size = preprocessing.input_size
    try:
        prior.preprocessing(size + MOST_PROMPT_TOKENS)
    except PriorError as error:
        raise ArgumentError(
            f"max-tokens is {size}, and a prompt takes up to {MOST_PROMPT_TOKENS} tokens more than the prior "
            f"{prior.name} can read; lower --max-tokens, or name another kind"
        ) from error


class _Chain:
    """Stage after stage, each from where the one before it ended."""

    def __init__(
        self,
        run: LanguageRun,
        configs: Sequence[SubspaceConfig | None],
        target: Path | None,
        how: dict[str, Any],
    ) -> None:
        if not 1 <= len(configs) <= MOST_STAGES or None in configs[1:]:
            raise ArgumentError(
                f"{len(configs)} stages are named; 1 to {MOST_STAGES} make a chain, and a prompt can be its first alone"
            )
        self.run, self.configs, self.how = run, configs, how
        self.state = _state(run, configs, target)
        self.model = run.prior.build_language_model()
        self.risk = run.risk()
        self.stages: list[Stage] = []
        self.after: list[Likelihoods] = []
        self.bits = math.log2(MOST_STAGES)

    def found(
        self,
    ) -> tuple[GenerationMessage, tuple[Likelihoods, ...], list[dict[str, Any]], RunState | None]:
        """The message, what the model of each stage makes of the documents, and what is told of the training."""
        told = []
        for number, config in enumerate(self.configs):
            told.append(self._stage(number, config))
        return GenerationMessage(tuple(self.stages)), tuple(self.after), told, self.state

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
            self.model, run.encoded, run.vocabulary, desc=f"scoring, stage {number + 1}", **self.how
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
    return RunState(_partial(target), what, restart=run.settings.restart)
