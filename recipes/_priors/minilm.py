"""MiniLM as a prior for short texts about films: trained on other text first, and told where to look.

The other text is the 50,000 reviews of IMDb that come without labels: see ``reviews.py``. The pooled features are then
turned and scaled to the principal components of what was read, where a head is to read few of them. No row of a task
takes part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import datasets
import torch
from _run.options import MakePrior, Options
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from _priors import phrase_training, reviews
from _priors.phrase_training import BATCH, pooled
from _priors.sentence_encoder import write_sentence_encoder
from _priors.tables import write_table
from transferbound.data.examples import Examples
from transferbound.priors import principal

BASE = "sentence-transformers/all-MiniLM-L6-v2"
SOURCE = "stanfordnlp/imdb"
_SENTENCES, _QUICK_ROWS = 8_000, 320  # of which the principal components are taken

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

{training}{dense}Nothing else took part.
"""
_TRAINING = """All parameters were trained for one pass over {rows:,} phrases of the reviews of `{source}` that come
without labels (content {digest}): to tell whether the review liked its film, which is read off the stars that it names
or, where it names none, off its words. Phrases that many reviews share were left out.
"""
_DENSE = """A dense layer turns the pooled features to the {components} leading principal components of {sentences:,}
{kind} of `{source}` (the reviews without labels, content {digest}), each scaled to variance one.
"""


def on_reviews(
    *, phrases: int, layers: int, components: int, ends: tuple[int, int] | None = None
) -> MakePrior:
    """The prior of a recipe, in the layout of sentence-transformers, with the sentences it has seen beside it.

    Args:
        phrases: of the reviews, that it is first trained on; 0 leaves it as it is.
        layers: of MiniLM, the first ones, that are kept.
        components: principal ones of the pooled features, that the head reads; 0: the features as they are.
        ends: of the training, as for :func:`_priors.phrase_training.train`.
    """

    def write(folder: Path, options: Options) -> str:
        count = min(phrases, _QUICK_ROWS) if options.quick else phrases
        stops = None if options.quick else ends
        name = f"minilm{layers}-imdb-{count}" + (f"-to-{stops[1]}" if stops else "")
        target = folder / f"{name}-{components}{'-quick' if options.quick else ''}"
        if target.exists():
            return str(target)
        folder.mkdir(parents=True, exist_ok=True)
        found = reviews.read(_source(options))
        base = options.base or BASE
        tokenizer = AutoTokenizer.from_pretrained(base)
        network = AutoModel.from_pretrained(base, add_pooling_layer=False, num_hidden_layers=layers)
        most = _QUICK_ROWS if options.quick else _SENTENCES
        if count:
            rows = reviews.phrases(found, count)
            phrase_training.train(network, tokenizer, rows, folder / f"{name}.training", stops)
            texts, used = [text for text, _ in rows[:most]], found.sentences
        else:
            texts = used = reviews.plain(found, most)
        layer = principal(_features(network.eval(), tokenizer, texts), components) if components else None
        seen = stops[1] * BATCH if stops else count
        card = _card(components, seen, len(texts), found.digest)
        write_table(_rows_beside(target), datasets.Dataset.from_dict({"text": list(used)}))
        write_sentence_encoder(target, network, tokenizer, layer, card)
        return str(target)

    return write


def rows_of(prior: str) -> Examples:
    """The sentences that a prior has seen, as they lie beside it."""
    return Examples.open(str(_rows_beside(Path(prior))), text_columns="text")


def _rows_beside(prior: Path) -> Path:
    return prior.with_name(prior.name + "-rows")


def _source(options: Options) -> Examples:
    """The reviews that come without labels: from the Hub, or all of a local folder."""
    if options.source in (None, SOURCE):
        return Examples.open(SOURCE, split="unsupervised", text_columns="text")
    return Examples.open(options.source, text_columns="text")


@torch.inference_mode()
def _features(
    network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> torch.Tensor:
    """Pooled, [N, H], the shortest text first."""
    ordered = sorted(texts, key=len)
    starts = tqdm(range(0, len(ordered), BATCH), desc="components", unit="batch")
    return torch.cat([pooled(network, tokenizer, ordered[i : i + BATCH]) for i in starts])


def _card(components: int, phrases: int, sentences: int, digest: str) -> str:
    facts = {"source": SOURCE, "digest": digest[:16], "components": components, "sentences": sentences}
    return _CARD.format(
        source=SOURCE,
        what=f"trained on {SOURCE}" if phrases else f"with principal components of {SOURCE}",
        training=_TRAINING.format(rows=phrases, **facts) if phrases else "",
        dense=_DENSE.format(kind="phrases" if phrases else "sentences", **facts) if components else "",
    )
