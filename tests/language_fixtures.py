"""Small causal language models of seven architectures, documents of unlike length, and certificates on them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from conftest import _HOME, save_rows
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from transferbound import CertifySettings, FinetuneSettings, Prior, SubspaceConfig
from transferbound.certification.certify_language import certify_language
from transferbound.certification.language_settings import LanguageSettings
from transferbound.data.documents import Documents

__all__ = [
    "ARCHITECTURES",
    "KINDS",
    "MAX_TOKENS",
    "MIN_TOKENS",
    "Architecture",
    "checkpoint",
    "corpus",
    "document_texts",
    "language_certificate",
    "quick",
    "save_language_model",
    "save_tokenizer",
]

_SYLLABLES = [first + second for first in "bdfgklmnp" for second in "aeio"]
WORDS = _SYLLABLES[:12]
_SPECIAL = ["<s>", "</s>", "<pad>", "<unk>"]  # tokens 90 to 93
MIN_TOKENS, MAX_TOKENS = 4, 14
_SIZES: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 96,
}


@dataclass(frozen=True)
class Architecture:
    """One of transformers' model types, made small.

    Attributes:
        config: of its configuration, beside the sizes.
        sizes: which of the common sizes it knows by their names.
        start, end, pad: special tokens of the tokenizer; None where it has none.
        padding: the side on which the tokenizer says that it pads.
        given: tokens that stand before a document.
    """

    config: dict[str, Any]
    sizes: tuple[str, ...] = tuple(_SIZES)
    start: str | None = None
    end: str | None = None
    pad: str | None = None
    padding: str = "right"
    given: int = 1


_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 96}
_OPT = {"ffn_dim": 48, "word_embed_proj_dim": 32, "bos_token_id": 90, "eos_token_id": 91, "pad_token_id": 92}
_MAMBA = {"state_size": 4, "conv_kernel": 3, "expand": 2, "bos_token_id": None, "eos_token_id": 91}
_NO_TOKENS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}

ARCHITECTURES = {
    "gpt2": Architecture(  # tied, learned positions, no pad token
        {**_GPT2, "bos_token_id": 91, "eos_token_id": 91}, ("vocab_size",), start="</s>", end="</s>"
    ),
    "llama": Architecture(  # the heads its own, padded on the left
        {"bos_token_id": 90, "eos_token_id": 91, "tie_word_embeddings": False},
        start="<s>",
        end="</s>",
        padding="left",
    ),
    "qwen2": Architecture(  # tied, no start of its own: the end of the document before
        {"bos_token_id": None, "eos_token_id": 91, "tie_word_embeddings": True}, end="</s>", pad="<pad>"
    ),
    "gemma": Architecture(  # tied, padded on the left
        {"bos_token_id": 90, "eos_token_id": 91, "pad_token_id": 92, "head_dim": 16},
        start="<s>",
        end="</s>",
        pad="<pad>",
        padding="left",
    ),
    "mamba": Architecture(  # no attention
        _MAMBA, ("vocab_size", "hidden_size", "num_hidden_layers"), end="</s>"
    ),
    "opt": Architecture(  # tied, positions that start at 2
        _OPT,
        ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"),
        start="<s>",
        end="</s>",
        pad="<pad>",
    ),
    "phi": Architecture(  # no special token at all: a document's first token is given
        {**_NO_TOKENS, "tie_word_embeddings": False}, padding="left", given=0
    ),
}

KINDS = {
    "hashed": SubspaceConfig("hashed", 20, head_scale=0),
    "film": SubspaceConfig("film", 20, head_scale=0),
    "lora": SubspaceConfig("lora", 20, rank=2, head_scale=0),
}


def quick(subspace: SubspaceConfig | None = None, epochs: float = 4.0, **changes: Any) -> CertifySettings:
    """Settings of a second's finetuning."""
    finetune = FinetuneSettings(epochs=epochs, batch_size=16, learning_rate=0.1, budget_minutes=1)
    return CertifySettings(subspace=subspace or KINDS["hashed"], finetune=finetune, **changes)


@cache
def checkpoint(name: str) -> Path:
    """A random checkpoint of one of :data:`ARCHITECTURES`, in Hub layout."""
    return save_language_model(
        Path(tempfile.mkdtemp(dir=_HOME, prefix=f"{name}-")), ARCHITECTURES[name], name
    )


def save_language_model(folder: Path, made: Architecture, model_type: str, **changes: Any) -> Path:
    """Writes network and tokenizer. ``changes``: of the configuration."""
    settings = {name: _SIZES[name] for name in made.sizes} | made.config | changes
    config = transformers.AutoConfig.for_model(model_type, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = transformers.AutoModelForCausalLM.from_config(config)
        with torch.no_grad():  # random ones hardly differ from guessing evenly
            for value in network.parameters():
                if value.ndim > 1:
                    value.mul_(2.0)
    network.save_pretrained(folder)
    save_tokenizer(folder, made)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# tiny\n", encoding="utf-8")
    return folder


def save_tokenizer(folder: Path, made: Architecture, extra: int = 0, **changes: Any) -> None:
    """A byte-level tokenizer of 36 syllables, with a space before them or not: 94 tokens, and ``extra`` more."""
    letters = ["\u0120", *"bdfgklmnpaeio", "."]
    spaced = [f"\u0120{syllable}" for syllable in _SYLLABLES]
    fillers = [f"<{place}>" for place in range(3 + extra)]
    names = [*letters, *_SYLLABLES, *spaced, *fillers[:3], *_SPECIAL, *fillers[3:]]
    merges = [*((one[0], one[1]) for one in _SYLLABLES), *(("\u0120", one) for one in _SYLLABLES)]
    core = Tokenizer(models.BPE({name: place for place, name in enumerate(names)}, merges))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    named = {"bos_token": made.start, "eos_token": made.end, "pad_token": made.pad, "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        padding_side=made.padding,
        model_max_length=96,
        **{key: value for key, value in named.items() if value is not None},
        **changes,
    ).save_pretrained(folder)


def document_texts(n: int, seed: int = 0) -> list[str]:
    """Texts of 4 to 17 words out of the first dozen, each likely to come again: there is something to learn."""
    generator = np.random.default_rng(seed)
    texts = []
    for place in range(n):
        words, word = [], int(generator.integers(12))
        for _ in range(MIN_TOKENS + place % 14):
            word = (word + 1) % 12 if generator.random() < 0.7 else int(generator.integers(12))
            words.append(WORDS[word])
        texts.append(" ".join(words))
    return texts


@cache
def corpus(n: int = 60, groups: int = 0) -> Path:
    """A folder of documents, with a column ``author`` of so many ``groups``, and a test split."""
    folder = Path(tempfile.mkdtemp(dir=_HOME, prefix="documents-"))
    for split, size, seed in (("train", n, 0), ("test", 12, 1)):
        rows: dict[str, Any] = {"text": document_texts(size, seed)}
        if groups:
            rows["author"] = [f"a{place % groups}" for place in range(size)]
        save_rows(folder, rows, split)
    return folder


@cache
def language_certificate(
    name: str = "llama", kind: str = "hashed", epochs: float = 4.0, groups: int = 0, test: bool = False
) -> Path:
    """The folder of a certificate on one of the checkpoints and :func:`corpus`."""
    out = Path(tempfile.mkdtemp(dir=_HOME, prefix="language-")) / f"{name}-{kind}"
    prior = Prior.from_pretrained(str(checkpoint(name)), task="text-generation")
    group = "author" if groups else None
    data = Documents.load(str(corpus(groups=groups)), group_column=group)
    certify_language(
        prior,
        data,
        out,
        quick(KINDS.get(kind), epochs),
        LanguageSettings(MAX_TOKENS, MIN_TOKENS),
        kind="prompt" if kind == "prompt" else None,
        test=data.other_split("test") if test else None,
        progress=False,
    )
    return out
