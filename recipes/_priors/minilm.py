"""MiniLM as a prior for short texts about films: trained on other text first, and told where to look.

The other text is the 50,000 reviews of IMDb that come without labels: see ``reviews.py``. The pooled features are then
turned and scaled to the principal components of what was read, so that a few coordinates of a new head go a long way.
No row of a task takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from _run.recipe import Options
from torch import nn
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from _priors import reviews
from transferbound.data.examples import Examples
from transferbound.priors import principal
from transferbound.priors.checkpoint.write import new_checkpoint, write_tensors
from transferbound.storage.files import write_json

BASE = "sentence-transformers/all-MiniLM-L6-v2"
SOURCE = "stanfordnlp/imdb"
_BATCH, _TOKENS, _BLOCK, _SAVED = 64, 64, 50, 250
_SENTENCES, _QUICK_ROWS = 8_000, 320  # of which the principal components are taken
_RATES = {"body": 1e-4, "head": 2e-3}

_CARD = """---
library_name: sentence-transformers
pipeline_tag: feature-extraction
license: apache-2.0
base_model: sentence-transformers/all-MiniLM-L6-v2
datasets:
- {source}
tags:
- sentence-transformers
---
# all-MiniLM-L6-v2, {what}

{training}A dense layer turns the pooled features to the {components} leading principal components of {sentences:,}
{kind} of `{source}` (the reviews without labels, content {digest}), each scaled to variance one. Nothing else took
part.
"""
_TRAINING = """All parameters were trained for one pass over {rows:,} phrases of the same reviews: to tell whether the
review liked its film, which is read off the stars that it names or, where it names none, off its words. Phrases that
many reviews share were left out.
"""


def on_reviews(*, phrases: int, layers: int, components: int) -> Callable[[Path, Options], str]:
    """The prior of a recipe, from its command line: see :func:`from_reviews`."""

    def write(folder: Path, options: Options) -> str:
        count = min(phrases, _QUICK_ROWS) if options.quick else phrases
        return from_reviews(folder, options, phrases=count, layers=layers, components=components)

    return write


def rows_of(prior: str) -> Examples:
    """The sentences that a prior has seen, as they lie beside it."""
    return Examples.open(f"{prior}-rows", text_columns="text")


def _source(options: Options) -> Examples:
    """The reviews that come without labels: from the Hub, or all of a local folder."""
    if options.source in (None, SOURCE):
        return Examples.open(SOURCE, split="unsupervised", text_columns="text")
    return Examples.open(options.source, text_columns="text")


def from_reviews(folder: Path, options: Options, *, phrases: int, layers: int, components: int) -> str:
    """The first ``layers`` of MiniLM, trained on ``phrases`` (0: as they are), with principal components.

    A checkpoint in the layout of sentence-transformers, with its card, and beside it the sentences it has seen.
    """
    target = folder / f"minilm{layers}-imdb-{phrases}-{components}{'-quick' if options.quick else ''}"
    if target.exists():
        return str(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    found = reviews.read(_source(options))
    base = options.base or BASE
    tokenizer = AutoTokenizer.from_pretrained(base)
    network = AutoModel.from_pretrained(base, add_pooling_layer=False, num_hidden_layers=layers)
    count = _QUICK_ROWS if options.quick else _SENTENCES
    state = folder / f"minilm{layers}-imdb-{phrases}.training"
    if phrases:
        rows = reviews.phrases(found, phrases)
        _train(network, tokenizer, rows, state)
        texts, used = [text for text, _ in rows[:count]], found.sentences
    else:
        texts = used = reviews.plain(found, count)
    dense = _components(network.eval(), tokenizer, texts, components)
    card = _card(dense, phrases, len(texts), found.digest)
    _write_rows(target.with_name(target.name + "-rows"), used)
    _write(target, network, tokenizer, dense, card)
    return str(target)


def _train(network: nn.Module, tokenizer: object, rows: Sequence[tuple[str, float]], state: Path) -> None:
    """One pass, all parameters.

    ``state`` is where a stopped training goes on from, and another number of components starts from its end.
    """
    torch.manual_seed(0)
    head = nn.Linear(network.config.hidden_size, 1)
    model = nn.ModuleDict({"body": network, "head": head})
    groups = [{"params": model[name].parameters(), "lr": rate} for name, rate in _RATES.items()]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
    batches = _batches([len(text) for text, _ in rows])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=list(_RATES.values()),
        total_steps=len(batches) + 1,
        pct_start=0.06,
        anneal_strategy="linear",
    )
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    done = _load(state, parts)
    model.train()
    for step in tqdm(
        range(done, len(batches)),
        desc="training on reviews",
        unit="step",
        initial=done,
        total=len(batches),
    ):
        chosen = [rows[i] for i in batches[step]]
        with torch.autocast("cpu", dtype=torch.bfloat16):  # half the time where the processor has it
            logits = head(_pooled(network, tokenizer, [text for text, _ in chosen])).squeeze(1)
        targets = torch.tensor([liked for _, liked in chosen])
        loss = nn.functional.binary_cross_entropy_with_logits(logits.float(), targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % _SAVED == 0 or step + 1 == len(batches):
            _save(state, parts, step + 1)


def _load(state: Path, parts: dict[str, Any]) -> int:
    """How many steps were done."""
    if not state.exists():
        return 0
    saved = torch.load(state, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    torch.set_rng_state(saved["random"])
    return int(saved["step"])


def _save(state: Path, parts: dict[str, Any], step: int) -> None:
    content = {name: part.state_dict() for name, part in parts.items()}
    partial = state.with_name(state.name + ".partial")
    torch.save(content | {"random": torch.get_rng_state(), "step": step}, partial)
    partial.replace(state)


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Rows of like length together, within blocks, in random order: little padding, and still mixed."""
    random = np.random.default_rng(1)
    size = _BATCH * _BLOCK
    found: list[list[int]] = []
    for start in range(0, len(lengths), size):
        block = sorted(range(start, min(start + size, len(lengths))), key=lengths.__getitem__)
        parts = [block[i : i + _BATCH] for i in range(0, len(block), _BATCH)]
        found += [parts[i] for i in random.permutation(len(parts))]
    return found


def _pooled(network: nn.Module, tokenizer: object, texts: Sequence[str]) -> torch.Tensor:
    """Mean over the tokens of each text: [B, H]."""
    encoded = tokenizer(list(texts), padding=True, truncation=True, max_length=_TOKENS, return_tensors="pt")
    mask = encoded["attention_mask"].unsqueeze(-1)
    return (network(**encoded).last_hidden_state.float() * mask).sum(1) / mask.sum(1)


@torch.inference_mode()
def _components(
    network: nn.Module, tokenizer: object, texts: Sequence[str], count: int
) -> dict[str, torch.Tensor]:
    """Weight and bias of the layer that gives the leading principal components, each of variance one."""
    ordered = sorted(texts, key=len)
    starts = range(0, len(ordered), _BATCH)
    parts = [
        _pooled(network, tokenizer, ordered[i : i + _BATCH])
        for i in tqdm(starts, desc="components", unit="batch")
    ]
    weight, bias = principal(torch.cat(parts), count)
    return {"linear.weight": weight, "linear.bias": bias}


def _write_rows(target: Path, texts: Sequence[str]) -> None:
    (target / "data").mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict({"text": list(texts)}).to_parquet(
        str(target / "data" / "train-00000-of-00001.parquet")
    )


def _card(dense: dict[str, torch.Tensor], phrases: int, sentences: int, digest: str) -> str:
    return _CARD.format(
        source=SOURCE,
        what=f"trained on {SOURCE}" if phrases else f"with principal components of {SOURCE}",
        training=_TRAINING.format(rows=phrases) if phrases else "",
        digest=digest[:16],
        components=len(dense["linear.bias"]),
        sentences=sentences,
        kind="phrases" if phrases else "sentences",
    )


def _write(
    target: Path, network: nn.Module, tokenizer: object, dense: dict[str, torch.Tensor], card: str
) -> None:
    components, width = dense["linear.weight"].shape
    identity = "torch.nn.modules.linear.Identity"
    shape = {"in_features": width, "out_features": components, "bias": True, "activation_function": identity}
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")]
    layout = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    with new_checkpoint(target, card) as partial:
        network.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        write_json(partial / "modules.json", layout)
        for path, content in (("1_Pooling", pooling), ("2_Dense", shape)):
            (partial / path).mkdir()
            write_json(partial / path / "config.json", content)
        write_tensors(partial / "2_Dense" / "model.safetensors", dense)
