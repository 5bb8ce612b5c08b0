"""Random and mutated cards into their check: one line for each problem, or our text first and our results."""

from __future__ import annotations

from pathlib import Path

from fuzz_texts import feed_card
from short_certificates import of_one_class, of_pictures

from transferbound.certificate.certificate import Certificate


def test_hundreds_of_strings(tmp_path: Path) -> None:
    for folder in (of_pictures().folder, of_one_class().folder):
        outcomes = feed_card(tmp_path, Certificate.from_pretrained(folder), 300, seed=1)
        assert outcomes.total() == 300
        assert outcomes["refused"] > 250
        assert outcomes["accepted"]
