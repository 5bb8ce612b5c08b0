"""The guarantee by simulation for sparse heads: pytest -m long tests/long/test_head_guarantee_long.py

A case fails where its number of violations would have a chance of less than 0.1 % at a rate of delta.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

import head_guarantee

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", head_guarantee.HONEST)
def test_a_bound_holds_when_the_rule_is_kept(name: str) -> None:
    assert not head_guarantee.surely_above(head_guarantee.violations(name, 2, 250))


@pytest.mark.parametrize("name", head_guarantee.BROKEN)
def test_a_bound_fails_when_the_rule_is_broken(name: str) -> None:
    assert head_guarantee.surely_above(head_guarantee.violations(name, 2, 200))
