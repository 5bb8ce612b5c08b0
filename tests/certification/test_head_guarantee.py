"""The guarantee by simulation for sparse heads, quick version; the long one is in tests/long.

That certification itself refuses what the negative controls put in, or counts it truly, is shown where that is at home:
rows that see their batch in ``tests/risks/test_alone.py``, a prior of the training rows in
``tests/independence/test_short_rows.py`` and ``test_reference_overlap.py``, a part of the decoder that is in no
fingerprint in ``tests/priors/test_prior_files.py``.
"""

from __future__ import annotations

import head_guarantee
import pytest


@pytest.mark.parametrize("name", head_guarantee.HONEST)
def test_a_bound_holds_when_the_rule_is_kept(name: str) -> None:
    assert not head_guarantee.surely_above(head_guarantee.violations(name, 1, 15))


@pytest.mark.parametrize("name", head_guarantee.BROKEN)
def test_a_bound_fails_when_the_rule_is_broken(name: str) -> None:
    assert head_guarantee.surely_above(head_guarantee.violations(name, 1, 15))
