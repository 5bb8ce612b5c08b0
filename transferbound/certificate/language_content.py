"""What stands in ``certificate.json`` of a language model, as types: the check of its form is made from them.

Losses and bounds are bits per token, the mean over documents of a document's mean over tokens; lengths are bits.
docs/language-models.md says what each key means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict, cast, final

from transferbound.certificate.content import (
    Content,
    CostContent,
    CutContent,
    FilesLeftOutContent,
    PriorContent,
    UnverifiedContent,
)
from transferbound.independence.record import IndependenceRecord

__all__ = [
    "LANGUAGE_LOSS",
    "LANGUAGE_TASK",
    "DocumentsContent",
    "HeldOutTenthContent",
    "LanguageComparisonContent",
    "LanguageContent",
    "LanguageDecoderContent",
    "LanguageEvaluationContent",
    "LanguageMessageContent",
    "LanguageStatement",
    "LanguageTestContent",
    "NextTokenContent",
    "PoolContent",
    "StageContent",
    "is_language",
    "language_content",
]

LANGUAGE_TASK, LANGUAGE_LOSS = "text-generation", "bits_per_token"
"""Of certificates on language models; those on classifiers name no task."""


@final
class DocumentColumns(TypedDict):
    """The columns that were read of a data set of documents."""

    text: list[str]
    label: None
    group: str | None


class PoolContent(TypedDict):
    """What the documents were drawn from at random: ``rows`` of the split, by ``seed``."""

    rows: int
    seed: int


class DocumentsContent(TypedDict):
    """The documents: ``rows`` of the split, ``left_out`` of them shorter than ``min_tokens``; ``units`` are counted."""

    id: str
    config: str | None
    revision: str | None
    split: str
    sha256: str
    rows: int
    left_out: int
    units: int
    tokens: int
    modality: str
    columns: DocumentColumns
    overlap: dict[str, int]
    pool: NotRequired[PoolContent]
    cut: NotRequired[CutContent]
    files_left_out: NotRequired[FilesLeftOutContent]


class StageContent(TypedDict):
    """One model of the chain. ``weight`` = 2^-``mix`` is that of the stage before, at first of the prior, in the
    mixture; ``bits`` what the stage adds to the message.

    Kind ``prompt`` has ``prompt``, its text, and ``prompt_tokens``; the others what is from ``dim`` on.
    """

    kind: str
    mix: int
    weight: float
    bits: float
    prompt: NotRequired[str]
    prompt_tokens: NotRequired[list[int]]
    dim: NotRequired[int]
    seed: NotRequired[int]
    levels: NotRequired[int]
    step: NotRequired[int]
    step_size: NotRequired[float]
    rank: NotRequired[int]
    modules: NotRequired[str]
    contexts: NotRequired[bool]
    adaptive_signs: NotRequired[bool]
    subspace: NotRequired[dict[str, Any]]


class LanguageDecoderContent(TypedDict):
    """What decodes the predictor, and what fixes the documents that it is about.

    ``uniform`` is the uniform distribution's share in the prior, ``slack`` in bits per token.
    """

    codec: str
    uniform: float
    max_tokens: int
    min_tokens: int
    slack: float
    candidate: int
    candidates: int
    list_written: NotRequired[str]
    stages: list[StageContent]
    preprocessing: dict[str, Any]


class LanguageMessageContent(TypedDict):
    """``offset.bin``. Lengths in bits."""

    file: str
    sha256: str
    ideal_bits: float
    file_bits: int
    costs: list[CostContent]


class HeldOutTenthContent(TypedDict):
    """What a tenth kept out of training would certify at the same losses, with no bits paid: by bets on the loss
    (``bound``), and by way of the excess (``by_excess``). Bits per token; ``n`` in units."""

    n: int
    bound: float
    by_excess: float


class NextTokenContent(TypedDict):
    """The share of tokens that the finetuned model, without the mixture, does not rank first; a mean over documents."""

    train_error: float
    prior_train_error: float
    bound: float


class LanguageComparisonContent(TypedDict):
    """Other ways to answer, and to bound."""

    uniform_guess: float
    train_bits_per_byte: float
    train_bits_per_document: float
    perplexity_bound: float
    holdout_tenth: HeldOutTenthContent
    next_token: NextTokenContent


class LanguageTestContent(TypedDict):
    """Losses on other documents, for reporting only; bits per token, ``n`` in units."""

    split: str
    sha256: str
    n: int
    loss: float
    prior_loss: float


class LanguageEvaluationContent(TypedDict):
    """What was measured beside the bound."""

    test: LanguageTestContent | None


class LanguageStatement(TypedDict):
    """What is computed again by ``verify``: all but how training went.

    ``excess_bound`` is on what the loss exceeds the prior's by: negative where finetuning provably helped.
    """

    schema: str
    schema_version: int
    task: str
    loss: str
    risk_bound: float
    excess_bound: float
    prior_risk_bound: float
    confidence: float
    n: int
    train_risk: float
    prior_train_risk: float
    message_bits: float
    file_bits: int
    bounds: dict[str, float]
    prior: PriorContent
    dataset: DocumentsContent
    decoder: LanguageDecoderContent
    message: LanguageMessageContent
    comparison: LanguageComparisonContent
    evaluation: LanguageEvaluationContent
    independence: IndependenceRecord
    assumptions: list[str]


class LanguageContent(LanguageStatement):
    """``certificate.json``, whole."""

    unverified: UnverifiedContent


def is_language(content: Mapping[str, Any]) -> bool:
    """Whether a certificate is about a language model."""
    return content.get("task") == LANGUAGE_TASK


def language_content(content: Content) -> LanguageContent:
    """The same content, which is that of a language model, by its own type."""
    assert is_language(content)
    return cast(LanguageContent, content)
