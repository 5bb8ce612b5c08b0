"""Log-likelihoods of documents: what is no probability of a document alone is refused before anything is counted."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from transferbound.data.encoded_documents import EncodedDocuments, _Flat
from transferbound.errors import PriorError
from transferbound.priors import LanguageModel
from transferbound.risks.likelihoods import SLACK, TOP_MARGIN, log_likelihoods, try_documents

V, START = 11, (10,)


class Network(nn.Module):
    """Logits of the next token from a running mean of embeddings; ``leak`` is what else they see."""

    def __init__(self, leak: str = "") -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.embeddings = nn.Parameter(torch.randn(V, 8, generator=generator))
        self.head = nn.Parameter(2.0 * torch.randn(8, V, generator=generator))
        self.leak = leak

    def forward(self, input_ids: torch.Tensor) -> Any:
        seen = self.embeddings[input_ids]
        counts = torch.arange(1, seen.shape[1] + 1).to(seen)[:, None]
        hidden = seen.cumsum(1) / counts
        last = torch.zeros_like(seen)
        if self.leak == "the next token":
            last[:, :-1] = seen[:, 1:]
        elif self.leak == "the one after the next":
            last[:, :-2] = seen[:, 2:]
        elif self.leak == "the last token, seldom":
            last[:, 0] = seen[:, -1]
        elif self.leak == "the first half, in both directions":
            half = seen.shape[1] // 2
            last[:, :half] = seen[:, :half].mean(1, keepdim=True)
        elif self.leak == "the whole document":
            last += seen.mean(1, keepdim=True)
        elif self.leak == "the rows beside it":
            last += seen.mean((0, 1), keepdim=True) - seen.mean(1, keepdim=True) * 0.0
        elif self.leak == "how many rows there are":
            last += float(len(seen))
        elif self.leak == "chance":
            last += torch.rand(seen.shape[0], 1, 1).to(seen)
        return SimpleNamespace(logits=(hidden + 0.1 * last) @ self.head)


def documents(lengths: list[int], start: tuple[int, ...] = START, seed: int = 0) -> EncodedDocuments:
    random = np.random.default_rng(seed)
    more = 0 if start else 1
    tokens = random.integers(0, V - 1, sum(lengths) + more * len(lengths)).astype(np.uint32)
    offsets = np.concatenate(([0], np.cumsum([length + more for length in lengths])))
    how: Any = SimpleNamespace(start=start, unpredicted=more)
    return EncodedDocuments(_Flat(tokens, offsets), np.arange(len(lengths)), how)


def module(leak: str = "", start: int = 1) -> LanguageModel:
    return LanguageModel(Network(leak), start).eval()


LATER = (
    *("the next token", "the one after the next", "the last token, seldom"),
    *("the first half, in both directions", "the whole document"),
)
COMPANIONS = ("the rows beside it", "how many rows there are", "chance")


@pytest.mark.parametrize("length", [9, 16])
@pytest.mark.parametrize("leak", LATER)
def test_a_model_that_sees_tokens_to_come_is_refused(leak: str, length: int) -> None:
    with pytest.raises(PriorError, match="moves with"):
        try_documents(module(leak), documents([length] * 6))


@pytest.mark.parametrize("leak", COMPANIONS)
def test_a_model_that_sees_other_documents_is_refused(leak: str) -> None:
    with pytest.raises(PriorError, match=r"documents beside it|moves with"):
        log_likelihoods(module(leak), documents([9] * 6), V)


def test_a_document_of_one_kind_of_token_shows_it_too() -> None:
    data = documents([9] * 4)
    data._flat.tokens[:] = 0
    with pytest.raises(PriorError, match="moves with"):
        try_documents(module("the next token"), data)


@pytest.mark.parametrize("start", [(), START])
def test_they_are_those_of_each_document_by_itself(start: tuple[int, ...]) -> None:
    data = documents([3, 9, 5, 5, 1, 9, 2], start)
    model = module(start=len(start))
    for size in (1, 2, 7, 250):
        for seed in (None, 5):
            found = log_likelihoods(model, data, V, batch_size=size, seed=seed)
            assert np.allclose(found.log2, by_hand(model.network, data, start), atol=SLACK)


@torch.inference_mode()
def by_hand(network: nn.Module, data: EncodedDocuments, start: tuple[int, ...]) -> list[float]:
    """Token after token in float64, no batch, no padding."""
    exact, found = Network(network.leak).double(), []
    for row in range(data.n):
        ids = [*start, *data.tokens_of(row).tolist()]
        bits = 0.0
        for place in range(max(1, len(start)), len(ids)):
            logits = exact(torch.tensor([ids[:place]])).logits[0, -1]
            bits += float(logits.log_softmax(0)[ids[place]]) / math.log(2.0)
        found.append(bits)
    return found


def test_a_call_that_is_too_close_is_an_error() -> None:
    class Even(nn.Module):
        def __init__(self, above: float) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))
            self.above = above

        def forward(self, input_ids: torch.Tensor) -> Any:
            logits = torch.ones(*input_ids.shape, V) + self.weight
            logits[..., 3] += self.above
            return SimpleNamespace(logits=logits)

    data = documents([4] * 3)
    data._flat.tokens[:] = 3
    for above, wrong in ((0.0, 1.0), (TOP_MARGIN / 2, 1.0), (10 * TOP_MARGIN, 0.0)):
        found = log_likelihoods(LanguageModel(Even(above), 1).eval(), data, V)
        assert found.wrong.tolist() == [wrong] * 3


def test_what_is_no_number_or_too_coarse_is_refused() -> None:
    model = module()
    with torch.no_grad():
        model.network.head.mul_(1e7)
    with pytest.raises(PriorError, match="float32"):
        log_likelihoods(model, documents([9] * 6), V)
    with torch.no_grad():
        model.network.head.fill_(math.inf)
    with pytest.raises(PriorError):
        log_likelihoods(model, documents([9] * 6), V)
