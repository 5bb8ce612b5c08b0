"""What Markov chains of tokens, coded whole, certify of the same documents: the cheap baseline of a language model.

    python benchmarks/markov_chains.py --prior stories260K --dataset imdb_unsup [--max-tokens 64]

Nothing of the checkpoint but its tokenizer is used; what is mixed in is the uniform distribution. A chain of order 0
is a number for each token, in halves of a bit; one of order k corrects that of order k - 1 after the k tokens before,
where a correction saves more on the documents than ``price`` bits for each bit of the message. All numbers are
coded by the code of messages, whole tables with their zeros. The population is documents of at least
``--max-tokens`` tokens, cut there.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transferbound import Documents, Prior
from transferbound.bounds import Level, Mixture, chain, chained_excess
from transferbound.data.encoded_documents import encode_documents
from transferbound.message import Header, message_bits
from transferbound.priors import DocumentPreprocessing

DELTA = 0.05
LEVELS = 31
MOST = LEVELS // 2
PRICES = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
FIRST, LATER = Mixture(2.0**-8), Mixture(2.0**-3)
CHOICE_BITS = math.log2(len(PRICES) * 3)
"""Which price and order is reported was seen on the documents."""

_A_CORRECTION = 8.0  # bits, about
_LEAST = 250  # times that two tokens stand together, for what follows to be looked at

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """A chain: log2 of the probability of every token of the documents [n, L], and the bits of what it adds."""

    log2: Floats
    bits: float


def bits_of(symbols: Ints) -> float:
    flat = symbols.ravel()
    levels = LEVELS if np.abs(flat).max(initial=0) > 1 else 3
    return message_bits(Header("hashed", len(flat), levels=levels), flat)


def normalized(log2: Floats) -> Floats:
    return log2 - np.logaddexp2.reduce(log2, axis=-1, keepdims=True)


def corrections(counts: Floats, base: Floats, price: float) -> Ints:
    """Halves of a bit to add to ``base``, log2 probabilities, where ``counts`` pay for it; all [contexts, V]."""
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        ideal = 2.0 * (np.log2(counts) - np.log2(np.maximum(total, 1.0)) - base)
    halves = np.clip(np.rint(ideal), -MOST, MOST)
    saved = counts * halves / 2.0 - total * np.exp2(base) * (np.exp2(halves / 2.0) - 1.0) / math.log(2.0)
    return np.where(saved > price * _A_CORRECTION, halves, 0.0).astype(np.int64)


class Chains:
    """Chains of order 0, 1 and 2 on the same documents.

    Attributes:
        tokens: int64 [n, L]; before: int64 [n, L], the token before each, V at the start.
    """

    def __init__(self, tokens: Ints, vocabulary: int) -> None:
        self.tokens, self.vocabulary = tokens, vocabulary
        start = np.full((len(tokens), 1), vocabulary)
        self.before = np.concatenate([start, tokens[:, :-1]], axis=1)
        self.pairs = np.concatenate([start, self.before[:, :-1]], axis=1) * (vocabulary + 1) + self.before

    def fitted(self, price: float) -> list[Fitted]:
        """Order 0, 1 and 2."""
        v = self.vocabulary
        counts = np.bincount(self.tokens.ravel(), minlength=v) + 0.5
        halves = np.clip(np.rint(-2.0 * np.log2(counts / counts.sum())), 0, LEVELS - 1).astype(np.int64)
        zero = normalized(-halves / 2.0)
        found = [Fitted(zero[self.tokens], bits_of(halves - MOST))]
        flat = np.bincount((self.before * v + self.tokens).ravel(), minlength=(v + 1) * v)
        base = np.broadcast_to(zero, (v + 1, v))
        added = corrections(flat.reshape(v + 1, v).astype(np.float64), base, price)
        one = normalized(base + added / 2.0)
        found.append(Fitted(one[self.before, self.tokens], bits_of(added)))
        return [*found, self._second(one, found[-1].log2, price)]

    def _second(self, one: Floats, log2: Floats, price: float) -> Fitted:
        """A flag for every pair of tokens, and a row of corrections for those that have one."""
        v = self.vocabulary
        often = np.flatnonzero(np.bincount(self.pairs.ravel(), minlength=(v + 1) ** 2) >= _LEAST)
        place = np.full((v + 1) ** 2, -1)
        place[often] = np.arange(len(often))
        row = place[self.pairs]
        inside = row >= 0
        counts = np.bincount(row[inside] * v + self.tokens[inside], minlength=len(often) * v)
        base = one[often % (v + 1)]
        added = corrections(counts.reshape(-1, v).astype(np.float64), base, price)
        used = added.any(axis=1)
        flags = np.zeros((v + 1) ** 2, dtype=np.int64)
        flags[often[used]] = 1
        result = log2.copy()
        result[inside] = normalized(base + added / 2.0)[row[inside], self.tokens[inside]]
        bits = bits_of(flags) + (bits_of(added[used]) if used.any() else 0.0)
        return Fitted(result, bits)


def report(tokens: Ints, vocabulary: int) -> None:
    n, length = tokens.shape
    print(f"{n:,} documents of {length} tokens; vocabulary {vocabulary}; {1 - DELTA:.0%} confidence")
    print(f"{'price':>6} {'order':>5} {'bits':>9} {'training loss':>13} {'bound':>7}")
    uniform = np.full(tokens.shape, -math.log2(vocabulary))
    losses, top = np.full(n, math.log2(vocabulary)), math.log2(vocabulary)
    chains = Chains(tokens, vocabulary)
    for price in PRICES:
        fitted = chains.fitted(price)
        bits = np.cumsum([one.bits for one in fitted]) + CHOICE_BITS
        mixtures = [FIRST, LATER, LATER]
        models = [one.log2 for one in fitted]
        levels, _ = chain(mixtures, models, [float(b) for b in bits], uniform, None, length, length)
        for order, model in enumerate(models):
            bound = bound_of(levels[: order + 1], losses, top)
            print(f"{price:6.0f} {order:5d} {bits[order]:9,.0f} {-model.mean():13.3f} {bound:7.3f}")


def bound_of(levels: list[Level], losses: Floats, top: float) -> float:
    """Bits per token; the uniform distribution's own loss is known, and its half of delta is not used."""
    return chained_excess(levels, losses, top, DELTA, most_levels=3).excess + top


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--prior", required=True, help="causal language model whose tokenizer is used")
    parser.add_argument("--dataset", required=True, help="documents, folder or Hub id")
    parser.add_argument("--max-tokens", type=int, default=64, help="tokens of each")
    arguments = parser.parse_args()
    started = time.perf_counter()
    length = arguments.max_tokens
    prior = Prior.from_pretrained(arguments.prior, task="text-generation")
    preprocessing = prior.preprocessing(length)
    assert isinstance(preprocessing, DocumentPreprocessing)
    encoded = encode_documents(
        preprocessing, Documents.load(arguments.dataset), min_tokens=length, progress=True
    )
    tokens = np.stack([encoded.tokens_of(index)[-length:] for index in range(encoded.n)])
    report(tokens, preprocessing.vocabulary)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
