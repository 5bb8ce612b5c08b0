"""Does what a model says of a row depend on the rows beside it? Measured on logits, and by counting.

Rows are token ids of many lengths. A row is evaluated alone, alone again, beside rows of its own length, padded to the
longest of all, and alone once more after that; where the logits of any two differ, the prediction is no function of
the row.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tiny_architectures import MOST_TOKENS, WORDS
from torch import Tensor, nn

from transferbound import Prior
from transferbound.data.encoded import EncodedTexts
from transferbound.risks.counting import ErrorCount, count_errors

__all__ = [
    "BATCH_SIZES",
    "CLASSES",
    "Effects",
    "counted",
    "effects",
    "encoded",
    "made_sensitive",
    "random_rows",
    "widened",
]

BATCH_SIZES = (1, 2, 7, 250)
CLASSES = 12


@dataclass(frozen=True)
class Effects:
    """The largest move of a logit over all rows and classes, as a part of the largest logit.

    Attributes:
        again: the same row twice, alone: a random model.
        beside: rows of the same length beside it, nothing padded: a model of batches.
        padded: padded to the longest row: a model that padding reaches.
        later: alone once more after all of these: a model that remembers.
        moved_by_padding: part of the rows that padding moves by more than rounding.
        spread: standard deviation of a logit over the rows; 0 where the model reads nothing.
    """

    again: float
    beside: float
    padded: float
    later: float
    moved_by_padding: float
    spread: float


def random_rows(shortest: int = 3, twice: int = 2, seed: int = 0) -> list[list[int]]:
    """Two rows of every length from ``shortest`` to the longest, in any order: start, words, end."""
    random = np.random.default_rng(seed)
    lengths = np.repeat(np.arange(shortest, MOST_TOKENS + 1), twice)
    words = [
        random.integers(5, 5 + len(WORDS), length - 2).tolist() for length in random.permutation(lengths)
    ]
    return [[2, *some, 3] for some in words]


def encoded(prior: Prior, rows: list[list[int]], labels: np.ndarray | None = None) -> EncodedTexts:
    offsets = np.concatenate(([0], np.cumsum([len(row) for row in rows])))
    tokens = np.array([token for row in rows for token in row], dtype=np.uint32)
    labels = np.zeros(len(rows), dtype=np.int64) if labels is None else labels
    preprocessing: Any = prior.preprocessing(0)
    return EncodedTexts(tokens, offsets, None, labels, preprocessing)


@torch.inference_mode()
def effects(module: nn.Module, data: EncodedTexts) -> Effects:
    first = _alone(module, data)
    again = _alone(module, data)
    beside = torch.empty_like(first)
    for length in np.unique(data.lengths):
        same = np.flatnonzero(data.lengths == length)
        beside[same] = module(**data.batch(same)).double()
    padded = module(**data.batch(np.arange(data.n))).double()
    later = _alone(module, data)
    size = float(first.abs().max())
    moved = [(other - first).abs().amax(1) / size for other in (again, beside, padded, later)]
    return Effects(
        *(float(some.max()) for some in moved),
        moved_by_padding=float((moved[2] > 1e-5).double().mean()),
        spread=float(first.std(0).mean()) / size,
    )


@torch.inference_mode()
def made_sensitive(module: nn.Module, data: EncodedTexts) -> tuple[nn.Module, np.ndarray]:
    """The classifier with its logits centred, so that any move shows in its predictions, and those predictions.

    One row is a close call, decided by 1e-4 of its logits: what counts errors has to settle it in float64.
    """
    logits = _alone(module, data, fresh=True)
    reads = float(logits.std(0).mean()) > 1e-4 * float(logits.abs().max())
    shift = -logits.mean(0) if reads else torch.zeros(logits.shape[1])
    values, classes = (logits[0] + shift).topk(2)
    shift[classes[1]] += values[0] - values[1] - 1e-4 * values[0].abs()
    sensitive = copy.deepcopy(module)
    sensitive.register_forward_hook(lambda _, __, logits: logits + shift.to(logits.dtype))
    return sensitive, _alone(sensitive, data, fresh=True).argmax(1).numpy()


def counted(module: nn.Module, data: EncodedTexts) -> dict[str, ErrorCount]:
    """The count at every batch size, rows in two orders; each by a copy that has seen nothing yet."""
    shuffled = np.random.default_rng(5).permutation(data.n)
    orders = {"": None, " shuffled": shuffled}
    return {
        f"{size}{name}": count_errors(copy.deepcopy(module), data, batch_size=size, order=order)
        for size in BATCH_SIZES
        for name, order in orders.items()
    }


def widened(module: nn.Module) -> nn.Module:
    """In float64. Experts one after another: the grouped product that is the default has no float64."""
    for part in module.modules():
        if hasattr(part, "set_experts_implementation"):
            part.set_experts_implementation("eager")
            break
    return module.double()


def _alone(module: nn.Module, data: EncodedTexts, fresh: bool = False) -> Tensor:
    """[n, C] logits of each row alone; ``fresh``: each by a copy that has seen nothing yet."""
    return torch.cat(
        [(copy.deepcopy(module) if fresh else module)(**data.batch([row])).double() for row in range(data.n)]
    )
