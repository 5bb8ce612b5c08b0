"""The guarantee by simulation (``python tests/guarantee.py --trials 20000`` prints the table).

A small learner of the real kind meets data sets whose risk is known exactly. Inputs fall into cells; a
message decodes to one label for each cell, so the risk is a finite sum. Predictors are sign(theta0 + P q):
P fixed by a seed, q on a grid of a few levels, all of seed, dimension and levels in the header. The learner
evaluates every message on the drawn data set and reports the smallest bound, as users will. With labels of
pure noise every predictor's risk is exactly 1/2, and any overfitting shows.

Each function of ``LEAKS`` is the same learner with one of the mistakes that make such a bound false. All of
them return a boolean array: in which trials the reported bound was below the risk of the reported predictor.
"""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from violation_rates import Bools, Leak, print_rates, violations_of

from transferbound.bounds import occam_betting, occam_binomial, occam_kl

DELTA = 0.05
N = 100
CELLS = 64
SEEDS, DIMS, LEVELS = range(32), (1, 2, 3), (2, 3, 5)
CHUNK = 250


@dataclass(frozen=True)
class Space:
    """All messages: predictions (messages, cells) as 0/1, and what each costs in bits by part."""

    labels: np.ndarray
    seed_bits: np.ndarray
    shape_bits: np.ndarray
    symbol_bits: np.ndarray

    @property
    def bits(self) -> np.ndarray:
        return self.seed_bits + self.shape_bits + self.symbol_bits


def decode(seed: int, grid: np.ndarray) -> np.ndarray:
    """sign(theta0 + P q) for every row q of ``grid``, as 0/1; shape (rows, cells)."""
    rng = np.random.default_rng([17, seed, grid.shape[1]])
    offset = 0.1 * np.random.default_rng(16).standard_normal(CELLS)
    projection = rng.standard_normal((grid.shape[1], CELLS))
    return (offset + grid @ projection > 0.0).astype(np.float64)


def grid_of(levels: int, dim: int) -> np.ndarray:
    """Every q in {levels symbols}^dim, centred; shape (levels^dim, dim)."""
    steps = np.arange(levels) - (levels - 1) / 2.0
    return np.stack(np.meshgrid(*[steps] * dim, indexing="ij"), axis=-1).reshape(-1, dim)


@functools.cache
def space() -> Space:
    labels, symbols = [], []
    for seed in SEEDS:
        for dim in DIMS:
            for levels in LEVELS:
                rows = decode(seed, grid_of(levels, dim))
                labels.append(rows)
                symbols.append(np.full(len(rows), dim * math.log2(levels)))
    symbol_bits = np.concatenate(symbols)
    seed_bits = np.full(len(symbol_bits), math.log2(len(SEEDS)))
    shape_bits = np.full(len(symbol_bits), math.log2(len(DIMS) * len(LEVELS)))
    return Space(np.concatenate(labels), seed_bits, shape_bits, symbol_bits)


def draw(rng: np.random.Generator, trials: int, n: int, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts of zeros and of ones by cell, each (trials, cells); ``noise`` is Pr[label 1] by cell."""
    cells = rng.multinomial(n, np.full(len(noise), 1.0 / len(noise)), size=trials)
    ones = rng.binomial(cells, noise)
    return (cells - ones).astype(np.float64), ones.astype(np.float64)


def count_errors(labels: np.ndarray, zeros: np.ndarray, ones: np.ndarray) -> np.ndarray:
    """Errors of every message on every data set, (trials, messages)."""
    return np.rint(zeros @ labels.T + ones @ (1.0 - labels).T).astype(np.int64)


def table(n: int, bits: np.ndarray, bound: Callable = occam_binomial) -> tuple[np.ndarray, np.ndarray]:
    """The bound for each distinct message size and each error count, and each message's row in it."""
    sizes, row = np.unique(bits, return_inverse=True)
    counts = np.arange(n + 1)
    first = counts if bound is occam_binomial else counts / n
    return bound(first[None, :], n, sizes[:, None], DELTA), row


def best(
    errors: np.ndarray, n: int, bits: np.ndarray, bound: Callable = occam_binomial
) -> tuple[np.ndarray, np.ndarray]:
    """The learner: the smallest bound over all messages and the message that has it, by trial."""
    bounds, row = table(n, bits, bound)
    found = bounds[row[None, :], errors]
    return found.min(axis=1), found.argmin(axis=1)


def coins() -> np.ndarray:
    return np.full(CELLS, 0.5)


def honest(
    rng: np.random.Generator, trials: int, noise: np.ndarray | None = None, bound: Callable = occam_binomial
) -> Bools:
    """The rule kept: all that the decoder needs is paid. ``noise``: Pr[label 1] by cell."""
    noise = coins() if noise is None else noise
    return _search(rng, trials, noise, space().bits, bound)


def honest_with_signal(rng: np.random.Generator, trials: int) -> Bools:
    """Cells with label probabilities from 0 to 1: predictors of different, known risks."""
    return honest(rng, trials, np.random.default_rng(20).beta(0.5, 0.5, CELLS))


def _search(
    rng: np.random.Generator,
    trials: int,
    noise: np.ndarray,
    bits: np.ndarray,
    bound: Callable = occam_binomial,
) -> Bools:
    labels = space().labels
    risks = (labels * (1.0 - noise) + (1.0 - labels) * noise).mean(axis=1)
    zeros, ones = draw(rng, trials, N, noise)
    value, chosen = best(count_errors(labels, zeros, ones), N, bits, bound)
    return value < risks[chosen]


def seed_uncharged(rng: np.random.Generator, trials: int) -> Bools:
    """Best of 32 seeds (or projections, or checkpoints), not paid."""
    return _search(rng, trials, coins(), space().bits - space().seed_bits)


def dims_uncharged(rng: np.random.Generator, trials: int) -> Bools:
    """Best of ten dimensions, not paid; one seed, two levels."""
    labels = [decode(0, grid_of(2, dim)) for dim in range(1, 11)]
    bits = np.concatenate([np.full(len(rows), math.log2(len(rows))) for rows in labels])
    zeros, ones = draw(rng, trials, N, coins())
    value, _ = best(count_errors(np.concatenate(labels), zeros, ones), N, bits)
    return value < 0.5


def header_uncharged(rng: np.random.Generator, trials: int) -> Bools:
    """Seed, dimension and levels all chosen on the data and not paid."""
    return _search(rng, trials, coins(), space().symbol_bits)


def symbols_uncharged(rng: np.random.Generator, trials: int) -> Bools:
    """The integers themselves not paid."""
    return _search(rng, trials, coins(), space().seed_bits + space().shape_bits)


def bits_subtracted(rng: np.random.Generator, trials: int) -> Bools:
    """Ten bits taken off for a symmetry that the code never paid for."""
    return _search(rng, trials, coins(), np.maximum(0.0, space().bits - 10.0))


def extra_tensor(rng: np.random.Generator, trials: int) -> Bools:
    """Ten coordinates trained, four of them in the message."""
    labels = decode(0, grid_of(2, 10))
    zeros, ones = draw(rng, trials, N, coins())
    value, _ = best(count_errors(labels, zeros, ones), N, np.full(len(labels), 4.0))
    return value < 0.5


def unquantized(rng: np.random.Generator, trials: int) -> Bools:
    """Errors counted with the real weights, bits with the signs that the decoder returns."""
    weights = np.random.default_rng(18).standard_normal((4000, 6))
    zeros, ones = draw(rng, trials, N, coins())
    value, _ = best(count_errors(decode(0, weights), zeros, ones), N, np.full(len(weights), 6.0))
    return value < 0.5


def feature_selection(rng: np.random.Generator, trials: int) -> Bools:
    """The best of 300 features chosen on the training labels as if it were preprocessing; its sign is
    paid."""
    features = np.random.default_rng(19).integers(0, 2, (300, CELLS)).astype(np.float64)
    labels = np.concatenate([features, 1.0 - features])
    zeros, ones = draw(rng, trials, N, coins())
    value, _ = best(count_errors(labels, zeros, ones), N, np.full(len(labels), 1.0))
    return value < 0.5


def training_vocabulary(rng: np.random.Generator, trials: int) -> Bools:
    """A vocabulary taken from the training set: words in it are known, all others are got wrong."""
    words = 400
    seen = np.array([len(np.unique(rng.integers(0, words, N))) for _ in range(trials)])
    return occam_binomial(0, N, 1.0, DELTA) < 1.0 - seen / words


def prior_saw_data(rng: np.random.Generator, trials: int) -> Bools:
    """theta0 was trained on the training set (each cell's majority); the message says 'as it is', one bit."""
    zeros, ones = draw(rng, trials, N, coins())
    errors = np.minimum(zeros, ones).sum(axis=1).astype(np.int64)
    return table(N, np.array([1.0]))[0][0][errors] < 0.5


def _prior_on_a_part(rng: np.random.Generator, trials: int, shared: int) -> Bools:
    """theta0 is each cell's majority in a first part, n rows long; messages: 'as it is' and 'the opposite', two bits
    each. ``shared`` rows stand in the first part and among the n that are counted."""
    n, cells = 10 * N, 500
    first, both, rest = (draw(rng, trials, m, np.full(cells, 0.5)) for m in (n - shared, shared, n - shared))
    is_one = first[1] + both[1] > first[0] + both[0]
    zeros, ones = rest[0] + both[0], rest[1] + both[1]
    errors = np.where(is_one, zeros, ones).sum(axis=1).astype(np.int64)
    return table(n, np.array([2.0]))[0][0][np.minimum(errors, n - errors)] < 0.5


def prior_on_other_rows(rng: np.random.Generator, trials: int) -> Bools:
    """A data-dependent prior, n the rows that it has not seen: honest."""
    return _prior_on_a_part(rng, trials, 0)


def prior_split_overlaps(rng: np.random.Generator, trials: int) -> Bools:
    """A data-dependent prior that has seen a fifth of the rows that are counted."""
    return _prior_on_a_part(rng, trials, 2 * N)


def underflowed_tail(rng: np.random.Generator, trials: int) -> Bools:
    """5,000 bits honestly paid, the tail inverted where its logarithm has already become -inf."""
    value, errors = _memorize(rng, trials, naive_inverse)
    return (value < 0.5) & (errors > 0)


def _memorize(rng: np.random.Generator, trials: int, inverse: Callable) -> tuple[np.ndarray, np.ndarray]:
    """One bit for each of 5,000 cells: its majority label. Bound by ``inverse`` and errors, by trial."""
    n, cells = 10_000, 5_000
    zeros, ones = draw(rng, trials, n, np.full(cells, 0.5))
    errors = np.minimum(zeros, ones).sum(axis=1).astype(np.int64)
    counts, where = np.unique(errors, return_inverse=True)
    value = np.array([_cached(inverse, int(k), n, float(cells)) for k in counts])
    return value[where], errors


@functools.cache
def _cached(inverse: Callable, errors: int, n: int, bits: float) -> float:
    return inverse(errors, n, bits, DELTA)


def memorizer(rng: np.random.Generator, trials: int) -> Bools:
    """The same as ``underflowed_tail`` with the right inversion: honest."""
    return _memorize(rng, trials, occam_binomial)[0] < 0.5


def naive_inverse(errors: int, n: int, bits: float, delta: float) -> float:
    """Bisection on a log tail probability that is -inf below -745: what not to do."""
    goal = math.log(delta) - bits * math.log(2.0)
    low, high = errors / n, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        with np.errstate(divide="ignore"):
            reached = np.log(stats.binom.cdf(errors, n, middle)) >= goal
        low, high = (middle, high) if reached else (low, middle)
    return high


GROUPS, ROWS = 40, 10


def _draw_groups(rng: np.random.Generator, trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Each group in one cell, nine labels in ten its own coin: cells and shares of ones, (trials, groups)."""
    cells = rng.integers(0, CELLS, (trials, GROUPS))
    group = rng.integers(0, 2, (trials, GROUPS, 1))
    own = rng.random((trials, GROUPS, ROWS)) < 0.9
    rows = np.where(own, group, rng.integers(0, 2, (trials, GROUPS, ROWS)))
    return cells, rows.mean(axis=2)


def _group_learner(
    rng: np.random.Generator, trials: int, n: int
) -> tuple[np.ndarray, list[tuple[np.ndarray, float]]]:
    """The smallest kl bound with ``n`` units; the chosen message's mean loss in each group, and its bits."""
    cells, share = _draw_groups(rng, trials)
    labels, bits = space().labels, space().bits
    value, winners = np.empty(trials), []
    for t in range(trials):
        zeros = np.bincount(cells[t], weights=1.0 - share[t], minlength=CELLS)
        ones = np.bincount(cells[t], weights=share[t], minlength=CELLS)
        # Mean loss in rows, a whole number of them: groups have equal sizes, so both means agree.
        errors = np.rint(ROWS * (labels @ zeros + (1.0 - labels) @ ones)).astype(np.int64)
        bounds, row = _group_table(n)
        chosen = int(bounds[row, errors].argmin())
        value[t] = bounds[row[chosen], errors[chosen]]
        winners.append((np.abs(labels[chosen, cells[t]] - share[t]), float(bits[chosen])))
    return value, winners


@functools.cache
def _group_table(n: int) -> tuple[np.ndarray, np.ndarray]:
    sizes, row = np.unique(space().bits, return_inverse=True)
    risks = np.arange(GROUPS * ROWS + 1) / (GROUPS * ROWS)
    return occam_kl(risks[None, :], n, sizes[:, None], DELTA), row


def rows_as_units(rng: np.random.Generator, trials: int) -> Bools:
    """Correlated groups, rows counted as if they were independent."""
    return _group_learner(rng, trials, GROUPS * ROWS)[0] < 0.5


def groups_as_units(rng: np.random.Generator, trials: int) -> Bools:
    """The same data with n the number of groups: honest (kl form)."""
    return _group_learner(rng, trials, GROUPS)[0] < 0.5


def groups_by_betting(rng: np.random.Generator, trials: int) -> Bools:
    """The same, the chosen message bounded by betting on the group means: honest."""
    _, winners = _group_learner(rng, trials, GROUPS)
    return np.array([occam_betting(losses, bits, DELTA) for losses, bits in winners]) < 0.5


def duplicates(rng: np.random.Generator, trials: int) -> Bools:
    """Every row three times in the data set, and counted three times."""
    zeros, ones = draw(rng, trials, N, coins())
    value, _ = best(3 * count_errors(space().labels, zeros, ones), 3 * N, space().bits)
    return value < 0.5


HONEST: dict[str, Leak] = {
    "honest": honest,
    "honest with signal": honest_with_signal,
    "memorizer": memorizer,
    "prior on other rows": prior_on_other_rows,
    "groups as units": groups_as_units,
    "groups by betting": groups_by_betting,
}

LEAKS: dict[str, Leak] = {
    leak.__name__: leak
    for leak in (
        seed_uncharged,
        dims_uncharged,
        header_uncharged,
        symbols_uncharged,
        bits_subtracted,
        extra_tensor,
        unquantized,
        feature_selection,
        training_vocabulary,
        prior_saw_data,
        prior_split_overlaps,
        underflowed_tail,
        rows_as_units,
        duplicates,
    )
}


def violations(name: str, seed: int, trials: int) -> Bools:
    """In which trials the named learner stated something false."""
    return violations_of((HONEST | LEAKS)[name], seed, trials, CHUNK)


def main() -> None:
    parser = argparse.ArgumentParser(description="How often bounds are violated, rule kept and broken.")
    parser.add_argument("--trials", type=int, default=2000, help="data sets drawn for each row")
    trials = parser.parse_args().trials
    print(f"delta = {DELTA}; {len(space().bits):,} messages; {trials:,} data sets a row; 99.9 % limits")
    print_rates(HONEST, LEAKS, trials, CHUNK)


if __name__ == "__main__":
    main()
