"""Small checkpoints and data sets as people have them, after public bug reports; all random, made in moments."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from conftest import _HOME, save_rows, save_timm
from PIL import Image

__all__ = ["Told", "bert", "inside", "pictures_in_folders", "small_timm", "told", "word_tokenizer"]


class Told:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def line(self) -> str:
        """The one line on standard error."""
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """With ``folder`` as the working directory."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def told(folder: Path, capsys: Any, *arguments: object) -> Told:
    """The command line in this process, inside ``folder``."""
    from spine_fixtures import here_cli

    capsys.readouterr()
    with inside(folder):
        code = here_cli(*arguments)
    out, err = capsys.readouterr()
    return Told(code, out, err)


def quick(prior: object, dataset: object, *more: object) -> list[object]:
    """The arguments of a run of a second."""
    fast = ("--epochs", 1, "--dim", 12, "--quiet", "--json")
    return ["bound", "--prior", prior, "--dataset", dataset, "--out", "out", *fast, *more]


@cache
def small_timm() -> Path:
    """timm's ``test_efficientnet`` of 3 classes, random weights."""
    return save_timm(
        Path(mkdtemp(dir=_HOME, prefix="case-timm-")) / "prior", "test_efficientnet", num_classes=3
    )


def word_tokenizer() -> Any:
    """Words of the tests' texts, with BERT's special tokens, and no limit of its own."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(20))]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(names)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(
        tokenizer_object=core, model_input_names=["input_ids", "attention_mask"], **special
    )


def bert(folder: Path, class_name: str = "BertModel", **changes: Any) -> Path:
    """A one-layer transformer of 16 dimensions; ``class_name`` is one of transformers'."""
    import transformers

    sizes = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 32, "max_position_embeddings": 40}
    network = getattr(transformers, class_name)
    config = network.config_class(**{**sizes, "num_hidden_layers": 1, "num_attention_heads": 2, **changes})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network(config).save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


@cache
def small_bert() -> Path:
    """A BERT encoder."""
    return bert(Path(mkdtemp(dir=_HOME, prefix="case-bert-")) / "bert")


def texts(folder: Path, n: int = 60, words: int = 6) -> Path:
    """Sentences of ``words`` words in two declared classes."""
    generator = np.random.default_rng(1)
    rows = {
        "text": [" ".join(f"w{w}" for w in generator.integers(0, 20, words)) for _ in range(n)],
        "label": [i % 2 for i in range(n)],
    }
    return save_rows(folder, rows)


def pictures_in_folders(
    folder: Path, n: int = 40, side: int = 28, name: Callable[[int], str] | None = None
) -> Path:
    """Grey pictures in the folders ``cat`` and ``dog``."""
    generator = np.random.default_rng(3)
    for number in range(n):
        place = folder / ("cat", "dog")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(place / (f"{number:03d}.png" if name is None else name(number)))
    return folder


def content_of(folder: Path) -> dict[str, Any]:
    """The certificate of the run inside ``folder``."""
    found: dict[str, Any] = json.loads((folder / "out" / "certificate.json").read_text(encoding="utf-8"))
    return found
