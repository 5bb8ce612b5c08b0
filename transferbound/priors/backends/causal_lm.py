"""transformers checkpoints of causal language models: the probability of each token given those before it."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from transferbound.errors import PriorError
from transferbound.priors.backends.document_preprocessing import DocumentPreprocessing, start_of
from transferbound.priors.backends.tokenizer import most_tokens, position_rows, read_tokenizer
from transferbound.priors.backends.transformers_backend import TransformersBackend
from transferbound.priors.backends.transformers_network import TransformersNetwork, read_config
from transferbound.priors.backends.wrappers import LanguageModel
from transferbound.priors.checkpoint.resolve import Checkpoint

__all__ = ["DEFAULT_MAX_TOKENS", "CausalLanguageModel", "is_causal_lm"]

DEFAULT_MAX_TOKENS = 64
"""A document is cut to this many tokens unless the user names another number."""


def is_causal_lm(model_class: str) -> bool:
    """Whether a checkpoint's own class, as its config names it, is one of transformers' causal language models.

    >>> is_causal_lm("LlamaForCausalLM"), is_causal_lm("BertForMaskedLM"), is_causal_lm("")
    (True, False, False)
    """
    named = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
    return model_class in {name for item in named for name in ([item] if isinstance(item, str) else item)}


class CausalLanguageModel(TransformersBackend):
    """A checkpoint of one of transformers' ``...ForCausalLM`` classes, with its tokenizer.

    Raises:
        PriorError: it is no causal language model, its tokenizer does not fit, or it cannot be read.
    """

    modality = "text"

    def __init__(self, checkpoint: Checkpoint, tensors: dict[str, torch.Tensor]) -> None:
        name = checkpoint.name
        if checkpoint.is_timm or not is_causal_lm(checkpoint.model_class):
            written = (
                checkpoint.model_class or checkpoint.config.get("architecture") or "nothing of its class"
            )
            raise PriorError(
                f"the prior {name} is no causal language model (its config says {written}), and task text-generation "
                "needs one, such as LlamaForCausalLM; choose another prior, or leave out --task"
            )
        config = read_config(checkpoint)
        config.use_cache = False
        network = TransformersNetwork(name, transformers.AutoModelForCausalLM, config, "tokens")
        super().__init__(checkpoint, network, tensors)
        self._tokenizer = read_tokenizer(checkpoint.folder, name, config)
        self._start = start_of(self._tokenizer, config)
        most = most_tokens(self._tokenizer, config, self._positions, checkpoint.folder, name)
        self._limit = most - len(self._start)
        self.input_size = min(DEFAULT_MAX_TOKENS, self._limit)

    @property
    def vocabulary(self) -> int:
        """V, the number of tokens that the network tells apart: its embeddings, those without a token included."""
        return int(self._network.config.get_text_config().vocab_size)

    def _loaded(self, module: nn.Module) -> None:
        self._positions = position_rows(module)

    def skeleton(self, num_classes: int, input_size: int) -> nn.Module:
        """A module of the right shapes; there are no classes, and the length of documents does not matter."""
        return LanguageModel(self._network.build(0), start=len(self._start))

    def preprocessing(self, input_size: int) -> DocumentPreprocessing:
        """Documents of at most ``input_size`` tokens.

        Raises:
            PriorError: the network cannot read so many.
        """
        size = input_size or self.input_size
        if not 1 <= size <= self._limit:
            raise PriorError(
                f"max-tokens is {size}, and the prior {self._name} reads documents of 1 to {self._limit:,} tokens"
            )
        return DocumentPreprocessing(
            input_size=size,
            tokenizer=self._tokenizer,
            start=self._start,
            vocabulary=self.vocabulary,
            files=self._files.fingerprint,
        )

    def decoded(self, tokens: Any) -> str:
        """The text of some tokens, for people to read."""
        return str(self._tokenizer.decode(tokens))
