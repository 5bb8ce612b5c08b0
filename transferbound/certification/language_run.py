"""From documents to a message about a language model: a subspace is trained, or a prompt is searched for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from accelerate import Accelerator

from transferbound.bounds.confidence import failure_probability
from transferbound.certification.language_settings import LanguageSettings
from transferbound.certification.settings import CertifySettings
from transferbound.data.documents import Documents
from transferbound.data.encoded_documents import EncodedDocuments
from transferbound.features import CachedFeatures, cached_features, features_key
from transferbound.finetune import Finetuner
from transferbound.message import Header, cheapest
from transferbound.message.stream import encode
from transferbound.priors import LanguageModel, Prior
from transferbound.risks.bits_per_token import BitsPerToken
from transferbound.risks.likelihoods import ALPHAS, Likelihoods, log_likelihoods
from transferbound.storage.arrays import NewArray, default_cache_dir, open_array
from transferbound.storage.run_state import RunState
from transferbound.subspace import SubspaceModel
from transferbound.subspace.config import SubspaceConfig, header_for, subspace_config
from transferbound.subspace.quantizer import Quantizer

__all__ = ["LanguageRun", "kept_likelihoods", "trained_offset"]

_FORMAT = 1  # of likelihoods in the cache folder: what is scored, and how

TRAINING_MIX = 8
"""a = 2^-8 while training; which a is best is found when all is trained, and paid."""


@dataclass(frozen=True)
class LanguageRun:
    """One run on one prior and one set of documents.

    Attributes:
        prior, data: what is certified.
        encoded: the documents that are counted.
        before: what the prior as it is makes of them.
        settings, language: what was asked for.
        accelerator, progress, deadline: as for :class:`transferbound.certification.training.Run`.
    """

    prior: Prior
    data: Documents
    encoded: EncodedDocuments
    before: Likelihoods
    settings: CertifySettings
    language: LanguageSettings
    accelerator: Accelerator
    progress: bool
    deadline: float

    @property
    def delta(self) -> float:
        return failure_probability(self.settings.confidence)

    @cached_property
    def vocabulary(self) -> int:
        """V."""
        return int(self.prior.preprocessing(self.language.max_tokens).to_dict()["vocabulary"])

    @property
    def how(self) -> dict[str, Any]:
        """To score, for :func:`transferbound.risks.likelihoods.log_likelihoods`."""
        return {"accelerator": self.accelerator, "progress": self.progress}

    def risk(self, mix: int = TRAINING_MIX) -> BitsPerToken:
        """What is bounded, for the prior's weight 2^-mix."""
        return BitsPerToken.of(
            self.encoded,
            self.before.log2,
            mix=mix,
            vocabulary=self.vocabulary,
            least=self.language.min_tokens,
        )


def kept_likelihoods(prior: Prior, data: Documents, encoded: EncodedDocuments, **how: Any) -> Likelihoods:
    """What the prior makes of the documents: from the cache folder, where an earlier run has put it, or computed.

    ``verify`` never asks this. ``how`` is passed to :func:`transferbound.risks.likelihoods.log_likelihoods`.
    """
    rows = hashlib.sha256(encoded.rows.tobytes() + encoded.lengths.tobytes()).hexdigest()
    key = hashlib.sha256(
        f"{_FORMAT}\0{features_key(prior, data, int(encoded.lengths.max()))}\0{rows}".encode()
    ).hexdigest()
    path = default_cache_dir() / f"likelihoods-{key[:40]}.npy"
    kept = open_array(path, np.float64, (encoded.n, 2 + len(ALPHAS)))
    if kept is None:
        found = log_likelihoods(prior.build_language_model(), encoded, **how)
        kept = np.concatenate([found.log2[:, None], found.wrong[:, None], found.smoothed], axis=1)
        try:
            new = NewArray(path, np.float64, kept.shape)
            new.values[:] = kept
            new.commit()
        except OSError:  # a run goes on without a cache
            pass
    return Likelihoods(np.array(kept[:, 0]), np.array(kept[:, 2:]), np.array(kept[:, 1]))


def trained_offset(
    run: LanguageRun,
    before: LanguageModel,
    risk: BitsPerToken,
    config: SubspaceConfig,
    state: RunState | None,
    deadline: float,
) -> tuple[bytes, dict[str, Any]]:
    """Finetunes in a subspace; the message about it (without a mixture), and what is told of the training.

    Args:
        run: what for, and how.
        before: the model that is moved; it is changed.
        risk: what is to fall: of this stage's mixture.
        config: the subspace.
        state: where a checkpoint is kept.
        deadline: ``time.monotonic()`` by which this is done and all documents are scored.

    Raises:
        SubspaceError: the subspace does not fit the model.
    """
    settings = run.settings
    header = language_header(settings, config)
    quantizer = Quantizer(header.levels, threshold=settings.finetune.threshold)
    model = SubspaceModel(before, subspace_config(header), (), quantizer)
    model.to(run.accelerator.device)
    finetuner = Finetuner(
        model,
        run.encoded,
        header,
        risk=risk,
        delta=run.delta,
        settings=settings.finetune,
        accelerator=run.accelerator,
        state=state,
        progress=run.progress,
        deadline=deadline,
        features=_features(run, model, deadline) if risk.is_first else None,
        to_count=run.encoded.n,
    )
    integers = finetuner.run()
    contexts = model.projection.contexts()
    final = cheapest(replace(header, step=finetuner.exponent), integers, contexts)
    training = settings.finetune.to_dict() | {"kind": header.kind, "steps": finetuner.total_steps or 0}
    for key in ("budget_minutes", "epochs", "save_seconds"):
        training.pop(key)
    return encode(final, integers, contexts), training


def _features(run: LanguageRun, model: SubspaceModel, deadline: float) -> CachedFeatures | None:
    """What enters the last blocks of the checkpoint, where those alone are trained."""
    if not run.settings.cache_features:
        return None
    return cached_features(
        model,
        run.encoded,
        features_key(run.prior, run.data, int(run.encoded.lengths.max())),
        accelerator=run.accelerator,
        progress=run.progress,
        deadline=None if run.settings.finetune.epochs else deadline,
    )


def language_header(settings: CertifySettings, config: SubspaceConfig) -> Header:
    """What a message of these settings says beside its integers and mixture."""
    return header_for(
        config, levels=settings.levels, candidate=settings.candidate, candidates=settings.candidates
    )
