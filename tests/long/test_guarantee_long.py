"""The guarantee by simulation, long version: pytest -m long tests/long/test_guarantee.py"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import violation_rates

sys.path.insert(0, str(Path(__file__).parent.parent))

import guarantee

from transferbound.bounds import catoni, hoeffding, mcallester, occam_binomial, occam_kl, pac_bayes_kl

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", guarantee.HONEST)
def test_bound_holds_when_the_rule_is_kept(name):
    missed = guarantee.violations(name, 2, 20_000)
    assert violation_rates.upper_limit(missed, 0.99999) < guarantee.DELTA


@pytest.mark.parametrize("bound", [occam_binomial, occam_kl, catoni, pac_bayes_kl, mcallester, hoeffding])
@pytest.mark.parametrize("spread", [0.1, 0.5, 2.0, 20.0])
def test_every_bound_holds_with_any_signal(bound, spread):
    noise = np.random.default_rng(21).beta(spread, spread, guarantee.CELLS)
    rng = np.random.default_rng(3)
    missed = np.concatenate([guarantee.honest(rng, 250, noise, bound) for _ in range(20)])
    assert violation_rates.upper_limit(missed, 0.99999) < guarantee.DELTA


@pytest.mark.parametrize("name", guarantee.LEAKS)
def test_bound_fails_when_the_rule_is_broken(name):
    missed = guarantee.violations(name, 2, 5000)
    assert violation_rates.lower_limit(missed, 0.99999) > guarantee.DELTA
