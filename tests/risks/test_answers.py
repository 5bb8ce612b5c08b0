"""Answers row by row: wrong exactly where errors are counted, whatever the batch size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_evaluate import Given, Rows, image_bench

from transferbound.errors import ArgumentError
from transferbound.risks.answers import NO_ANSWER, answers_of
from transferbound.risks.counting import count_errors
from transferbound.risks.trial import CLOSE_CALL

CLOSE = 0.1 * CLOSE_CALL
INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize("noise", [0.0, 3 * CLOSE])
@pytest.mark.parametrize("batch_size", [1, 3, 250])
def test_wrong_answers_are_the_errors_that_are_counted(noise: float, batch_size: int) -> None:
    """Clear calls, close ones, ties, near ties, and what is no number; with each label."""
    pairs = [[1.0, 2.0], [1.0 + CLOSE, 1.0], [1.0, 1.0 + CLOSE], [1.0, 1.0], [1.0, 1.0 + 1e-12]]
    pairs += [[1.0 + 1e-7, 1.0], [NAN, 1.0], [3.0, NAN], [INF, 1.0], [-INF, 1.0], [INF, INF], [5.0, -2.0]]
    labels = [0] * len(pairs) + [1] * len(pairs)
    rows = Rows(torch.tensor(pairs * 2, dtype=torch.float64), labels)
    found = answers_of(Given(noise), rows, 2, batch_size=batch_size)
    count = count_errors(Given(noise), rows, batch_size=batch_size)
    assert (found.classes != np.array(labels)).tolist() == count.wrong.tolist()
    assert found.classes[: len(pairs)].tolist() == found.classes[len(pairs) :].tolist()
    silent = [3, 4, 6, 7, 8, 9, 10]
    assert np.flatnonzero(found.classes[: len(pairs)] == NO_ANSWER).tolist() == silent
    said = found.classes != NO_ANSWER
    assert (found.logits.argmax(1)[said] == found.classes[said]).all()


def test_of_many_classes_the_best_two_count() -> None:
    random = np.random.default_rng(0)
    logits = torch.from_numpy(random.normal(0, 1, (300, 7)).round(1))  # many ties
    labels = random.integers(0, 7, 300).tolist()
    rows = Rows(logits, labels)

    class Seven(Given):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.to(self.anchor.dtype)

    found = answers_of(Seven(), rows, 7)
    assert 0 < (found.classes == NO_ANSWER).sum() < 300
    assert (found.classes != np.array(labels)).tolist() == count_errors(Seven(), rows).wrong.tolist()


def test_a_network() -> None:
    module, data = image_bench()
    wrong = count_errors(module, data).wrong
    for batch_size in (1, 7, 250):
        found = answers_of(module, data, 2, batch_size=batch_size)
        assert (found.classes != data.labels.numpy()).tolist() == wrong.tolist()
    with pytest.raises(ArgumentError, match="batch_size is 0"):
        answers_of(module, data, 2, batch_size=0)
