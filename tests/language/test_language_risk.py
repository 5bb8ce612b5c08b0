"""The guarantee of the risk that certificates are made with, by simulation; and what happens when a rule is broken.

There are 64 possible documents, whose probability is known, so that what a message costs on new ones is a finite sum.
The learner knows the truth too, and takes the message and the mixture that look too good by most; the bound is for all
of them at once. ``LEAKS`` are the same learner with one mistake each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from scipy import stats

from transferbound.bounds import ExcessBound, Level
from transferbound.risks.bits_per_token import BitsPerToken, with_uniform
from transferbound.risks.units import Rows

DELTA, N, CELLS, VOCABULARY = 0.05, 200, 64, 4
MESSAGES, MIXES = 2**13, (1, 3, 6)
BITS = 13.0 + 5.0 + 1.0

Bools = np.ndarray


@dataclass(frozen=True)
class World:
    """Probability, tokens and log2 p of the checkpoint [cells], and log2 p of each message [messages, cells]."""

    mass: np.ndarray
    lengths: np.ndarray
    prior: np.ndarray
    models: np.ndarray
    least: int

    def risk(self, rows: np.ndarray, mix: int) -> BitsPerToken:
        """As the pipeline makes it, for documents ``rows``."""
        mixed = with_uniform(self.prior[rows], self.lengths[rows], VOCABULARY)
        return BitsPerToken(mixed, self.lengths[rows], mix, VOCABULARY, self.least, Rows(len(rows)))

    def losses(self, mix: int) -> tuple[np.ndarray, np.ndarray]:
        """Bits per token of each possible document: of the prior [cells], and of each message's mixture."""
        risk = self.risk(np.arange(CELLS), mix)
        return risk.prior_losses, np.stack([risk.mixture(model) for model in self.models])


@cache
def noise() -> World:
    """Each message lifts one half of the documents and lowers the other, and none of it means anything."""
    lengths = 2 + np.arange(CELLS) % 7
    prior = -lengths * np.random.default_rng(1).uniform(1.0, 3.0, CELLS)
    halves = np.random.default_rng(2).permuted(np.tile(np.arange(CELLS) % 2, (MESSAGES, 1)), axis=1)
    return World(np.full(CELLS, 1 / CELLS), lengths, prior, prior + np.log2(0.1 + 1.8 * halves), 2)


@cache
def seldom() -> World:
    """One document in 300 is short, and has no probability to speak of, least of all under the only message."""
    mass = np.full(CELLS, (1 - 1 / 300) / (CELLS - 1))
    mass[0] = 1 / 300
    lengths = np.full(CELLS, 32)
    lengths[0] = 1
    prior = -1.0 * lengths
    prior[0] = -40.0
    models = prior[None] + 1e-3
    models[0, 0] = -500.0
    return World(mass, lengths, prior, models, 1)


@cache
def signal() -> World:
    """Messages that know what is drawn: they help."""
    world = noise()
    return replace(world, models=world.prior + np.random.default_rng(3).uniform(0.5, 3.0, (MESSAGES, CELLS)))


@cache
def losses_of(name: str) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    return {mix: WORLDS[name]().losses(mix) for mix in MIXES}


WORLDS: dict[str, Callable[[], World]] = {"noise": noise, "seldom": seldom, "signal": signal}
State = Callable[[World, np.ndarray, np.ndarray, int], ExcessBound]


def stated(world: World, rows: np.ndarray, model: np.ndarray, mix: int, bits: float = BITS) -> ExcessBound:
    """What the pipeline states of a message on documents ``rows``."""
    risk = world.risk(rows, mix)
    return risk.bounds([risk.level(risk.mixture(model[rows]), bits)], DELTA)


def violations(name: str, trials: int, state: State = stated, seed: int = 0) -> Bools:
    """In which trials one of the three statements was false."""
    world, random, false = WORLDS[name](), np.random.default_rng(seed), np.zeros(trials, dtype=bool)
    for trial in range(trials):
        counts = random.multinomial(N, world.mass)
        mix, message = worst(name, counts)
        prior, after = losses_of(name)[mix]
        found = state(world, np.repeat(np.arange(CELLS), counts), world.models[message], mix)
        risk, before = float(after[message] @ world.mass), float(prior @ world.mass)
        false[trial] = found.risk < risk or found.excess < risk - before or found.prior_risk < before
    return false


def worst(name: str, counts: np.ndarray) -> tuple[int, int]:
    """Mixture and message that look too good by most, in standard deviations."""
    world, best = WORLDS[name](), (-np.inf, MIXES[0], 0)
    for mix in MIXES:
        prior, after = losses_of(name)[mix]
        excess = after - prior
        mean = excess @ counts / N
        spread = np.sqrt(np.maximum(excess**2 @ counts / N - mean**2, 1e-12))
        gap = (excess @ world.mass - mean) / spread
        best = max(best, (float(gap.max()), mix, int(gap.argmax())))
    return best[1], best[2]


# Mistakes -----------------------------------------------------------------------------------------------


def bits_unpaid(world: World, rows: np.ndarray, model: np.ndarray, mix: int) -> ExcessBound:
    return stated(world, rows, model, mix, bits=0.0)


def least_from_the_data(world: World, rows: np.ndarray, model: np.ndarray, mix: int) -> ExcessBound:
    return stated(replace(world, least=int(world.lengths[rows].min())), rows, model, mix)


def top_from_the_data(world: World, rows: np.ndarray, model: np.ndarray, mix: int) -> ExcessBound:
    risk = world.risk(rows, mix)
    excess = risk.mixture(model[rows]) - risk.prior_losses
    return risk.bounds([Level(excess, float(excess.max()) + 1e-9, BITS)], DELTA)


def padding_counted(world: World, rows: np.ndarray, model: np.ndarray, mix: int) -> ExcessBound:
    risk = replace(world.risk(rows, mix), lengths=np.full(len(rows), world.lengths.max()))
    return risk.bounds([risk.level(risk.mixture(model[rows]), BITS)], DELTA)


def prior_by_the_finetuned_model(world: World, rows: np.ndarray, model: np.ndarray, mix: int) -> ExcessBound:
    return stated(replace(world, prior=model), rows, model, mix)


def no_uniform_part(world: World, rows: np.ndarray, model: np.ndarray, mix: int) -> ExcessBound:
    """Nothing limits what the prior's loss can be, and the bound has it limited."""
    risk = replace(world.risk(rows, mix), prior=world.prior[rows])
    return risk.bounds([risk.level(risk.mixture(model[rows]), BITS)], DELTA)


LEAKS: dict[str, tuple[State, str]] = {
    "bits unpaid": (bits_unpaid, "noise"),
    "least from the data": (least_from_the_data, "seldom"),
    "top from the data": (top_from_the_data, "seldom"),
    "padding counted": (padding_counted, "noise"),
    "prior by the finetuned model": (prior_by_the_finetuned_model, "signal"),
}


def allowed(trials: int) -> int:
    return int(stats.binom.ppf(0.9999, trials, DELTA))


@pytest.mark.parametrize("name", WORLDS)
def test_a_learner_that_knows_the_truth_breaks_no_bound_too_often(name: str) -> None:
    assert violations(name, 40).sum() <= allowed(40)


@pytest.mark.parametrize("what", LEAKS)
def test_each_mistake_shows(what: str) -> None:
    state, name = LEAKS[what]
    assert violations(name, 30, state).sum() > allowed(30)


def test_the_uniform_part_limits_the_priors_loss() -> None:
    """Whatever the checkpoint says: log2 V + 7 / L bits a token, and next to nothing where it is right."""
    lengths = np.array([1, 4, 50])
    for log2 in (-1e4, -np.inf):
        found = -with_uniform(np.full(3, log2), lengths, VOCABULARY) / lengths
        assert np.allclose(found, 2.0 + 7.0 / lengths)
    risk = noise().risk(np.arange(CELLS), 3)
    assert risk.largest_prior_loss == pytest.approx(2.0 + 7.0 / 2)
    assert (risk.prior_losses <= risk.largest_prior_loss).all()
    costs = with_uniform(np.array([-8.0]), np.array([10]), VOCABULARY) + 8.0
    assert -0.012 < float(costs[0]) < 0.0
    unlimited = no_uniform_part(seldom(), np.zeros(N, dtype=np.int64), seldom().models[0], 3)
    assert unlimited.prior_risk < 40.0  # its losses were cut to a limit that does not hold


def test_the_top_of_a_level_is_the_mixtures() -> None:
    """However unlikely a document under the message, its excess is at most that of the weight of the prior."""
    world = noise()
    for mix in MIXES:
        risk = world.risk(np.arange(CELLS), mix)
        level = risk.level(risk.mixture(np.full(CELLS, -1e6)), BITS)
        assert level.top == mix / world.least
        assert np.allclose(level.excess, mix / world.lengths)
        assert risk.level(risk.mixture(world.prior), BITS).top == level.top


@pytest.mark.long
@pytest.mark.parametrize("name", WORLDS)
def test_thousands_of_draws(name: str) -> None:
    assert violations(name, 2000, seed=1).sum() <= allowed(2000)
