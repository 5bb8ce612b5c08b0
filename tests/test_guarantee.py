"""The guarantee by simulation, quick version; the long one is in tests/long."""

from __future__ import annotations

import guarantee
import pytest
import violation_rates


@pytest.mark.parametrize("name", guarantee.HONEST)
def test_bound_holds_when_the_rule_is_kept(name):
    missed = guarantee.violations(name, 1, 600)
    assert violation_rates.upper_limit(missed) < guarantee.DELTA


@pytest.mark.parametrize("name", guarantee.LEAKS)
def test_bound_fails_when_the_rule_is_broken(name):
    missed = guarantee.violations(name, 1, 300)
    assert violation_rates.lower_limit(missed) > guarantee.DELTA


def test_naive_inversion_is_wrong_where_the_issue_was_found():
    assert guarantee.naive_inverse(6812, 50_000, 8488.09, 0.05) < 0.25
    assert guarantee.naive_inverse(10, 100, 5.0, 0.05) == pytest.approx(
        float(guarantee.occam_binomial(10, 100, 5.0, 0.05)), rel=1e-9
    )


def test_the_space_of_messages_has_mass_at_most_one():
    bits = guarantee.space().bits
    assert len(bits) > 5000
    assert (0.5**bits).sum() == pytest.approx(1.0)
