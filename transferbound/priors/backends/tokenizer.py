"""A checkpoint's own tokenizer, and the preprocessing of texts that it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from torch import nn

from transferbound.errors import PriorError
from transferbound.priors.backends.preprocessing import TextPreprocessing
from transferbound.priors.backends.quiet import quiet_transformers
from transferbound.priors.checkpoint.json_files import read_object

__all__ = ["MAX_TOKENS", "most_tokens", "pad_id", "position_rows", "read_tokenizer", "text_preprocessing"]

MAX_TOKENS = 128
"""A row of text is cut to this many tokens unless the user names another input size."""
_POSITIONS = frozenset(
    ("position_embeddings", "position_embedding", "embed_positions", "positions_embed", "wpe")
)
_VOCABULARY_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)


def read_tokenizer(folder: Path, name: str, config: Any) -> Any:
    """The tokenizer in ``folder``, which pads and truncates on the right.

    Raises:
        PriorError: there is none, it cannot be read, or it has more tokens than the network has embeddings.
    """
    try:
        with quiet_transformers():
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, use_fast=True, trust_remote_code=False, local_files_only=True
            )
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise PriorError(
            f"the prior {name} has no tokenizer that can be read ({str(error).splitlines()[0]}); "
            "tokenizer.json belongs beside its weights"
        ) from error
    # Without a vocabulary file transformers makes an empty tokenizer that knows no word, silently.
    if not any((folder / file).is_file() for file in _VOCABULARY_FILES):
        raise PriorError(
            f"the prior {name} has no tokenizer: none of {', '.join(_VOCABULARY_FILES)} is beside its weights"
        )
    rows = getattr(config, "vocab_size", None)
    if isinstance(rows, int) and len(tokenizer) > rows:
        raise PriorError(
            f"the prior {name} has a tokenizer of {len(tokenizer)} tokens and embeddings for {rows}; "
            "they do not belong together"
        )
    tokenizer.padding_side = "right"
    tokenizer.truncation_side = "right"
    return tokenizer


def pad_id(tokenizer: Any) -> int:
    """Any id does where the tokenizer has none: the attention mask hides what is padded."""
    return 0 if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)


def most_tokens(tokenizer: Any, config: Any, positions: list[int], folder: Path, name: str) -> int:
    """The longest row that tokenizer, ``positions`` (:func:`position_rows`) and sentence-transformers' file allow.

    Raises:
        PriorError: ``sentence_bert_config.json`` is no JSON object.
    """
    limits = [int(min(tokenizer.model_max_length, 1 << 20)), *positions]
    declared = getattr(config, "max_position_embeddings", None)
    if isinstance(declared, int) and declared > 0:
        limits.append(declared)
    declared = read_object(folder / "sentence_bert_config.json", name).get("max_seq_length")
    if isinstance(declared, int):
        limits.append(declared)
    return min(limits)


def position_rows(network: nn.Module) -> list[int]:
    """How many positions each table of position embeddings of the network has."""
    found = []
    for path, module in network.named_modules():
        if isinstance(module, nn.Embedding) and path.rsplit(".", 1)[-1] in _POSITIONS:
            # RoBERTa and its kin start counting after the padding index, BART and its kin after a fixed number.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            first = int(getattr(module, "offset", first))
            if module.num_embeddings - first > 1:
                found.append(module.num_embeddings - first)
    return found


def text_preprocessing(
    tokenizer: Any, files: str, size: int, description: dict[str, Any]
) -> TextPreprocessing:
    """Rows of at most ``size`` tokens.

    Args:
        tokenizer: as :func:`read_tokenizer` gives it.
        files: fingerprint of the checkpoint's files, the tokenizer's among them.
        size: most tokens of a row.
        description: what the decoder must know beside the tokens, as plain JSON.
    """
    special = (
        tokenizer.eos_token_id,
        tokenizer.bos_token_id,
        tokenizer.unk_token_id,
        tokenizer.pad_token_id,
    )
    return TextPreprocessing(
        input_size=size,
        tokenizer=tokenizer,
        description={
            "source": "transformers",
            "tokenizer": type(tokenizer).__name__,
            "truncation": "longest_first",
            **description,
        },
        files=files,
        token_types="token_type_ids" in tokenizer.model_input_names,
        pad_id=pad_id(tokenizer),
        empty_id=next((int(i) for i in special if i is not None), 0),
    )
