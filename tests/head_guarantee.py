"""The guarantee by simulation for sparse heads (``python tests/head_guarantee.py --trials 300`` prints the table).

Small data sets are drawn from a known distribution; an adversary looks at every place of a list of feature maps, trains
heads by ``train_head`` on those that fit best, and keeps the smallest bound among them and the constant answers. Bits
are those of the real header and the real code. Labels that are coins have a risk of (C - 1)/C whatever is answered.
``HONEST`` keeps the rule; each of ``BROKEN`` leaves out one thing that certification refuses or counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy import stats

from transferbound.bounds import occam_binomial
from transferbound.certification.head_judge import HeadJudge
from transferbound.finetune.heads import PILOT, HeadProblem, train_head
from transferbound.message import Header, header_bits, message_bits, step_size
from transferbound.message.short_codes import FEATURES, SPARSE_STEPS, sparse_dim
from transferbound.risks.risk import Risk

DELTA = 0.05
K, INPUTS, LEVELS = 8, 12, 7
SCALE = 4.0 / K**0.5
EFFORT = replace(
    PILOT, path=(1.0, 0.3, 0.06), steps=20, reweighted_steps=10, coarser=(5, 8), bit_weights=(0.5,)
)
FRESH = 20_000
_MAPS = np.random.default_rng(30).standard_normal((FEATURES, INPUTS, K)) / INPUTS**0.5
_SEED_BITS = 12
_SEEDED = np.random.default_rng(31).standard_normal((INPUTS, 2**_SEED_BITS * K)) / INPUTS**0.5

Array = np.ndarray


class ZeroOne:
    """What ``HeadJudge`` and ``train_head`` ask of a risk, for errors of n independent rows."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.units = self

    def expected_bound(self, mean: float, bits: float, delta: float) -> float:
        return float(occam_binomial(round(mean * self.n), self.n, bits, delta))

    def bit_price(self, mean: float, bits: float, delta: float) -> float:
        more, now = (self.expected_bound(mean, some, delta) for some in (bits + 1.0, bits))
        return max(more - now, 1e-6)  # above zero also where both bounds are one


def features_at(place: int, inputs: Array) -> Array:
    """Fixed features [n, K] that the place names."""
    return np.tanh(1.5 * inputs @ _MAPS[place])


def base_header(classes: int, place: int = 0) -> Header:
    return Header(
        "sparse", sparse_dim(classes, K), levels=LEVELS, features=place, components=K, classes=classes
    )


def problem_of(features: Array, labels: Array, classes: int, base: Array | None = None) -> HeadProblem:
    n = len(labels)
    logits = None if base is None else torch.from_numpy(base).float()
    weights = torch.full((n,), 1.0 / n, dtype=torch.float64)
    rows = torch.from_numpy(features).float()
    return HeadProblem(rows, torch.from_numpy(labels), weights, classes, SCALE, logits)


def trained(problem: HeadProblem, place: int, unpaid: float = 0.0) -> tuple[float, Array]:
    """Bound and weights [C - 1, K + 1] of the head that is found; ``unpaid`` bits are left off (or, below zero, put
    on)."""
    risk: Risk = ZeroOne(problem.n)  # type: ignore[assignment]
    judge = HeadJudge(risk, DELTA, base_header(problem.num_classes, place), None)
    head = train_head(
        problem, judge, risk=risk, delta=DELTA, levels=LEVELS, exponents=tuple(SPARSE_STEPS), effort=EFFORT
    )
    header = judge.header_of(head.integers, head.exponent)
    bits = max(0.0, message_bits(header, head.integers, judge.contexts) - unpaid)
    w = head.integers.reshape(problem.shape) * step_size(head.exponent)
    errors = round(problem.mean_loss(problem.logits(torch.from_numpy(w).float())) * problem.n)
    return float(occam_binomial(errors, problem.n, bits, DELTA)), w


def constant_bound(labels: Array, classes: int) -> float:
    """Of the class that is most frequent."""
    answer = int(np.bincount(labels, minlength=classes).argmax())
    bits = message_bits(Header("constant", 1, answer=answer, classes=classes), np.zeros(1, dtype=np.int64))
    return float(occam_binomial(int((labels != answer).sum()), len(labels), bits, DELTA))


def fit_of(features: Array, labels: Array) -> Array:
    """How well the best single component tells class 0 from the rest; features [..., n, K]."""
    signs = np.where(labels > 0, 1.0, -1.0)
    return np.abs(np.einsum("n,...nk->...k", signs - signs.mean(), np.sign(features))).max(-1)


def draw(rng: np.random.Generator, n: int, classes: int, signal: bool) -> tuple[Array, Array]:
    """Inputs [n, INPUTS] and labels: coins, or four in five by the largest of some inputs."""
    inputs = rng.standard_normal((n, INPUTS))
    labels = rng.integers(0, classes, n)
    rule = inputs[:, :classes].argmax(1)
    return inputs, np.where(rng.random(n) < 0.8, rule, labels) if signal else labels


def _honest(
    rng: np.random.Generator, n: int, classes: int, signal: bool = False, unpaid: float = 0.0, top: int = 2
) -> bool:
    inputs, labels = draw(rng, n, classes, signal)
    scores = [fit_of(features_at(place, inputs), labels) for place in range(FEATURES)]
    found = []
    for place in np.argsort(scores)[::-1][:top].tolist():
        bound, w = trained(problem_of(features_at(place, inputs), labels, classes), place, unpaid)
        found.append((bound, place, w))
    bound, place, w = min(found, key=lambda one: one[0])
    if not signal:
        return min(bound, constant_bound(labels, classes)) < 1.0 - 1.0 / classes
    fresh, answers = draw(rng, FRESH, classes, signal)
    problem = problem_of(features_at(place, fresh), answers, classes)
    return bound < problem.mean_loss(problem.logits(torch.from_numpy(w).float()))


def _batches(rng: np.random.Generator, alone: bool) -> bool:
    """Rows stand in batches that their order makes: class 1 beside a longer text, class 0 among its like. The first
    component says whether a row was padded; a row by itself never is."""
    n = 100
    inputs, labels = draw(rng, n, 2, False)
    features = features_at(0, inputs)
    features[:, 0] = -1.0 if alone else np.where(labels > 0, 1.0, -1.0)
    return trained(problem_of(features, labels, 2), 0)[0] < 0.5


def _prior(rng: np.random.Generator, own_rows: bool) -> bool:
    """The network's own logits are those of the nearest labelled row: of these rows, or of as many others."""
    n = 100
    inputs, labels = draw(rng, n, 2, False)
    seen, known = (inputs, labels) if own_rows else draw(rng, n, 2, False)
    nearest = ((inputs[:, None] - seen[None]) ** 2).sum(-1).argmin(1)
    base = np.eye(2)[known[nearest]]
    return trained(problem_of(features_at(0, inputs), labels, 2, base), 0)[0] < 0.5


def _signs(rng: np.random.Generator, paid: bool) -> bool:
    """The sign of each of 200 channels, which the network sums into its first feature, is set by the rows, as a flip in
    a file that no fingerprint covers would be; a bit for each where it is paid."""
    n, channels = 100, 200
    inputs, labels = draw(rng, n, 2, False)
    seen = rng.standard_normal((n, channels))
    signs = np.sign((labels - 0.5) @ seen)
    features = features_at(0, inputs)
    features[:, 0] = np.tanh(3.0 * seen @ signs / channels**0.5)
    return trained(problem_of(features, labels, 2), 0, -float(channels) if paid else 0.0)[0] < 0.5


def _seeds(rng: np.random.Generator, unpaid: float) -> bool:
    """A header names one of 2^12 seeds of feature maps, and the learner takes the one that fits best."""
    n = 200
    inputs, labels = draw(rng, n, 2, False)
    raw = (inputs @ _SEEDED).reshape(n, -1, K).swapaxes(0, 1)
    best = np.argsort(fit_of(raw, labels))[::-1][:4]
    return min(trained(problem_of(np.tanh(1.5 * raw[one]), labels, 2), 0, unpaid)[0] for one in best) < 0.5


Case = Callable[[np.random.Generator], bool]

HONEST: dict[str, Case] = {
    "coins, n = 60": lambda rng: _honest(rng, 60, 2),
    "coins, n = 200": lambda rng: _honest(rng, 200, 2),
    "coins, three classes": lambda rng: _honest(rng, 120, 3),
    "signal, n = 100": lambda rng: _honest(rng, 100, 2, True),
    "signal, three classes": lambda rng: _honest(rng, 200, 3, True),
    "rows alone": lambda rng: _batches(rng, True),
    "prior of other rows": lambda rng: _prior(rng, False),
    "signs paid": lambda rng: _signs(rng, True),
    "seed paid": lambda rng: _seeds(rng, -float(_SEED_BITS)),
}
BROKEN: dict[str, Case] = {
    "batch seen": lambda rng: _batches(rng, False),
    "prior of these rows": lambda rng: _prior(rng, True),
    "signs unpaid": lambda rng: _signs(rng, False),
    "header unpaid": lambda rng: _seeds(rng, header_bits(base_header(2))),
    "message unpaid": lambda rng: _honest(rng, 200, 2, unpaid=1e9, top=3),
}


def violations(name: str, seed: int, trials: int) -> Array:
    """In which trials the bound was below the risk."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    return np.array([(HONEST | BROKEN)[name](rng) for _ in range(trials)])


def surely_above(missed: Array) -> bool:
    """Whether so many violations come with a chance of less than 0.1 % if each has chance delta at most."""
    return bool(stats.binom.sf(missed.sum() - 1, len(missed), DELTA) < 1e-3)


def main() -> None:
    parser = argparse.ArgumentParser(description="How often bounds of sparse heads are violated.")
    parser.add_argument("--trials", type=int, default=300, help="data sets drawn for each row")
    trials = parser.parse_args().trials
    for title, cases in (("rule kept", HONEST), ("rule broken", BROKEN)):
        for name in cases:
            print(f"{title:12s} {name:22s} {violations(name, 1, trials).mean():.4f}", flush=True)


if __name__ == "__main__":
    main()
