"""The guarantee of language models by simulation, quick version; the long one is in tests/long."""

from __future__ import annotations

import language_guarantee
import numpy as np
import pytest
import violation_rates


@pytest.mark.parametrize("name", language_guarantee.HONEST)
def test_a_statement_holds_when_the_rule_is_kept(name: str) -> None:
    missed = language_guarantee.violations(name, 1, 150)
    assert violation_rates.upper_limit(missed) < language_guarantee.DELTA


@pytest.mark.parametrize("name", language_guarantee.LEAKS)
def test_a_statement_fails_when_the_rule_is_broken(name: str) -> None:
    missed = language_guarantee.violations(name, 1, 50)
    assert violation_rates.lower_limit(missed) > language_guarantee.DELTA


def test_no_message_helps_in_the_world_of_noise() -> None:
    world = language_guarantee.noise()
    assert len(world.excess) == 2**language_guarantee.BITS
    assert (world.truth > 0.0).all()
    assert (world.excess <= language_guarantee.TOP).all()
    # And in the other world some do, by much.
    assert language_guarantee.signal().truth.min() < -0.1
    assert np.isclose(language_guarantee.signal().mass.sum(), 1.0)
