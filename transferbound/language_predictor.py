"""The decoder for language models: from a prior and a message to the models of the mixture, by no other way."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from transferbound.errors import MessageError, PriorError, SubspaceError
from transferbound.message import Cost, Header, itemize, step_size
from transferbound.message.generation import (
    MIX_BITS,
    MOST_STAGES,
    GenerationMessage,
    Stage,
    decode_generation,
    prompt_length_bits,
)
from transferbound.message.stream import decode
from transferbound.priors import DocumentPreprocessing, LanguageModel, Prior
from transferbound.subspace import build_layout, build_projection
from transferbound.subspace.batch_statistics import refuse_batch_dependence
from transferbound.subspace.config import subspace_config
from transferbound.subspace.decode import add_offset_
from transferbound.subspace.projection import Projection

__all__ = [
    "PROMPT_SLACK_BITS",
    "DecodedLanguagePredictor",
    "DecodedStage",
    "decode_language_predictor",
    "decode_stage",
    "prompt_bits",
]

_STAGES_BITS = math.log2(MOST_STAGES)

PROMPT_SLACK_BITS = 0.01
"""Added to what a prompt pays: machines differ in the last digits of a network's float32 probabilities."""


@dataclass(frozen=True)
class DecodedStage:
    """One model of the chain.

    Attributes:
        stage: what the message says of it.
        module: p, in eval mode, float32: log2-probabilities of tokens.
        header, integers: of a subspace; None with a prompt.
        subspace: plain data that describes P; empty with a prompt.
        costs: what each choice paid.
    """

    stage: Stage
    module: LanguageModel
    header: Header | None
    integers: npt.NDArray[np.int64] | None
    subspace: dict[str, Any]
    costs: tuple[Cost, ...]

    @property
    def bits(self) -> float:
        """What this stage adds to the length of the message."""
        return float(sum(cost.bits for cost in self.costs))


@dataclass(frozen=True)
class DecodedLanguagePredictor:
    """What a message says, and the models that it puts beside the prior.

    Attributes:
        message: the decoded message.
        stages: its models, each mixed with the one before. The prior's own is another module.
        preprocessing: what turns documents into tokens.
    """

    message: GenerationMessage
    stages: tuple[DecodedStage, ...]
    preprocessing: DocumentPreprocessing

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What each choice paid."""
        number = Cost("stages", len(self.stages), _STAGES_BITS, f"1 to {MOST_STAGES}, equally likely")
        return (number, *(cost for stage in self.stages for cost in stage.costs))

    @property
    def bits_to(self) -> tuple[float, ...]:
        """The length of all that decodes each stage, in bits."""
        return tuple(_STAGES_BITS + total for total in accumulate(stage.bits for stage in self.stages))

    @property
    def bits(self) -> float:
        """K, the length of the message."""
        return self.bits_to[-1]


def decode_language_predictor(
    prior: Prior, data: bytes, *, max_tokens: int = 0, candidates: int = 1
) -> DecodedLanguagePredictor:
    """Decodes ``data`` against ``prior``: nothing else that depends on training data comes in.

    Args:
        prior: a causal language model.
        data: the bytes of ``offset.bin``.
        max_tokens: of a document, fixed in advance: what is bounded depends on it.
        candidates: how many variants are on the list, or ``OPEN_LIST``; fixed in advance.

    Raises:
        MessageError: the message does not decode, or does not fit the prior.
        PriorError: the prior is for another task, or cannot read documents of ``max_tokens``.
    """
    message = decode_generation(data)
    if candidates != 1 and not any(stage.offset for stage in message.stages):
        raise MessageError(
            "the message has a prompt alone, and names none of the variants that are on a list"
        )
    preprocessing = prior.preprocessing(max_tokens)
    assert isinstance(preprocessing, DocumentPreprocessing)
    before = prior.build_language_model()
    stages = []
    for stage in message.stages:
        if stage.prompt:
            decoded = _prompted(prior, stage, preprocessing)
        else:
            decoded = decode_stage(prior, before, stage, candidates)
        before = copy.deepcopy(decoded.module)  # what is decoded stays as it is
        stages.append(decoded)
    return DecodedLanguagePredictor(message, tuple(stages), preprocessing)


def _prompted(prior: Prior, stage: Stage, preprocessing: DocumentPreprocessing) -> DecodedStage:
    if max(stage.prompt) >= preprocessing.vocabulary:
        raise MessageError(
            f"the prompt names the token {max(stage.prompt)}, which the prior {prior.name} lacks"
        )
    length = len(stage.prompt)
    try:
        prior.preprocessing(preprocessing.input_size + length)
    except PriorError as error:
        raise MessageError(f"the prompt of {length} tokens leaves no room for documents: {error}") from error
    costs = (
        _mix_cost(stage),
        Cost("prompt_length", length, prompt_length_bits(length), "Elias gamma"),
        Cost(
            "prompt",
            prior.text_of(stage.prompt),
            prompt_bits(prior, stage.prompt),
            "the prior's own probability",
        ),
    )
    return DecodedStage(stage, prior.prompted(stage.prompt), None, None, {}, costs)


def decode_stage(prior: Prior, before: LanguageModel, stage: Stage, candidates: int = 1) -> DecodedStage:
    """The model that the offset of ``stage`` makes of ``before``, which is changed in place.

    Raises:
        MessageError: the offset does not decode, or does not fit the prior.
    """

    @lru_cache(maxsize=1)
    def subspace_of(header: Header) -> Projection:
        if header.head_seed or header.head_scale or header.input_size or header.version == 3:
            raise MessageError(
                f"a message of kind {header.kind!r} with these fields says nothing of a language model"
            )
        refuse_batch_dependence(before)
        return build_projection(subspace_config(header), build_layout(before, ()))

    try:
        header, integers = decode(
            stage.offset,
            candidates=candidates,
            contexts=lambda header: subspace_of(header).contexts(),
            max_dim=min(2**20, prior.num_parameters),
        )
        projection = subspace_of(header)
        add_offset_(before, projection, integers, step_size(header.step))
    except (SubspaceError, PriorError) as error:
        raise MessageError(f"the message does not fit the prior {prior.name}: {error}") from error
    contexts = projection.contexts() if header.contexts else None
    costs = (_mix_cost(stage), *itemize(header, integers, contexts))
    return DecodedStage(stage, before.eval(), header, integers, projection.describe(), costs)


def _mix_cost(stage: Stage) -> Cost:
    return Cost("mix", stage.mix, MIX_BITS, "weight 2^-1 .. 2^-32 (5 bits); subspace or prompt (1 bit)")


@torch.inference_mode()
def prompt_bits(prior: Prior, prompt: tuple[int, ...]) -> float:
    """What the tokens of a prompt pay: minus log2 of their probability under the prior, behind the start of a document.

    Rounding is on the safe side by ``PROMPT_SLACK_BITS``.
    """
    module = prior.build_language_model()
    start = prior.preprocessing(0)
    assert isinstance(start, DocumentPreprocessing)
    # Without a start nothing stands before the first token: it is drawn evenly.
    first = 0.0 if start.start else float(np.log2(start.vocabulary))
    ids = torch.tensor([[*start.start, *prompt]])
    if ids.shape[1] < 2:
        return first + PROMPT_SLACK_BITS
    return first - float(module(ids, torch.ones_like(ids)).double().sum()) + PROMPT_SLACK_BITS
