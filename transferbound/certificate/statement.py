"""Everything a certificate states, computed from prior, data and message alone.

``certify`` writes what this room says; ``verify`` asks it again and compares. So nothing that a
certificate states can rest on the training run.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from transferbound.bounds import occam_kl
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.assumptions import assumptions, no_better_than_constant
from transferbound.certificate.content import (
    ComparisonContent,
    CostContent,
    DecoderContent,
    EvaluatedSplitContent,
    MessageContent,
    PaperCodeContent,
    RiskContent,
    Statement,
)
from transferbound.certificate.identity import dataset_content, prior_content
from transferbound.certificate.schema import MESSAGE_FILE, SCHEMA, SCHEMA_VERSION
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.data.labelled import LabelledData
from transferbound.errors import DataError
from transferbound.independence.record import IndependenceRecord
from transferbound.independence.reference import SearchedReference
from transferbound.message import empirical_entropy_bits, itemize, message_bits, step_size
from transferbound.message.paper_code import paper_bits
from transferbound.message.variants import check_list_written
from transferbound.predictor import DecodedPredictor, decode_predictor
from transferbound.priors import Prior
from transferbound.priors.components import choices
from transferbound.priors.components.basis import reference_of
from transferbound.risks import DEFAULT_RISK, risk_named
from transferbound.risks.risk import Risk

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["make_statement"]


def make_statement(
    prior: Prior,
    data: LabelledData,
    message: bytes,
    *,
    confidence: float,
    risk: str = DEFAULT_RISK,
    candidates: int = 1,
    list_written: str = "before",
    test: LabelledData | None = None,
    independence: IndependenceRecord,
    batch_size: int = 250,
    accelerator: Accelerator | None = None,
    progress: bool = False,
    seed: int | None = None,
    cache_dir: Path | None = None,
    encoded: EncodedData | None = None,
    reference: SearchedReference | None = None,
) -> Statement:
    """The content of ``certificate.json`` without what cannot be recomputed (training, versions).

    Args:
        prior, data, message: the checkpoint, the training examples, the bytes of ``offset.bin``.
        confidence: 1 - delta.
        risk: name of what is bounded.
        candidates: variants on the list, one of which the message names; ``OPEN_LIST`` where it may grow.
        list_written: before results on the data were seen, or after, by the writer's word.
        test: examples for reporting only; they have no part in the bound.
        independence: the record of :func:`transferbound.independence.check.check_independence`.
        reference: inputs whose components kind "sparse" takes; None: the default ones.
        encoded: ``data`` under the message's preprocessing, where it is at hand already.
        batch_size, accelerator, progress, seed: how to count; without effect on the result.
        cache_dir: where encoded rows may be found and kept; default: the user's cache.

    Raises:
        ArgumentError: a number of candidates or a time of the list that cannot be.
        MessageError: the message does not decode, or does not fit the prior.
        DataError: a row cannot be read, or the test split has other classes.
    """
    check_list_written(list_written)
    predictor = decode_predictor(
        prior,
        data.num_classes,
        message,
        class_names=data.class_names,
        candidates=candidates,
        reference=None if reference is None else reference.reference,
    )
    if accelerator is not None:
        predictor.module.to(accelerator.device)
    how: dict[str, Any] = {
        "batch_size": batch_size,
        "accelerator": accelerator,
        "progress": progress,
        "seed": seed,
    }
    encoded = encoded or encode(predictor.preprocessing, data, cache_dir, progress=progress)
    bounded = risk_named(risk).of(data)
    measured = bounded.measure(predictor.module, encoded, **how)
    delta = failure_probability(confidence)
    bits = message_bits(predictor.header, predictor.integers, predictor.contexts)
    stated = cast(RiskContent, {"confidence": float(confidence)} | bounded.stated(measured, bits, delta))
    if risk != DEFAULT_RISK:
        stated["loss"] = risk
    comparison: dict[str, Any] = {
        **bounded.baselines(measured, delta),
        "paper_code": _paper_code(predictor, measured.mean, bounded.units.n, delta),
    }
    dataset, decoder = dataset_content(data), _decoder(prior, data, predictor, reference)
    if list_written != "before":
        decoder["list_written"] = list_written
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        **stated,
        "file_bits": 8 * len(message),
        "prior": prior_content(prior),
        "dataset": dataset,
        "decoder": decoder,
        "message": _message(message, predictor),
        "comparison": cast(ComparisonContent, comparison),
        "evaluation": {"test": _test(bounded, predictor, data, test, cache_dir, how)},
        "independence": independence,
        "assumptions": [
            *assumptions(dataset, decoder, independence, stated["confidence"]),
            *no_better_than_constant(bounded, stated, comparison),
        ],
    }


def _decoder(
    prior: Prior, data: LabelledData, predictor: DecodedPredictor, reference: SearchedReference | None
) -> DecoderContent:
    header = predictor.header
    start = "seed" if header.head_seed else prior.head_start(data.num_classes, data.class_names)
    choice = choices(prior.modality, reference is not None)[header.features]
    if header.kind == "constant" or (header.kind == "sparse" and not choice.own_head):
        start = "class names" if choice.names and header.kind == "sparse" else "zero"
    content: DecoderContent = {
        "codec": f"TB{header.version}",
        "kind": header.kind,
        "dim": header.dim,
        "seed": header.seed,
        "levels": header.levels,
        "step": header.step,
        "input_size": header.input_size,
        "head_seed": header.head_seed,
        "head_scale": header.head_scale,
        "rank": header.rank,
        "modules": header.modules,
        "candidate": header.candidate,
        "contexts": header.contexts,
        "adaptive_signs": header.adaptive_signs,
        "candidates": header.candidates,
        "step_size": step_size(header.step),
        "head_start": start,
        "subspace": predictor.subspace,
        "preprocessing": predictor.preprocessing.to_dict(),
    }
    if header.kind == "constant":
        content["answer"] = data.class_names[header.answer]
    if header.kind == "sparse":
        content |= {"features": header.features, "features_of": str(choice), "components": header.components}
        if header.components:
            used = reference_of(prior, header.features, None if reference is None else reference.reference)
            content["reference"] = {"id": used.name, "sha256": used.fingerprint, "rows": used.n}
            if reference is not None and reference.split is not None and reference.overlap is not None:
                content["reference"] |= {"split": reference.split, "overlap": reference.overlap}
    return content


def _message(message: bytes, predictor: DecodedPredictor) -> MessageContent:
    costs = itemize(predictor.header, predictor.integers, predictor.contexts)
    return {
        "file": MESSAGE_FILE,
        "sha256": hashlib.sha256(message).hexdigest(),
        "ideal_bits": message_bits(predictor.header, predictor.integers, predictor.contexts),
        "file_bits": 8 * len(message),
        "empirical_entropy_bits": empirical_entropy_bits(predictor.integers),
        "nonzero": int(np.count_nonzero(predictor.integers)),
        "costs": [cast(CostContent, asdict(cost)) for cost in costs],
    }


def _paper_code(predictor: DecodedPredictor, mean: float, n: int, delta: float) -> PaperCodeContent:
    """The same integers under the 2022 paper's code, and the kl form that its bits would give."""
    bits = paper_bits(predictor.integers, predictor.header.levels)
    return {"bits": float(bits), "occam_kl": float(occam_kl(mean, n, bits, delta))}


def _test(
    bounded: Risk,
    predictor: DecodedPredictor,
    data: LabelledData,
    test: LabelledData | None,
    cache_dir: Path | None,
    how: dict[str, Any],
) -> EvaluatedSplitContent | None:
    """The losses of the test split's rows, for reporting only."""
    if test is None:
        return None
    if test.class_names != data.class_names:
        raise DataError(
            f"the split {test.split} has the classes {list(test.class_names)[:8]}, the training split "
            f"{list(data.class_names)[:8]}; name another split or none"
        )
    encoded = encode(predictor.preprocessing, test, cache_dir, progress=how["progress"])
    rows = type(bounded).of(test).measure(predictor.module, encoded, **how).rows
    return {
        "split": test.split,
        "sha256": test.fingerprint,
        "n": len(rows),
        "errors": round(rows.sum()),
        "error": float(rows.mean()),
    }
