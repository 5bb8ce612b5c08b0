"""A prompt in place of a finetuning: tokens that stand before each document, found by search.

The message is the prompt, and its length is what the prior itself gives it: a natural sentence costs a few dozen bits.
Candidates are drawn from the prior and from the beginnings of documents, and changed token by token; each is judged by
what the bound would be. None of this is known to the decoder, and none of it is paid.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from transferbound.data.encoded_documents import EncodedDocuments
from transferbound.message.generation import MOST_PROMPT_TOKENS, prompt_length_bits
from transferbound.priors import LanguageModel, Prior
from transferbound.risks.bits_per_token import BitsPerToken

__all__ = ["search_prompt"]

_FIRST, _LEAST = 24, 4  # candidates at the start; how many are looked at however short the time is
_DOCUMENTS = (16, 64)  # on which a candidate is first judged, and those that look best once more
_KEPT = 4
_SHORTEST, _LONGEST = 2, 16  # tokens of a first candidate
_SHARE = 0.5  # of the time that is left when the search begins: scoring all documents comes after it
_BATCH = 8
_SEED = 0


@dataclass(frozen=True)
class _Candidate:
    """A prompt, its bits, and about what the excess bound would be with it, in bits per token."""

    tokens: tuple[int, ...]
    bits: float
    value: float


def search_prompt(
    prior: Prior, data: EncodedDocuments, risk: BitsPerToken, delta: float, deadline: float, progress: bool
) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The prompt with the smallest bound that was found in the time, and what is told of the search.

    Args:
        prior: the language model.
        data: the documents.
        risk: what is bounded.
        delta: its failure probability.
        deadline: ``time.monotonic()`` by which all should be done, scoring all documents included.
        progress: show a progress bar.
    """
    search = _Search(prior, data, risk, delta)
    until = time.monotonic() + _SHARE * max(deadline - time.monotonic(), 0.0)
    best: list[_Candidate] = []
    with tqdm(desc="searching prompts", unit="prompt", disable=not progress, leave=False) as bar:
        for count, tokens in enumerate(search.proposals(best)):
            if count >= _LEAST and time.monotonic() > until:
                break
            found = search.judged(tokens, best)
            if found is not None:
                best[:] = sorted([*best, found], key=lambda one: one.value)[:_KEPT]
            bar.update()
            bar.set_postfix({"bits": f"{best[0].bits:.0f}", "excess": f"{best[0].value:.3f}"}, refresh=False)
    told = {
        "kind": "prompt",
        "judged": search.count,
        "best": [{"text": prior.text_of(one.tokens), "bits": one.bits, "value": one.value} for one in best],
    }
    return best[0].tokens, told


class _Search:
    def __init__(self, prior: Prior, data: EncodedDocuments, risk: BitsPerToken, delta: float) -> None:
        self.data, self.risk, self.delta = data, risk, delta
        self.module: LanguageModel = prior.build_language_model()
        self.random = np.random.default_rng(_SEED)
        # Of one length, so that nothing is padded: the most frequent one.
        lengths, counts = np.unique(data.lengths, return_counts=True)
        same = np.flatnonzero(data.lengths == lengths[counts.argmax()])
        self.rows = self.random.permutation(same)[: max(_DOCUMENTS)]
        self.generator = torch.Generator().manual_seed(_SEED)
        self.seen: set[tuple[int, ...]] = set()
        self.count = 0

    # Candidates ------------------------------------------------------------------------------------

    def proposals(self, best: list[_Candidate]) -> Iterator[tuple[int, ...]]:
        """First fresh ones, then changes of the ``best`` at that time, with a fresh one now and then."""
        turn = 0
        while True:
            fresh = turn < _FIRST or not best or self.random.random() < 0.2
            tokens = (
                self._fresh(turn) if fresh else self._changed(best[self.random.integers(len(best))].tokens)
            )
            turn += 1
            if tokens and len(tokens) <= MOST_PROMPT_TOKENS and tokens not in self.seen:
                self.seen.add(tokens)
                yield tokens

    def _fresh(self, turn: int) -> tuple[int, ...]:
        length = int(self.random.integers(_SHORTEST, _LONGEST + 1))
        if turn % 2:
            return self._drawn((), length)
        row = int(self.random.integers(self.data.n))
        return tuple(int(token) for token in self.data.tokens_of(row)[:length])

    def _changed(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        """One token drawn anew, put in, taken out, or the end written anew."""
        place = int(self.random.integers(len(tokens)))
        kind = self.random.integers(4)
        if kind == 0 and len(tokens) > 1:
            return tokens[:place] + tokens[place + 1 :]
        if kind == 1:
            return self._drawn(tokens[:place], 1) + tokens[place:]
        if kind == 2:
            return self._drawn(tokens[:place], 1) + tokens[place + 1 :]
        return self._drawn(tokens[: place + 1], int(self.random.integers(1, 5)))

    @torch.inference_mode()
    def _drawn(self, before: tuple[int, ...], count: int) -> tuple[int, ...]:
        """``before`` and ``count`` more tokens, drawn from the prior."""
        start = [int(token) for token in self.data.start] or [int(self.data.tokens_of(0)[0])]
        tokens = list(before)
        for _ in range(count):
            logits = self.module.network(input_ids=torch.tensor([[*start, *tokens]])).logits[0, -1]
            tokens.append(int(torch.multinomial(logits.float().softmax(0), 1, generator=self.generator)))
        return tuple(tokens)

    # Judging ---------------------------------------------------------------------------------------

    def judged(self, tokens: tuple[int, ...], best: list[_Candidate]) -> _Candidate | None:
        """On some documents, and on more where that is as good as the worst of the ``best``; None where it is not."""
        self.count += 1
        bits = self._bits(tokens)
        prompted = LanguageModel(self.module.network, self.module.start, tokens).eval()
        gap = self._gap(bits)
        few = self._excess(prompted, self.rows[: _DOCUMENTS[0]])
        if len(best) == _KEPT and few.mean() + gap > best[-1].value + few.std() / math.sqrt(len(few)):
            return None
        more = self._excess(prompted, self.rows[_DOCUMENTS[0] : _DOCUMENTS[1]])
        excess = np.concatenate([few, more])
        return _Candidate(tokens, bits, float(excess.mean()) + gap)

    @torch.inference_mode()
    def _excess(self, module: LanguageModel, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Bits per token above the prior's, of the mixture, on each of ``rows``."""
        found = []
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            losses = self.risk.surrogate(module(**self.data.batch(some)), some).double().numpy()
            found.append(losses - self.risk.prior_losses[some])
        return np.concatenate(found) if found else np.zeros(0)

    def _gap(self, bits: float) -> float:
        """About what the message adds to the mean excess in its bound."""
        nats = bits * math.log(2.0) + math.log(2.0 / self.delta)
        return self.risk.spread * math.sqrt(2.0 * nats / self.risk.units.n)

    @torch.inference_mode()
    def _bits(self, tokens: tuple[int, ...]) -> float:
        ids = torch.tensor([[*(int(token) for token in self.data.start), *tokens]])
        paid = -float(self.module(ids, torch.ones_like(ids)).double().sum()) if ids.shape[1] > 1 else 0.0
        return paid + prompt_length_bits(len(tokens))
