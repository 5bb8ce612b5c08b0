"""MiniLM as a prior for short texts about films: trained on other text first, and told where to look.

The other text is the 50,000 reviews of IMDb that come without labels. Its sentences are labelled by rules that were
written from the descriptions of the data sets alone: what the review's own stars say of its opinions ("8/10"), and
which sentences tell the plot. The pooled features are then turned and scaled to the principal components of review
sentences, so that a few coordinates of a new head go a long way. No row of a task takes part.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from _recipe import Options
from safetensors.torch import save_file
from torch import nn
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from transferbound.data import Examples
from transferbound.errors import DataError

BASE = "sentence-transformers/all-MiniLM-L6-v2"
SOURCE = "stanfordnlp/imdb"
#: The trainings that were tried by hand: none, on the stars of reviews and on news, on plots alone, and as here. A
#: message that starts from one of them pays log2 of their number.
TRAININGS = ("none", "stars and news", "plots", "reviews")
_COUNTS = (3, 5, 10, 20, 40, 64, 80, 150)
_CANDIDATES = 128
"""The trainings, and what was looked at for components: each of seven layers, three of them by their maximum, and five
concatenations, with ``_COUNTS`` components."""
_CLASSES = ("plot", "negative", "positive")
_ROWS, _QUICK_ROWS, _BATCH, _TOKENS, _BLOCK = 48_000, 320, 32, 64, 50
_FEWEST, _SENTENCES = 128, 8_000  # of which the principal components are taken
_RATES = {"body": 1e-4, "head": 2e-3}

_STARS = re.compile(r"(?<![\d/.])(10|[0-9](?:\.\d)?)\s*(?:/|out of)\s*(?:10|ten)\b", re.IGNORECASE)
_BREAK = re.compile(r"(?<=[.!?;])\s+|<br />|\s-+\s")
_OPINION = re.compile(
    r"\b(i|i'm|i've|me|my|you|your|we|our|us|films?|movies?|flicks?|acting|actors?|actress(?:es)?|directors?|"
    r"directed|direction|performances?|scripts?|screenplay|cinema|cinematography|scenes?|watch(?:ed|ing|able)?|"
    r"viewers?|audiences?|plots?|characters?|story|stories|comedy|horror|thriller|drama|dialogue|sequel|"
    r"hollywood|effects|soundtrack|casts?|ending|entertaining|boring|funny)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(r"\b(he|she|they|his|her|their|him|them|himself|herself|who|whose)\b", re.IGNORECASE)

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
sentences of `{source}` (the reviews without labels, content {digest}), each scaled to variance one. Nothing else took
part.
"""
_TRAINING = """All parameters were trained for one pass over {rows:,} sentences and clauses of the same reviews. Each is
labelled by a rule: {plot:,} as telling the plot, the others as negative or positive by the stars that the review names.
"""


@dataclass(frozen=True)
class _Sentences:
    """Sentences with the number of their rule's class, and plain ones for the principal components."""

    rows: list[tuple[str, int]]
    plain: list[str]
    used: list[str]
    digest: str


def on_reviews(folder: Path, options: Options) -> str:
    """The prior of a recipe, from its command line: trained on reviews."""
    rows = _QUICK_ROWS if options.quick else _ROWS
    return from_reviews(folder, options, rows=rows, layers=6, components=64)


def variant(layers: int, components: int) -> dict[str, int]:
    """The arguments of ``CertifySettings`` that pay for the choice of layers and components."""
    candidate = len(TRAININGS) + layers * len(_COUNTS) + _COUNTS.index(components)
    return {"candidate": candidate, "candidates": _CANDIDATES}


def on_components(layers: int, components: int) -> Callable[[Path, Options], str]:
    """The prior of a recipe, from its command line: its first layers, with principal components of reviews."""
    return lambda folder, options: from_reviews(folder, options, rows=0, layers=layers, components=components)


def rows_of(prior: str) -> Examples:
    """The sentences that a prior was trained on, unmasked, as they lie beside it."""
    return Examples.open(f"{prior}-rows", text_columns="text")


def _reviews(options: Options) -> Examples:
    """The reviews that come without labels: from the Hub, or all of a local folder."""
    if options.source in (None, SOURCE):
        return Examples.open(SOURCE, split="unsupervised", text_columns="text")
    return Examples.open(options.source, text_columns="text")


def from_reviews(folder: Path, options: Options, *, rows: int, layers: int, components: int) -> str:
    """The first ``layers`` of MiniLM, trained on ``rows`` sentences (0: as they are), with principal components.

    A checkpoint in the layout of sentence-transformers, with its card, and beside it the sentences it has seen.
    """
    target = folder / f"minilm{layers}-imdb-{rows}-{components}{'-quick' if options.quick else ''}"
    if target.exists():
        return str(target)
    sentences = _read(_reviews(options), rows, _QUICK_ROWS if options.quick else _SENTENCES)
    base = options.base or BASE
    tokenizer = AutoTokenizer.from_pretrained(base)
    network = AutoModel.from_pretrained(base, add_pooling_layer=False, num_hidden_layers=layers)
    if rows:
        _train(network, tokenizer, sentences.rows)
    dense = _components(network.eval(), tokenizer, sentences.plain, components)
    _write_rows(target.with_name(target.name + "-rows"), sentences.used)
    _write(target, network, tokenizer, dense, sentences)
    return str(target)


def _read(source: Examples, count: int, plain_count: int) -> _Sentences:
    random = np.random.default_rng(0)
    opinions: list[tuple[str, int]] = []
    plots: list[str] = []
    plain: list[str] = []
    digest = hashlib.sha256()
    for (text,) in tqdm(source.text_rows(), total=source.n, desc="reading reviews", unit="review"):
        digest.update(text.encode() + b"\0")
        liked = _liked(text)
        for sentence in _sentences(text):
            words = len(sentence.split())
            if _tells_plot(sentence, words):
                plots.append(sentence)
            elif liked is not None:
                parts = _clauses(sentence) if random.random() < 0.5 else [sentence]
                opinions += [(part, 1 + liked) for part in parts]
            if words >= 8:
                plain.append(sentence)
    kept = [opinions[i] for i in random.permutation(len(opinions))[: count * 3 // 4]]
    kept += [(plots[i], 0) for i in random.permutation(len(plots))[: count // 4]]
    rows = [(_masked(sentence, random), label) for sentence, label in kept]
    if len(plain) < _FEWEST or (count and not kept):
        raise DataError(
            f"{source.name} has {len(plain)} sentences and {len(kept)} with a label: too few to train on"
        )
    chosen = [plain[i] for i in random.permutation(len(plain))[:plain_count]]
    rows = [rows[i] for i in random.permutation(len(rows))]
    used = [sentence for sentence, _ in kept] + chosen
    return _Sentences(rows, chosen, used, digest.hexdigest())


def _liked(review: str) -> int | None:
    """1 or 0 by the stars that the writer gives, where there is one figure and it is clear."""
    stars = {float(found) for found in _STARS.findall(review)}
    if len(stars) != 1:
        return None
    value = stars.pop()
    return 1 if value >= 7 else 0 if value <= 4 else None


def _sentences(review: str) -> Iterator[str]:
    for part in _BREAK.split(review):
        sentence = " ".join(part.split())
        if 4 <= len(sentence.split()) <= 45 and not _STARS.search(sentence):
            yield sentence


def _clauses(sentence: str) -> list[str]:
    return [part.strip() for part in sentence.split(",") if len(part.split()) >= 3]


def _tells_plot(sentence: str, words: int) -> bool:
    about_people = _PERSON.search(sentence) is not None and sentence.endswith(".")
    return words >= 8 and about_people and not _OPINION.search(sentence)


def _masked(sentence: str, random: np.random.Generator) -> str:
    """Half of the time without the words that the rule goes by, or they would be all that is learned."""
    if random.random() < 0.5:
        return sentence
    return _PERSON.sub("[MASK]", _OPINION.sub("[MASK]", sentence))


def _train(network: nn.Module, tokenizer: object, rows: Sequence[tuple[str, int]]) -> None:
    torch.manual_seed(0)
    head = nn.Linear(network.config.hidden_size, len(_CLASSES))
    groups = [
        {"params": part.parameters(), "lr": _RATES[name]}
        for name, part in (("body", network), ("head", head))
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    batches = _batches([len(text) for text, _ in rows])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=list(_RATES.values()),
        total_steps=len(batches),
        pct_start=0.1,
        anneal_strategy="linear",
    )
    network.train()
    for batch in tqdm(batches, desc="training on reviews", unit="step"):
        logits = head(_pooled(network, tokenizer, [rows[i][0] for i in batch]))
        loss = nn.functional.cross_entropy(logits, torch.tensor([rows[i][1] for i in batch]))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()


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
    return (network(**encoded).last_hidden_state * mask).sum(1) / mask.sum(1)


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
    features = torch.cat(parts).double()
    mean = features.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((features - mean).T))
    leading = vectors[:, -count:].flip(1) / values[-count:].flip(0).sqrt()
    return {"linear.weight": leading.T.float().contiguous(), "linear.bias": -(mean @ leading).float()}


def _write_rows(target: Path, texts: Sequence[str]) -> None:
    (target / "data").mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict({"text": list(texts)}).to_parquet(
        str(target / "data" / "train-00000-of-00001.parquet")
    )


def _write(
    target: Path, network: nn.Module, tokenizer: object, dense: dict[str, torch.Tensor], sentences: _Sentences
) -> None:
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    network.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")]
    layout = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(modules)
    ]
    components, width = dense["linear.weight"].shape
    identity = "torch.nn.modules.linear.Identity"
    shape = {"in_features": width, "out_features": components, "bias": True, "activation_function": identity}
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
    for path, content in (
        ("modules.json", layout),
        ("1_Pooling/config.json", pooling),
        ("2_Dense/config.json", shape),
    ):
        (partial / path).parent.mkdir(exist_ok=True)
        (partial / path).write_text(json.dumps(content, indent=2), encoding="utf-8")
    save_file(dense, str(partial / "2_Dense" / "model.safetensors"), metadata={"format": "pt"})
    rows = len(sentences.rows)
    plot = sum(label == 0 for _, label in sentences.rows)
    card = _CARD.format(
        source=SOURCE,
        what=f"trained on {SOURCE}" if rows else f"with principal components of {SOURCE}",
        training=_TRAINING.format(rows=rows, plot=plot) if rows else "",
        digest=sentences.digest[:16],
        components=components,
        sentences=len(sentences.plain),
    )
    (partial / "README.md").write_text(card, encoding="utf-8")
    partial.rename(target)
