"""The log-likelihoods of documents under a language model: the same within a declared slack, whatever the batch.

What a certificate says of a language model takes two things for granted, and both are tried before anything is
counted. The model answers for a document alone: nothing beside it in the batch moves its probabilities. And it is
causal: a token's probability does not depend on the token itself or on those behind it. Where it did, the product over
tokens would be no probability of the document, and a bound on its logarithm would be a bound on nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from transferbound.data.batches import composition, evaluation_batches
from transferbound.data.encoded_documents import EncodedDocuments
from transferbound.distributed import share, total
from transferbound.errors import PriorError
from transferbound.priors import LanguageModel
from transferbound.risks.passes import full_float32
from transferbound.risks.trial import in_float64

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["ALPHAS", "SLACK", "Likelihoods", "log_likelihoods", "try_documents"]

Floats = npt.NDArray[np.float64]

SLACK = 1e-4
"""Bits per token: what is stated is this much larger than what was computed, because machines round in other ways."""

ALPHAS = tuple(2.0**-power for power in range(1, 17))
"""Weights of the uniform prediction in the smoothed losses that are bounded for comparison; one is chosen and paid."""

TOP_MARGIN = 1e-4
_SAFETY = 8.0  # some documents are tried, and all are counted
_IN_FLOAT64 = 1e-7  # bits: rounding in float64 stays far below it, a dependence does not
_TRIED, _TRIED_TOKENS = 4, 256


@dataclass(frozen=True)
class Likelihoods:
    """What a language model makes of n documents.

    Attributes:
        log2: float64 [n], log2 of each document's probability, given its start.
        smoothed: float64 [n, len(ALPHAS)], the mean over tokens of -log2((1 - alpha) p + alpha / V), bits per token.
        wrong: float64 [n], the share of tokens that were not the likeliest one.
    """

    log2: Floats
    smoothed: Floats
    wrong: Floats


@torch.inference_mode()
def log_likelihoods(
    module: LanguageModel,
    data: EncodedDocuments,
    vocabulary: int,
    *,
    batch_size: int = 250,
    accelerator: Accelerator | None = None,
    progress: bool = False,
    seed: int | None = None,
    desc: str = "scoring documents",
) -> Likelihoods:
    """Scores every document.

    Args:
        module: in float32.
        data: the encoded documents.
        vocabulary: V.
        batch_size, accelerator, progress: how to score; the effect on the result is far below ``SLACK``.
        seed: composes the batches in another way.
        desc: of the progress bar.

    Raises:
        PriorError: as :func:`try_documents`.
    """
    module.eval()
    try_documents(module, data)
    device = next(module.parameters()).device
    rows, batch_size = composition(data, batch_size, seed)
    rows = share(rows, accelerator)
    found = np.zeros((data.n, 2 + len(ALPHAS)))
    alphas = torch.tensor(ALPHAS, dtype=torch.float64, device=device)
    with (
        full_float32(device),
        tqdm(total=len(rows), desc=desc, unit="doc", disable=not progress, leave=False) as bar,
    ):
        for some in evaluation_batches(data, rows, batch_size, device):
            bits, top = module.judged(**data.batch(some, device), margin=TOP_MARGIN)
            bits = bits.double()
            mixed = (1.0 - alphas) * torch.exp2(bits)[:, :, None] + alphas / vocabulary
            parts = [
                bits.sum(1, keepdim=True),
                1.0 - top.double().mean(1, keepdim=True),
                -mixed.log2().mean(1),
            ]
            found[some] = torch.cat(parts, dim=1).cpu().numpy()
            bar.update(len(some))
    found = total(torch.from_numpy(found), accelerator).cpu().numpy()
    if not np.isfinite(found).all():
        row = int(data.rows[int(np.flatnonzero(~np.isfinite(found).all(1))[0])])
        raise PriorError(
            f"the language model gives a probability that is no number, or zero, for row {row}; it cannot be bounded"
        )
    return Likelihoods(found[:, 0], found[:, 2:], found[:, 1])


@torch.inference_mode()
def try_documents(module: LanguageModel, data: EncodedDocuments) -> None:
    """Some documents in float64: alone, among others, with other tokens at their end; and as they are counted.

    Raises:
        PriorError: a document's probability moves with its companions; a token's with the tokens behind it, or with
            itself; or float32 is too coarse for ``SLACK``.
    """
    exact = in_float64(module)
    assert isinstance(exact, LanguageModel)
    device = next(exact.parameters()).device
    longest = np.argsort(-data.lengths, kind="stable")
    length = int(data.lengths[longest[0]])
    some = longest[: max(2, min(_TRIED, _TRIED_TOKENS // length))]
    some = some[data.lengths[some] == length]
    batch = data.batch(some, device)
    alone = torch.cat([exact(**data.batch(some[i : i + 1], device)) for i in range(len(some))])
    among = exact(**batch)
    _refuse(
        _gap(alone, among),
        "moves with the documents beside it in a batch: a bound is about documents that come alone",
    )
    _refuse(
        _moved_by_later(exact, {name: value[:1] for name, value in batch.items()}, length),
        "moves with itself or the tokens behind: it is no causal language model, and its numbers are no probabilities",
    )
    counted = module(**data.batch(some, next(module.parameters()).device)).to(alone)
    off = float((counted.sum(1) - alone.sum(1)).abs().max()) / length
    if not _SAFETY * off <= SLACK:
        raise PriorError(
            f"{type(module.network).__name__} in float32 is off by {off:.2g} bits per token from float64, too much for "
            f"a statement to {SLACK:g} bits; choose another checkpoint"
        )


def _moved_by_later(exact: LanguageModel, document: dict[str, torch.Tensor], length: int) -> float:
    """How much the logits of tokens move with those tokens and the ones behind them: at some places of one document."""
    cuts = sorted({0, 1, length // 4, length // 2, 3 * length // 4, length - 1} & set(range(length)))
    changed = {name: value.repeat(len(cuts), 1) for name, value in document.items()}
    ids, mask = changed["input_ids"], changed["attention_mask"]
    before = exact.scored(**document)[1][0]
    for row, cut in zip(ids, cuts, strict=True):
        tail = row[len(row) - length + cut :]
        tail.copy_((tail + 1) % before.shape[1])  # every one of them
    after = (exact.scored(ids[place : place + 1], mask[:1])[1][0] for place in range(len(cuts)))  # each alone
    return max(_gap(before[: cut + 1], logits[: cut + 1]) for cut, logits in zip(cuts, after, strict=True))


def _gap(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, as a part of the largest value; infinite where one is no number."""
    size = float(torch.maximum(one.abs().max(), other.abs().max())) if one.numel() else 0.0
    gap = float((one - other).abs().max()) / max(size, 1.0) if one.numel() else 0.0
    return gap if np.isfinite(gap) else np.inf


def _refuse(gap: float, what: str) -> None:
    if gap > _IN_FLOAT64:
        raise PriorError(
            f"the probability of a document's tokens {what} (by {gap:.2g} of the largest log-probability)"
        )
