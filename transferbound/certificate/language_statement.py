"""Everything a certificate on a language model states, computed from prior, documents and message alone."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from transferbound.bounds import held_out_size, occam_betting
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
)
from transferbound.certificate.schema import MESSAGE_FILE, SCHEMA, SCHEMA_VERSION
from transferbound.data.documents import Documents
from transferbound.data.encoded_documents import EncodedDocuments, encode_documents
from transferbound.independence.record import IndependenceRecord
from transferbound.language_predictor import DecodedLanguagePredictor, decode_language_predictor
from transferbound.message import step_size
from transferbound.message.variants import check_list_written
from transferbound.priors import DocumentPreprocessing, Prior
from transferbound.risks.bits_per_token import UNIFORM_BITS, BitsPerToken
from transferbound.risks.likelihoods import SLACK, Likelihoods, log_likelihoods
from transferbound.risks.smoothed_tokens import smoothed_bounds

__all__ = ["TOP_SLACK", "Scored", "make_language_statement"]

_HELD_OUT_SHARE = 0.1
TOP_SLACK = 1e-3
"""Of next-token errors: a call that is closer than rounding falls either way, and counts as an error."""


@dataclass(frozen=True)
class Scored:
    """Documents and what the two models of the mixture make of them.

    Attributes:
        encoded: the documents that are counted.
        before, after: log-likelihoods under the prior, and under the decoded model.
        decoded: the model's place in a message, without the mixture: its offset and its prompt.
    """

    encoded: EncodedDocuments
    before: Likelihoods
    after: Likelihoods
    decoded: tuple[bytes, tuple[int, ...]]


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
    parts = (predictor.message.offset, predictor.message.prompt)
    if scored is None or scored.decoded != parts:
        encoded = encode_documents(
            predictor.preprocessing, data, min_tokens=min_tokens, progress=bool(how.get("progress"))
        )
        scored = Scored(encoded, *_both(prior, predictor, encoded, how), parts)
    risk = _risk(predictor, scored, min_tokens)
    delta, vocabulary = failure_probability(confidence), predictor.preprocessing.vocabulary
    losses = risk.mixture(scored.after.log2)
    bounds = risk.bounds(losses, predictor.bits, delta)
    dataset, decoder = (
        documents_content(data, scored.encoded),
        _decoder(predictor, candidates, list_written, min_tokens),
    )
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
            "excess": bounds.risk + SLACK,
            **{
                name: value + SLACK
                for name, value in smoothed_bounds(
                    scored.after.smoothed, risk.units, vocabulary, predictor.bits, delta
                ).items()
            },
        },
        "prior": prior_content(prior),
        "dataset": dataset,
        "decoder": decoder,
        "message": _message(message, predictor),
        "comparison": _comparison(risk, losses, scored, bounds.risk, predictor.bits, delta),
        "evaluation": {"test": None if test is None else _test(prior, predictor, test, min_tokens, how)},
        "independence": independence,
        "assumptions": language_assumptions(dataset, decoder, independence, float(confidence), prior.name),
    }


def _both(
    prior: Prior, predictor: DecodedLanguagePredictor, encoded: EncodedDocuments, how: dict[str, Any]
) -> tuple[Likelihoods, Likelihoods]:
    vocabulary = predictor.preprocessing.vocabulary
    before = log_likelihoods(prior.build_language_model(), encoded, vocabulary, desc="scoring, prior", **how)
    return before, log_likelihoods(predictor.module, encoded, vocabulary, desc="scoring, finetuned", **how)


def _risk(predictor: DecodedLanguagePredictor, scored: Scored, min_tokens: int) -> BitsPerToken:
    return BitsPerToken.of(
        scored.encoded,
        scored.before.log2,
        mix=predictor.message.mix,
        vocabulary=predictor.preprocessing.vocabulary,
        least=min_tokens,
    )


def _decoder(
    predictor: DecodedLanguagePredictor, candidates: int, list_written: str, min_tokens: int
) -> LanguageDecoderContent:
    header, preprocessing = predictor.header, predictor.preprocessing
    content: LanguageDecoderContent = {
        "codec": "TG1",
        "kind": "prompt" if header is None else header.kind,
        "mix": predictor.message.mix,
        "weight": predictor.message.weight,
        "uniform": 2.0**-UNIFORM_BITS,
        "max_tokens": preprocessing.input_size,
        "min_tokens": min_tokens,
        "slack": SLACK,
        "candidate": 0 if header is None else header.candidate,
        "candidates": candidates,
        "preprocessing": preprocessing.to_dict(),
    }
    if list_written != "before":
        content["list_written"] = list_written
    if header is None:
        content |= {"prompt": str(predictor.costs[-1].value), "prompt_tokens": list(predictor.message.prompt)}
        return content
    named = ("dim", "seed", "levels", "step", "rank", "modules", "adaptive_signs")
    content |= cast(LanguageDecoderContent, {name: getattr(header, name) for name in named})
    content |= {"step_size": step_size(header.step), "subspace": predictor.subspace}
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
    losses: np.ndarray,
    scored: Scored,
    bound: float,
    bits: float,
    delta: float,
) -> LanguageComparisonContent:
    encoded = scored.encoded
    total = float((losses * encoded.lengths).sum())
    wrong, wrong_before = (risk.units.losses(one.wrong) for one in (scored.after, scored.before))
    return {
        "uniform_guess": math.log2(risk.vocabulary),
        "train_bits_per_byte": total / encoded.text_bytes,
        "train_bits_per_document": total / encoded.n,
        "perplexity_bound": 2.0 ** (bound + SLACK),
        "holdout_tenth": _held_out(risk, losses, delta),
        "next_token": {
            "train_error": float(wrong.mean()),
            "prior_train_error": float(wrong_before.mean()),
            "bound": min(1.0, occam_betting(wrong, bits, delta) + TOP_SLACK),
        },
    }


def _held_out(risk: BitsPerToken, losses: np.ndarray, delta: float) -> HeldOutTenthContent:
    """What every tenth unit, held out, would certify if its losses were those in training."""
    size = held_out_size(_HELD_OUT_SHARE, risk.units.n)
    some = np.linspace(0, risk.units.n - 1, size).astype(np.int64)
    units, prior = risk.units.losses(losses)[some], risk.units.losses(risk.prior_losses)[some]
    top = risk.largest_prior_loss + risk.mix / risk.least
    return {
        "n": size,
        "bound": top * occam_betting(np.clip(units / top, 0.0, 1.0), 0.0, delta) + SLACK,
        "by_excess": risk.bounds_of(units - prior, prior, 0.0, delta).risk + SLACK,
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
    scored = Scored(encoded, before, after, (b"", ()))
    risk = _risk(predictor, scored, min_tokens)
    return {
        "split": test.split,
        "sha256": test.fingerprint,
        "n": risk.units.n,
        "loss": float(risk.units.losses(risk.mixture(after.log2)).mean()),
        "prior_loss": float(risk.units.losses(risk.prior_losses).mean()),
    }
