"""Bounds for language models side by side, on the same two nested messages and the same documents.

    python benchmarks/language_bounds.py --prior stories260K --dataset imdb_unsup [--documents 8000] [--tokens 32]

The first message adds a number to each token's logit; the second one, nested, a linear map of a few fixed random
projections of the last hidden state. Both are trained on the documents, rounded, and priced as integers by the code
of messages. The population is documents of at least ``--tokens`` tokens, cut there, after a start of text.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import datasets
import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from transferbound.bounds import (
    ExcessBound,
    Mixture,
    chain,
    chained_excess,
    document_means,
    floored,
    floored_top,
    occam_excess,
    token_smoothed,
)
from transferbound.message import Header, message_bits

DELTA = 0.05
LEVELS, STEP, PROJECTIONS = 31, 0.15, 8
ALPHAS = [2.0**-k for k in range(1, 9)]
MIXTURE, LATER, SWITCHING = Mixture(2.0**-6), Mixture(2.0**-2), Mixture(2.0**-6, 2.0**-9)


@dataclass(frozen=True)
class Texts:
    """Hidden states [documents, tokens, hidden], the tokens that follow them [documents, tokens], the output map."""

    hidden: Tensor
    tokens: Tensor
    head: Tensor


@torch.no_grad()
def read(prior: str, dataset: str, documents: int, length: int) -> Texts:
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(prior).eval(),
        AutoTokenizer.from_pretrained(prior),
    )
    start, rows = model.config.bos_token_id, []
    for text in datasets.load_dataset(dataset, split="train")["text"]:
        ids = tokenizer(text, add_special_tokens=False, truncation=True, max_length=length)["input_ids"]
        if len(ids) == length:
            rows.append([start, *ids])
        if len(rows) == documents:
            break
    ids = torch.tensor(rows)
    hidden = torch.cat([model.model(part[:, :-1]).last_hidden_state for part in ids.split(250)])
    return Texts(hidden, ids[:, 1:], model.get_output_embeddings().weight.detach())


class Shift:
    """What is added to the logits: a number for each token, and with ``projections`` a linear map of those."""

    def __init__(self, texts: Texts, projections: int) -> None:
        self.texts = texts
        random = torch.from_numpy(
            np.random.default_rng(7).standard_normal((texts.hidden.shape[2], projections))
        )
        self.map = (random / (texts.hidden.shape[2] ** 0.5 * 2.0)).float()
        self.values = torch.zeros(1 + projections, len(texts.head))

    def log2(self, documents: slice | Tensor, values: Tensor) -> Tensor:
        """log2 of the probability of each token of these documents."""
        hidden = self.texts.hidden[documents]
        logits = hidden @ self.texts.head.T + values[0]
        if len(values) > 1:
            logits = logits + (hidden @ self.map) @ values[1:]
        ids = self.texts.tokens[documents].unsqueeze(-1)
        return logits.log_softmax(-1).gather(-1, ids).squeeze(-1) / float(np.log(2.0))

    def train(self, penalty: float, steps: int, frozen: int = 0) -> Tensor:
        """Adam on the loss and a price for values that are not zero; then rounded. The first ``frozen`` rows stay."""
        free = self.values[frozen:].clone().requires_grad_()
        optimizer = torch.optim.Adam([free], lr=0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        order = torch.Generator().manual_seed(0)
        for _ in range(steps):
            batch = torch.randint(len(self.texts.tokens), (250,), generator=order)
            optimizer.zero_grad()
            loss = (
                -self.log2(batch, torch.cat([self.values[:frozen], free])).mean() + penalty * free.abs().sum()
            )
            loss.backward()
            optimizer.step()
            schedule.step()
        limit = LEVELS // 2
        self.values[frozen:] = (free.detach() / STEP).round().clamp(-limit, limit) * STEP
        return (self.values / STEP).round().int()

    @torch.no_grad()
    def scores(self) -> np.ndarray:
        parts = torch.arange(len(self.texts.tokens)).split(250)
        return torch.cat([self.log2(part, self.values) for part in parts]).double().numpy()


def price(integers: Tensor) -> float:
    symbols = integers.flatten().numpy()
    return message_bits(Header("hashed", len(symbols), levels=LEVELS), symbols)


def report(texts: Texts, first_penalty: float, second_penalty: float, steps: int) -> None:
    n, length = texts.tokens.shape
    vocabulary = len(texts.head)
    prior = floored(Shift(texts, 0).scores(), vocabulary)
    losses, prior_top = document_means(prior), floored_top(vocabulary, length)
    one = Shift(texts, 0)
    one_bits = price(one.train(first_penalty, steps))
    two = Shift(texts, PROJECTIONS)
    two.values[:1] = one.values
    added = two.train(second_penalty, steps, frozen=1)[1:]
    bits = [one_bits, one_bits + price(added)]
    models = [one.scores(), two.scores()]
    print(
        f"{n:,} documents of {length} tokens; prior {losses.mean():.3f} bits a token; {1 - DELTA:.0%} confidence"
    )
    for name, model, size in (("first message", models[0], bits[0]), ("both messages", models[1], bits[1])):
        print(f"{name}: {size:,.0f} bits, loss {document_means(model).mean():.3f}")
        for form, found in token_smoothed(model, ALPHAS, vocabulary, size, DELTA).items():
            print(f"  {form:28s} {found.bound:7.3f}")
        for form, mixture in (("excess", MIXTURE), ("excess, switching", SWITCHING)):
            excess = mixture.excess(model, prior)
            show(form, occam_excess(excess, losses, mixture.top(length, length), prior_top, size, DELTA))
    for form, mixture in (("chain of both", MIXTURE), ("chain of both, switching", SWITCHING)):
        levels, _ = chain([mixture, LATER], models, bits, prior, None, length, length)
        show(form, chained_excess(levels, losses, prior_top, DELTA))


def show(form: str, found: ExcessBound) -> None:
    print(f"  {form:28s} {found.risk:7.3f}   excess {found.excess:+.3f}, prior's risk {found.prior_risk:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Bounds for language models side by side.")
    parser.add_argument("--prior", required=True, help="causal language model, folder or Hub id")
    parser.add_argument("--dataset", required=True, help="texts in the column `text`, folder or Hub id")
    parser.add_argument("--documents", type=int, default=8000, help="at most so many")
    parser.add_argument("--tokens", type=int, default=32, help="tokens of each")
    parser.add_argument(
        "--penalties", type=float, nargs=2, default=(0.001, 0.001), help="prices of the messages"
    )
    parser.add_argument("--steps", type=int, default=300, help="steps of training, for each message")
    arguments = parser.parse_args()
    start = time.perf_counter()
    texts = read(arguments.prior, arguments.dataset, arguments.documents, arguments.tokens)
    report(texts, *arguments.penalties, arguments.steps)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
