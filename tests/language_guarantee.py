"""The guarantee of language models by simulation: ``python tests/language_guarantee.py --trials 3000`` prints it.

There are 64 possible documents, of 2 to 8 tokens, each with a probability that is known; so what a message's predictor
costs on new documents, in bits a token, is a finite sum. The prior is right by construction in the world of noise: no
message can help, and what seems to is overfitting. The learner sees both the drawn documents and the truth, takes the
message that looks too good by most (in standard deviations, price of its bits considered), and reports the bound for
it: worse than any learner that sees the data alone, and the bound is for every message at once.

Each function of ``LEAKS`` is the same learner with one mistake. All return in which trials one of the three statements
(excess, prior's risk, risk) was false.
"""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from violation_rates import Bools, print_rates, violations_of

from transferbound.bounds import (
    ExcessBound,
    Level,
    Mixture,
    chained_excess,
    mean_lower_bound,
    mean_upper_bound,
    occam_excess,
    pool_upper_bound,
)

DELTA = 0.05
CELLS, BITS, N = 64, 13, 200
LENGTHS = 2 + np.arange(CELLS) % 7
SHORTEST, LONGEST = int(LENGTHS.min()), int(LENGTHS.max())
MIXTURE = Mixture(0.5)
TOP = MIXTURE.top(SHORTEST, LONGEST)
PRIOR_TOP = 4.0
WEIGHTS = (0.5, 0.98)
CHUNK = 100

Learner = Callable[[np.random.Generator, int], Bools]


@dataclass(frozen=True)
class World:
    """Probability of each document [cells], the prior's loss [cells] and excess [messages, cells], in bits a token."""

    mass: np.ndarray
    prior: np.ndarray
    excess: np.ndarray
    bits: float = float(BITS)

    @property
    def truth(self) -> np.ndarray:
        return self.excess @ self.mass


def mixed(ratios: np.ndarray, mixture: Mixture = MIXTURE) -> np.ndarray:
    """Excess in bits a token for p_theta / p0 of whole documents [..., cells]."""
    return -mixture.log2_documents(np.log2(np.maximum(ratios, 1e-300)), 0.0) / LENGTHS


@functools.cache
def noise() -> World:
    """All documents alike likely, under the prior too; each message lifts one half of them and lowers the other."""
    rng = np.random.default_rng(40)
    halves = rng.permuted(np.tile(np.arange(CELLS) % 2, (2**BITS, 1)), axis=1)
    prior = np.random.default_rng(41).uniform(1.0, PRIOR_TOP, CELLS)
    return World(np.full(CELLS, 1.0 / CELLS), prior, mixed(0.1 + 1.8 * halves))


@functools.cache
def signal() -> World:
    """Some documents are likelier than the prior says: messages that know help, by amounts that are known."""
    rng = np.random.default_rng(42)
    mass = rng.dirichlet(np.full(CELLS, 0.5))
    knowledge, errors = rng.uniform(0.0, 1.0, (2**BITS, 1)), rng.dirichlet(np.full(CELLS, 0.5), 2**BITS)
    ratios = (knowledge * mass + (1.0 - knowledge) * errors) * CELLS
    return World(mass, noise().prior, mixed(ratios))


@functools.cache
def seldom() -> World:
    """One document in 300 has no probability under the message; all others gain a little, alike."""
    mass = np.full(CELLS, (1.0 - 1 / 300) / (CELLS - 1))
    mass[0] = 1 / 300
    excess = np.full((1, CELLS), -1e-4)
    excess[0, 0] = MIXTURE.top(int(LENGTHS[0]), int(LENGTHS[0]))
    return World(mass, noise().prior, excess)


def draw(rng: np.random.Generator, trials: int, world: World, n: int = N) -> np.ndarray:
    """How often each document was drawn, [trials, cells]."""
    return rng.multinomial(n, world.mass, size=trials)


def too_good(counts: np.ndarray, world: World) -> np.ndarray:
    """The message that looks too good by most on each data set, [trials]."""
    n = counts.sum(axis=1, keepdims=True)
    mean = counts @ world.excess.T / n
    spread = np.sqrt(np.maximum(counts @ (world.excess**2).T / n - mean**2, 1e-12))
    return ((world.truth - mean) / spread).argmax(axis=1)


def _spread_out(count: np.ndarray, *by_cell: np.ndarray) -> list[np.ndarray]:
    return [np.repeat(values, count) for values in by_cell]


Statement = Callable[[np.ndarray, np.ndarray, float], ExcessBound]


def statement(excess: np.ndarray, prior: np.ndarray, bits: float) -> ExcessBound:
    """What is stated when the rule is kept."""
    return occam_excess(excess, prior, TOP, PRIOR_TOP, bits, DELTA)


def search(
    rng: np.random.Generator,
    trials: int,
    world: World,
    bits: float | None = None,
    state: Statement = statement,
) -> Bools:
    """In which trials the statement on the worst message was false."""
    counts = draw(rng, trials, world)
    chosen, false = too_good(counts, world), np.zeros(trials, dtype=bool)
    for t, (count, message) in enumerate(zip(counts, chosen, strict=True)):
        excess, prior = _spread_out(count, world.excess[message], world.prior)
        found = state(excess, prior, world.bits if bits is None else bits)
        false[t] = is_false(found, world.truth[message], world.prior @ world.mass)
    return false


def is_false(found: ExcessBound, excess: float, prior: float) -> bool:
    return found.excess < excess or found.prior_risk < prior or found.risk < prior + excess


def honest(rng: np.random.Generator, trials: int) -> Bools:
    return search(rng, trials, noise())


def honest_with_signal(rng: np.random.Generator, trials: int) -> Bools:
    return search(rng, trials, signal())


def honest_where_losses_are_rare(rng: np.random.Generator, trials: int) -> Bools:
    return search(rng, trials, seldom(), 0.0)


def one_message_fixed_before(rng: np.random.Generator, trials: int) -> Bools:
    """No bits, nothing searched: the whole of delta is there to be used up."""
    world = signal()
    return search(rng, trials, World(world.mass, world.prior, world.excess[:1], 0.0))


def bits_unpaid(rng: np.random.Generator, trials: int) -> Bools:
    """The message chosen among 2^13, and nothing paid."""
    return search(rng, trials, noise(), 0.0)


def variance_plugged_in(rng: np.random.Generator, trials: int) -> Bools:
    """The observed standard deviation, in a normal's tail: what was never seen does not exist."""

    def state(excess: np.ndarray, prior: np.ndarray, bits: float) -> ExcessBound:
        deviations = math.sqrt(2.0 * (bits * math.log(2.0) + math.log(2.0 / DELTA)) / len(excess))
        upper = float(excess.mean() + excess.std(ddof=1) * deviations)
        prior_risk = mean_upper_bound(prior, PRIOR_TOP, 0.0, DELTA / 2.0)
        return ExcessBound(prior_risk + upper, upper, prior_risk)

    return search(rng, trials, seldom(), 0.0, state)


def top_from_the_data(rng: np.random.Generator, trials: int) -> Bools:
    """The largest excess that was seen, taken for the largest that there can be."""

    def state(excess: np.ndarray, prior: np.ndarray, bits: float) -> ExcessBound:
        return occam_excess(excess, prior, float(excess.max()), PRIOR_TOP, bits, DELTA)

    return search(rng, trials, seldom(), 0.0, state)


def bets_from_the_data(rng: np.random.Generator, trials: int) -> Bools:
    """A bet for each of 16 kinds of documents, those that earn most, and nothing paid for the choice; one message."""
    bets, gains = (
        np.linspace(0.0, 0.98, 50),
        1.0 - 0.9 * (np.arange(2) % 2),
    )  # each document gains much or little
    seen = rng.binomial(N // 16, 0.5, (trials, 16))
    # At the true mean each kind's best wealth is at least 1: together they reject the truth far too often.
    logs = np.log(1.0 - bets[:, None] + bets[:, None] * gains / gains.mean())
    wealth = seen[..., None] * logs[:, 0] + (N // 16 - seen[..., None]) * logs[:, 1]
    return np.asarray(wealth.max(axis=2).sum(axis=1) >= math.log(1.0 / DELTA))


def bets_fixed_before(rng: np.random.Generator, trials: int) -> Bools:
    """The same documents, by the bound itself: honest."""
    seen = rng.binomial(N // 16, 0.5, (trials, 16)).sum(axis=1)
    lower = [mean_lower_bound(np.repeat([1.0, 0.1], [k, 16 * (N // 16) - k]), 0.0, DELTA) for k in seen]
    return np.array(lower) > 0.55


def padding_counted(rng: np.random.Generator, trials: int) -> Bools:
    """Losses divided by the padded length: documents seem easier than they are."""
    world = noise()
    padded = LENGTHS / LONGEST
    counts = draw(rng, trials, world)
    chosen, false = too_good(counts, world), np.zeros(trials, dtype=bool)
    for t, (count, message) in enumerate(zip(counts, chosen, strict=True)):
        excess, prior = _spread_out(count, padded * world.excess[message], padded * world.prior)
        false[t] = is_false(
            statement(excess, prior, world.bits), world.truth[message], world.prior @ world.mass
        )
    return false


def _weights_by_kind(rng: np.random.Generator, trials: int, paid: bool) -> Bools:
    """One model; for each of 32 kinds of documents (two documents each) one of two weights of the prior, as suits."""
    world = noise()
    pairs = np.array([mixed(np.tile([1.9, 0.1], CELLS // 2), Mixture(weight)) for weight in WEIGHTS])
    top = Mixture(min(WEIGHTS)).top(SHORTEST, LONGEST)
    bits = CELLS / 2 if paid else 0.0
    counts, false = draw(rng, trials, world), np.zeros(trials, dtype=bool)
    for t, count in enumerate(counts):
        totals = (pairs * count).reshape(2, -1, 2).sum(axis=2)
        chosen = np.take_along_axis(pairs, totals.argmin(axis=0).repeat(2)[None], axis=0)[0]
        excess, prior = _spread_out(count, chosen, world.prior)
        found = occam_excess(excess, prior, top, PRIOR_TOP, bits, DELTA)
        false[t] = is_false(found, chosen @ world.mass, world.prior @ world.mass)
    return false


def weights_paid(rng: np.random.Generator, trials: int) -> Bools:
    return _weights_by_kind(rng, trials, True)


def mixture_weights_unpaid(rng: np.random.Generator, trials: int) -> Bools:
    """How much the prior weighs, chosen on the training set for each kind of document, in no message."""
    return _weights_by_kind(rng, trials, False)


def _chain(rng: np.random.Generator, trials: int, nested_paid: bool) -> Bools:
    """Level 1 names one of 2^13 codes of level 2 and hardly changes the prior; level 2 then says nothing more."""
    world, slight = noise(), Mixture(0.99).top(SHORTEST, LONGEST)
    counts = draw(rng, trials, world)
    chosen, false = too_good(counts, world), np.zeros(trials, dtype=bool)
    for t, (count, message) in enumerate(zip(counts, chosen, strict=True)):
        excess, prior = _spread_out(count, world.excess[message], world.prior)
        bits = world.bits if nested_paid else 0.0
        levels = [Level(0.0 * excess, slight, bits), Level(excess, TOP, bits)]
        found = chained_excess(levels, prior, PRIOR_TOP, DELTA)
        false[t] = is_false(found, world.truth[message], world.prior @ world.mass)
    return false


def chain_paid(rng: np.random.Generator, trials: int) -> Bools:
    return _chain(rng, trials, True)


def nested_part_unpaid(rng: np.random.Generator, trials: int) -> Bools:
    """The levels before, which the last one needs to be decoded, not paid by it."""
    return _chain(rng, trials, False)


def tokens_as_units(rng: np.random.Generator, trials: int) -> Bools:
    """Five tokens of each document counted as if they were independent."""

    def state(excess: np.ndarray, prior: np.ndarray, bits: float) -> ExcessBound:
        return statement(np.repeat(excess, 5), np.repeat(prior, 5), bits)

    return search(rng, trials, noise(), state=state)


def drawn_from_a_pool(rng: np.random.Generator, trials: int) -> Bools:
    """A pool of 400 documents of any make-up, which the prior has seen; half of them drawn at random: honest."""
    world, make = noise(), np.random.default_rng(43)
    pool = make.multinomial(2 * N, make.dirichlet(np.ones(CELLS)))
    whole = World(pool / pool.sum(), world.prior, world.excess)
    counts = rng.multivariate_hypergeometric(pool, N, size=trials)
    false = np.zeros(trials, dtype=bool)
    for t, (count, message) in enumerate(zip(counts, too_good(counts, whole), strict=True)):
        (excess,) = _spread_out(count, world.excess[message])
        false[t] = pool_upper_bound(excess, TOP, 2 * N, BITS, DELTA) < whole.truth[message]
    return false


def pool_seen_after_the_draw(rng: np.random.Generator, trials: int) -> Bools:
    """A prior that was trained on those documents of the pool that were drawn, and not on the others."""
    losses = rng.uniform(1.0, PRIOR_TOP, (trials, 2 * N))
    losses[:, :N] *= 0.5
    bounds = [pool_upper_bound(row[:N], PRIOR_TOP, 2 * N, 0.0, DELTA) for row in losses]
    return np.array(bounds) < losses.mean(axis=1)


HONEST: dict[str, Learner] = {
    learner.__name__: learner
    for learner in (
        honest,
        honest_with_signal,
        honest_where_losses_are_rare,
        one_message_fixed_before,
        bets_fixed_before,
        weights_paid,
        chain_paid,
        drawn_from_a_pool,
    )
}

LEAKS: dict[str, Learner] = {
    leak.__name__: leak
    for leak in (
        bits_unpaid,
        variance_plugged_in,
        top_from_the_data,
        bets_from_the_data,
        padding_counted,
        mixture_weights_unpaid,
        nested_part_unpaid,
        tokens_as_units,
        pool_seen_after_the_draw,
    )
}


def violations(name: str, seed: int, trials: int) -> Bools:
    """In which trials the named learner stated something false."""
    return violations_of((HONEST | LEAKS)[name], seed, trials, CHUNK)


def main() -> None:
    parser = argparse.ArgumentParser(description="How often statements on language models are false.")
    parser.add_argument("--trials", type=int, default=1000, help="data sets drawn for each row")
    trials = parser.parse_args().trials
    print(f"delta = {DELTA}; {2**BITS:,} messages; {N} documents; {trials:,} data sets a row; 99.9 % limits")
    print_rates(HONEST, LEAKS, trials, CHUNK)


if __name__ == "__main__":
    main()
