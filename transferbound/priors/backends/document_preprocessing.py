"""From a document to the tokens that a language model predicts, and those it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from transferbound.priors.backends.preprocessing import Preprocessing

__all__ = ["DocumentPreprocessing", "start_of"]


@dataclass(frozen=True)
class DocumentPreprocessing(Preprocessing):
    """Text -> token ids, cut to ``input_size``: no chat template, no special tokens, no end.

    Attributes:
        start: ids that stand before each document and are not predicted; where there are none, the first token of a
            document is not predicted either, since nothing stands before it.
        vocabulary: V, how many tokens the network tells apart.
    """

    input_size: int
    tokenizer: Any = field(repr=False, compare=False)
    start: tuple[int, ...]
    vocabulary: int
    files: str
    modality: str = field(default="text", init=False)

    @property
    def unpredicted(self) -> int:
        """How many of a document's own tokens are given, not predicted."""
        return 0 if self.start else 1

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each document, without the start: at most ``input_size`` of them are predicted."""
        result = self.tokenizer(
            list(texts),
            add_special_tokens=False,
            truncation=True,
            max_length=self.input_size + self.unpredicted,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        ids: list[list[int]] = result["input_ids"]
        return ids

    def bytes_of(self, tokens: Sequence[int] | npt.NDArray[np.int64]) -> int:
        """How many bytes of UTF-8 the text of some tokens has."""
        return len(str(self.tokenizer.decode(tokens)).encode())

    def to_dict(self) -> dict[str, Any]:
        """What a certificate says of it: the cut, the tokenizer, the start of a document; no template."""
        return {
            "modality": "text",
            "input_size": self.input_size,
            "source": "transformers",
            "tokenizer": type(self.tokenizer).__name__,
            "start": list(self.start),
            "vocabulary": self.vocabulary,
            "template": "none",
        }


def start_of(tokenizer: Any, config: Any) -> tuple[int, ...]:
    """What stands before a document: the beginning-of-sequence token, else the end-of-sequence one, else nothing.

    Models without a beginning-of-sequence token are trained on documents that the end-of-sequence token divides.
    """
    named = (
        tokenizer.bos_token_id,
        getattr(config, "bos_token_id", None),
        tokenizer.eos_token_id,
        getattr(config, "eos_token_id", None),
    )
    most = getattr(config.get_text_config(), "vocab_size", 0)
    return next(((int(i),) for i in named if isinstance(i, int) and 0 <= i < most), ())
