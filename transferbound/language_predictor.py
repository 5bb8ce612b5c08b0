"""The decoder for language models: from a prior and a message to the two models of the mixture, by no other way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from transferbound.errors import MessageError, PriorError, SubspaceError
from transferbound.message import Cost, Header, itemize, step_size
from transferbound.message.generation import (
    MIX_BITS,
    GenerationMessage,
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

__all__ = ["PROMPT_SLACK_BITS", "DecodedLanguagePredictor", "decode_language_predictor", "prompt_bits"]

PROMPT_SLACK_BITS = 0.01
"""Added to what a prompt pays: machines differ in the last digits of a network's float32 probabilities."""


@dataclass(frozen=True)
class DecodedLanguagePredictor:
    """What a message says, and the module that it puts beside the prior.

    Attributes:
        message: the decoded message.
        module: p, in eval mode, float32: log2-probabilities of tokens. The prior's own is another module.
        preprocessing: what turns documents into tokens.
        header, integers: of a subspace; None with a prompt.
        subspace: plain data that describes P; empty with a prompt.
        costs: what each choice paid.
    """

    message: GenerationMessage
    module: LanguageModel
    preprocessing: DocumentPreprocessing
    header: Header | None
    integers: npt.NDArray[np.int64] | None
    subspace: dict[str, Any]
    costs: tuple[Cost, ...]

    @property
    def bits(self) -> float:
        """K, the length of the message."""
        return float(sum(cost.bits for cost in self.costs))


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
    preprocessing = prior.preprocessing(max_tokens)
    assert isinstance(preprocessing, DocumentPreprocessing)
    mixture = Cost("mix", message.mix, MIX_BITS, "weight 2^-1 .. 2^-32 (5 bits); subspace or prompt (1 bit)")
    if message.prompt:
        if max(message.prompt) >= preprocessing.vocabulary:
            raise MessageError(
                f"the prompt names the token {max(message.prompt)}, which the prior {prior.name} lacks"
            )
        paid = prompt_bits(prior, message.prompt)
        said: tuple[Cost, ...] = (
            mixture,
            Cost(
                "prompt_length", len(message.prompt), prompt_length_bits(len(message.prompt)), "Elias gamma"
            ),
            Cost("prompt", prior.text_of(message.prompt), paid, "the prior's own probability"),
        )
        return DecodedLanguagePredictor(
            message, prior.prompted(message.prompt), preprocessing, None, None, {}, said
        )

    @lru_cache(maxsize=1)
    def subspace_of(header: Header) -> tuple[LanguageModel, Projection]:
        if header.head_seed or header.head_scale or header.input_size or header.version == 3:
            raise MessageError(
                f"a message of kind {header.kind!r} with these fields says nothing of a language model"
            )
        module = prior.build_language_model()
        refuse_batch_dependence(module)
        return module, build_projection(subspace_config(header), build_layout(module, ()))

    try:
        header, integers = decode(
            message.offset,
            candidates=candidates,
            contexts=lambda header: subspace_of(header)[1].contexts(),
            max_dim=min(2**20, prior.num_parameters),
        )
        module, projection = subspace_of(header)
        add_offset_(module, projection, integers, step_size(header.step))
    except (SubspaceError, PriorError) as error:
        raise MessageError(f"the message does not fit the prior {prior.name}: {error}") from error
    contexts = projection.contexts() if header.contexts else None
    costs = (mixture, *itemize(header, integers, contexts))
    return DecodedLanguagePredictor(
        message, module.eval(), preprocessing, header, integers, projection.describe(), costs
    )


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
