"""Small problems for sparse heads, and a judge whose bits are those of a message's symbols."""

from collections.abc import Callable

import numpy as np
import torch

from transferbound.finetune.heads import HeadProblem, Judge
from transferbound.message.costs import symbol_bits
from transferbound.risks.risk import Risk
from transferbound.risks.zero_one import ZeroOne

HEADER_BITS = 20.0
DELTA = 0.05


def make_problem(
    n: int = 200,
    count: int = 6,
    classes: int = 2,
    *,
    seed: int = 0,
    based: bool = False,
    groups: np.ndarray | None = None,
    rounded: bool = False,
) -> tuple[HeadProblem, Risk]:
    """Rows of a noisy linear rule on the first three features; ``rounded``: features with many ties and zeros."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, count)).astype(np.float32)
    if rounded:
        features = np.round(features)
    rule = np.zeros((count, classes))
    rule[:3] = 2.0 * rng.normal(size=(min(3, count), classes))
    labels = (features @ rule + 0.3 + rng.gumbel(size=(n, classes))).argmax(1)
    risk = ZeroOne(labels, [str(label) for label in range(classes)], groups)
    weights = risk.units.weigh(torch.ones(n), np.arange(n)).double()
    base = torch.from_numpy(rng.normal(size=(n, classes)).astype(np.float32)) if based else None
    problem = HeadProblem(
        torch.from_numpy(features), torch.from_numpy(labels), weights / weights.sum(), classes, 1.0, base
    )
    return problem, risk


def judge_of(risk: Risk, levels: int) -> Judge:
    def judge(mean: float, integers: np.ndarray, exponent: int) -> tuple[float, float]:
        bits = HEADER_BITS + symbol_bits(integers, levels)
        return bits, risk.expected_bound(mean, bits, DELTA)

    return judge


def price_of(risk: Risk) -> Callable[[float, float], float]:
    return lambda mean, bits: risk.bit_price(max(mean, 1 / risk.units.n), bits, DELTA)
