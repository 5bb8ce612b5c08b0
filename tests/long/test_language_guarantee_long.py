"""The guarantee of language models by simulation: pytest -m long tests/long/test_language_guarantee_long.py"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import violation_rates

sys.path.insert(0, str(Path(__file__).parent.parent))

import language_guarantee

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", language_guarantee.HONEST)
def test_a_statement_holds_when_the_rule_is_kept(name: str) -> None:
    missed = language_guarantee.violations(name, 2, 4000)
    assert violation_rates.upper_limit(missed, 0.99999) < language_guarantee.DELTA


@pytest.mark.parametrize("name", language_guarantee.LEAKS)
def test_a_statement_fails_when_the_rule_is_broken(name: str) -> None:
    missed = language_guarantee.violations(name, 2, 1000)
    assert violation_rates.lower_limit(missed, 0.99999) > language_guarantee.DELTA
