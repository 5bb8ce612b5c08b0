"""Everything a certificate on a language model states, computed from prior, documents and message alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from transferbound.bounds import (
    Level,
    held_out_size,
    mean_upper_bound,
    occam_betting,
    occam_excess,
    smoothed_documents,
)
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.content import CostContent
from transferbound.certificate.identity import documents_content, prior_content
from transferbound.certificate.language_assumptions import language_assumptions
from transferbound.certificate.language_content import (
    LANGUAGE_LOSS,
    LANGUAGE_TASK,
    HeldOutTenthContent,
    LanguageComparisonContent,
    LanguageDecoderContent,
    LanguageMessageContent,
    LanguageStatement,
    LanguageTestContent,
    StageContent,
)
from transferbound.certificate.schema import MESSAGE_FILE, SCHEMA, SCHEMA_VERSION
from transferbound.data.documents import Documents
from transferbound.data.encoded_documents import EncodedDocuments, encode_documents
from transferbound.independence.record import IndependenceRecord
from transferbound.language_predictor import DecodedLanguagePredictor, DecodedStage, decode_language_predictor
from transferbound.message import step_size
from transferbound.message.variants import check_list_written
from transferbound.priors import DocumentPreprocessing, Prior
from transferbound.risks.bits_per_token import UNIFORM_BITS, BitsPerToken
from transferbound.risks.likelihoods import ALPHAS, SLACK, Likelihoods, log_likelihoods
from transferbound.risks.risk import Floats

__all__ = ["TOP_SLACK", "Scored", "make_language_statement"]

_HELD_OUT_SHARE = 0.1
TOP_SLACK = 1e-3
"""Of next-token errors: a call that is closer than rounding falls either way, and counts as an error."""


@dataclass(frozen=True)
class Scored:
    """Documents and what the two models of the mixture make of them.

    Attributes:
        encoded: the documents that are counted.
        before: log-likelihoods under the prior.
        after: under the model of each stage.
        decoded: the stages in a message, without their mixtures: offset and prompt of each.
    """

    encoded: EncodedDocuments
    before: Likelihoods
    after: tuple[Likelihoods, ...]
    decoded: tuple[tuple[bytes, tuple[int, ...]], ...]


def make_language_statement(
    prior: Prior,
    data: Documents,
    message: bytes,
    *,
    confidence: float,
    max_tokens: int,
    min_tokens: int,
    candidates: int = 1,
    list_written: str = "before",
    test: Documents | None = None,
    independence: IndependenceRecord,
    scored: Scored | None = None,
    **how: Any,
) -> LanguageStatement:
    """The content of ``certificate.json`` without what cannot be computed again (training, versions).

    Args:
        prior, data, message: the checkpoint, the documents, the bytes of ``offset.bin``.
        confidence: 1 - delta.
        max_tokens, min_tokens: the cut, and the population; 0 for the checkpoint's own cut.
        candidates, list_written, independence: as for :func:`transferbound.certificate.statement.make_statement`.
        test: documents for reporting only.
        scored: of the same prior, data and decoded model, where it is at hand.
        how: to count, for :func:`transferbound.risks.likelihoods.log_likelihoods`; without effect on the result beyond
            the declared slack.

    Raises:
        MessageError: the message does not decode, or does not fit the prior.
        DataError: a row cannot be read.
        PriorError: the predictor does not answer for a document alone, or is not causal.
    """
    check_list_written(list_written)
    predictor = decode_language_predictor(prior, message, max_tokens=max_tokens, candidates=candidates)
    parts = tuple((stage.offset, stage.prompt) for stage in predictor.message.stages)
    if scored is None or scored.decoded != parts:
        encoded = encode_documents(
            predictor.preprocessing, data, min_tokens=min_tokens, progress=bool(how.get("progress"))
        )
        scored = Scored(encoded, *_both(prior, predictor, encoded, how), parts)
    risk = _risk(predictor, scored.encoded, scored.before, min_tokens)
    delta = failure_probability(confidence)
    levels, losses = _chain(predictor, risk, scored.after)
    bounds = risk.bounds(levels, delta)
    dataset = documents_content(data, scored.encoded)
    decoder = _decoder(predictor, candidates, list_written, min_tokens)
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "task": LANGUAGE_TASK,
        "loss": LANGUAGE_LOSS,
        "risk_bound": bounds.risk + SLACK,
        "excess_bound": bounds.excess + SLACK,
        "prior_risk_bound": bounds.prior_risk + SLACK,
        "confidence": float(confidence),
        "n": risk.units.n,
        "train_risk": float(risk.units.losses(losses).mean()),
        "prior_train_risk": float(risk.units.losses(risk.prior_losses).mean()),
        "message_bits": predictor.bits,
        "file_bits": 8 * len(message),
        "bounds": {
            "chained_excess": bounds.risk + SLACK,
            "excess": _unchained(risk, losses, predictor, delta) + SLACK,
            **_smoothed(risk, scored.after[-1], predictor.bits, delta),
        },
        "prior": prior_content(prior),
        "dataset": dataset,
        "decoder": decoder,
        "message": _message(message, predictor),
        "comparison": _comparison(risk, losses, scored, data, bounds.risk, predictor, delta),
        "evaluation": {"test": None if test is None else _test(prior, predictor, test, min_tokens, how)},
        "independence": independence,
        "assumptions": language_assumptions(dataset, decoder, independence, float(confidence), prior.name),
    }


def _both(
    prior: Prior, predictor: DecodedLanguagePredictor, encoded: EncodedDocuments, how: dict[str, Any]
) -> tuple[Likelihoods, tuple[Likelihoods, ...]]:
    """Under the prior, and under each stage."""
    vocabulary = predictor.preprocessing.vocabulary
    before = log_likelihoods(prior.build_language_model(), encoded, vocabulary, desc="scoring, prior", **how)
    after = (
        log_likelihoods(stage.module, encoded, vocabulary, desc=f"scoring, stage {number}", **how)
        for number, stage in enumerate(predictor.stages, start=1)
    )
    return before, tuple(after)


def _risk(
    predictor: DecodedLanguagePredictor, encoded: EncodedDocuments, before: Likelihoods, min_tokens: int
) -> BitsPerToken:
    return BitsPerToken.of(
        encoded,
        before.log2,
        mix=predictor.message.stages[0].mix,
        vocabulary=predictor.preprocessing.vocabulary,
        least=min_tokens,
    )


def _chain(
    predictor: DecodedLanguagePredictor, risk: BitsPerToken, after: Sequence[Likelihoods]
) -> tuple[list[Level], Floats]:
    """What each stage adds, and bits per token of the last one's mixture on each document."""
    levels, losses = [], risk.prior_losses
    for stage, scores, bits in zip(predictor.message.stages, after, predictor.bits_to, strict=True):
        losses = risk.mixture(scores.log2, stage.mix)
        levels.append(risk.level(losses, bits, stage.mix))
        risk = risk.after(scores.log2, stage.mix)
    return levels, losses


def _unchained(
    risk: BitsPerToken, losses: Floats, predictor: DecodedLanguagePredictor, delta: float
) -> float:
    """The same without the chain: the excess of the last mixture over the prior, for all bits at once."""
    mix = sum(stage.mix for stage in predictor.message.stages)
    return risk.bounds([risk.level(losses, predictor.bits, mix)], delta).risk


def _smoothed(risk: BitsPerToken, after: Likelihoods, bits: float, delta: float) -> dict[str, float]:
    """What the forms of the literature, on the smoothed loss of each token, would give for the last stage's model."""
    losses = [risk.units.losses(column) for column in after.smoothed.T]
    found = smoothed_documents(losses, ALPHAS, risk.vocabulary, bits, delta)
    names = {"sublora": "smoothed_hoeffding", "kl": "smoothed_kl", "betting": "smoothed_betting"}
    return {names[form]: float(bound.bound) + SLACK for form, bound in found.items()}


def _decoder(
    predictor: DecodedLanguagePredictor, candidates: int, list_written: str, min_tokens: int
) -> LanguageDecoderContent:
    preprocessing = predictor.preprocessing
    headers = [stage.header for stage in predictor.stages if stage.header is not None]
    content: LanguageDecoderContent = {
        "codec": "TG1",
        "uniform": 2.0**-UNIFORM_BITS,
        "max_tokens": preprocessing.input_size,
        "min_tokens": min_tokens,
        "slack": SLACK,
        "candidate": headers[-1].candidate if headers else 0,
        "candidates": candidates,
        "stages": [_stage(decoded) for decoded in predictor.stages],
        "preprocessing": preprocessing.to_dict(),
    }
    if list_written != "before":
        content["list_written"] = list_written
    return content


def _stage(decoded: DecodedStage) -> StageContent:
    header, stage = decoded.header, decoded.stage
    content: StageContent = {
        "kind": "prompt" if header is None else header.kind,
        "mix": stage.mix,
        "weight": stage.weight,
        "bits": decoded.bits,
    }
    if header is None:
        content |= {"prompt": str(decoded.costs[-1].value), "prompt_tokens": list(stage.prompt)}
        return content
    named = ("dim", "seed", "levels", "step", "rank", "modules", "contexts", "adaptive_signs")
    content |= cast(StageContent, {name: getattr(header, name) for name in named})
    content |= {"step_size": step_size(header.step), "subspace": decoded.subspace}
    return content


def _message(message: bytes, predictor: DecodedLanguagePredictor) -> LanguageMessageContent:
    return {
        "file": MESSAGE_FILE,
        "sha256": hashlib.sha256(message).hexdigest(),
        "ideal_bits": predictor.bits,
        "file_bits": 8 * len(message),
        "costs": [cast(CostContent, asdict(cost)) for cost in predictor.costs],
    }


def _comparison(
    risk: BitsPerToken,
    losses: Floats,
    scored: Scored,
    data: Documents,
    bound: float,
    predictor: DecodedLanguagePredictor,
    delta: float,
) -> LanguageComparisonContent:
    encoded, mixes = scored.encoded, [stage.mix for stage in predictor.message.stages]
    total = float((losses * encoded.lengths).sum())
    wrong, wrong_before = (risk.units.losses(one.wrong) for one in (scored.after[-1], scored.before))
    return {
        "uniform_guess": math.log2(risk.vocabulary),
        "train_bits_per_byte": total / encoded.text_bytes,
        "train_bits_per_document": total / encoded.n,
        "perplexity_bound": 2.0 ** (bound + SLACK),
        "holdout_tenth": _held_out(risk, losses, _by_content(data, encoded), sum(mixes), delta),
        "next_token": {
            "train_error": float(wrong.mean()),
            "prior_train_error": float(wrong_before.mean()),
            "bound": min(1.0, occam_betting(wrong, predictor.bits, delta) + TOP_SLACK),
        },
    }


def _by_content(data: Documents, encoded: EncodedDocuments) -> npt.NDArray[np.int64]:
    """The units by what they hold: an order that does not follow that of the rows."""
    hashes = [row.tobytes() for row in data.row_hashes[encoded.rows]]
    if encoded.groups is not None:
        units: list[list[bytes]] = [[] for _ in range(int(encoded.groups.max()) + 1)]
        for row, group in zip(hashes, encoded.groups, strict=True):
            units[group].append(row)
        hashes = [hashlib.sha256(b"".join(sorted(unit))).digest() for unit in units]
    return np.array(sorted(range(len(hashes)), key=hashes.__getitem__), dtype=np.int64)


def _held_out(
    risk: BitsPerToken, losses: Floats, order: npt.NDArray[np.int64], mix: int, delta: float
) -> HeldOutTenthContent:
    """What every tenth unit in ``order``, held out, would certify if its losses were those in training."""
    size = held_out_size(_HELD_OUT_SHARE, risk.units.n)
    some = order[np.linspace(0, risk.units.n - 1, size).astype(np.int64)]
    units, prior = risk.units.losses(losses)[some], risk.units.losses(risk.prior_losses)[some]
    excess_top, prior_top = mix / risk.least, risk.largest_prior_loss
    top = prior_top + excess_top
    by_excess = occam_excess(
        np.minimum(units - prior, excess_top), np.minimum(prior, prior_top), excess_top, prior_top, 0.0, delta
    )
    return {
        "n": size,
        "bound": mean_upper_bound(np.minimum(units, top), top, 0.0, delta) + SLACK,
        "by_excess": by_excess.risk + SLACK,
    }


def _test(
    prior: Prior,
    predictor: DecodedLanguagePredictor,
    test: Documents,
    min_tokens: int,
    how: dict[str, Any],
) -> LanguageTestContent:
    """Losses on other documents, for reporting only."""
    assert isinstance(predictor.preprocessing, DocumentPreprocessing)
    encoded = encode_documents(predictor.preprocessing, test, min_tokens=min_tokens)
    before, after = _both(prior, predictor, encoded, how)
    risk = _risk(predictor, encoded, before, min_tokens)
    losses = _chain(predictor, risk, after)[1]
    return {
        "split": test.split,
        "sha256": test.fingerprint,
        "n": risk.units.n,
        "loss": float(risk.units.losses(losses).mean()),
        "prior_loss": float(risk.units.losses(risk.prior_losses).mean()),
    }
