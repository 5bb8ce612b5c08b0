"""Batches of a pass without gradients: every row once, little padding, and no more than a CPU's caches hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from transferbound.data.batches import evaluation_batches, evaluation_order
from transferbound.data.encoded import EncodedData

CPU, ELSEWHERE = torch.device("cpu"), torch.device("meta")


class Rows(EncodedData):
    """Rows of which only the lengths are known; None: images."""

    def __init__(self, n: int, lengths: np.ndarray | None) -> None:
        super().__init__(np.zeros(n))
        self.lengths = lengths

    def batch(self, indices: object, device: object = None) -> dict[str, torch.Tensor]:
        raise NotImplementedError


def pictures(n: int, side: int) -> Rows:
    rows = Rows(n, None)
    rows.side = side
    return rows


@pytest.mark.parametrize(("side", "most"), [(32, 64), (256, 64), (512, 16), (1024, 4)])
def test_large_pictures_come_few_at_a_time(side: int, most: int) -> None:
    rows = pictures(100, side)
    batches = list(evaluation_batches(rows, evaluation_order(rows), 250, CPU))
    assert max(map(len, batches)) == most
    assert np.concatenate(batches).tolist() == list(range(100))


def texts(n: int, longest: int) -> Rows:
    return Rows(n, np.random.default_rng(0).integers(1, longest + 1, n))


@pytest.mark.parametrize("device", [CPU, ELSEWHERE])
@pytest.mark.parametrize(
    "data", [Rows(333, None), texts(333, 40), texts(333, 2000)], ids=["images", "texts", "long"]
)
@pytest.mark.parametrize("batch_size", [1, 7, 250, 1000])
def test_every_row_comes_once_in_order(data: Rows, device: torch.device, batch_size: int) -> None:
    order = evaluation_order(data)
    assert sorted(order) == list(range(data.n))
    batches = list(evaluation_batches(data, order, batch_size, device))
    assert all(0 < len(batch) <= batch_size for batch in batches)
    np.testing.assert_array_equal(np.concatenate(batches), order)


def test_the_longest_texts_come_first_and_images_as_they_stand() -> None:
    data = texts(50, 9)
    assert data.lengths is not None
    assert (np.diff(data.lengths[evaluation_order(data)]) <= 0).all()
    np.testing.assert_array_equal(evaluation_order(Rows(5, None)), np.arange(5))


@pytest.mark.parametrize("shuffled", [False, True])
def test_on_a_cpu_a_batch_fits_its_caches(shuffled: bool) -> None:
    assert [len(b) for b in evaluation_batches(Rows(150, None), np.arange(150), 250, CPU)] == [64, 64, 22]
    data = texts(400, 600)
    assert data.lengths is not None
    rows = np.random.default_rng(1).permutation(400) if shuffled else evaluation_order(data)
    batches = list(evaluation_batches(data, rows, 250, CPU))
    padded = [len(batch) * int(data.lengths[batch].max()) for batch in batches]
    assert all(tokens <= 512 or len(batch) == 1 for tokens, batch in zip(padded, batches, strict=True))
    assert len(batches) < 400  # short ones do stand together
    assert all(len(set(data.lengths[batch])) == 1 for batch in batches)  # nothing is padded
    assert len(list(evaluation_batches(data, rows, 250, ELSEWHERE))) == len(set(data.lengths))


def test_no_rows_make_no_batch() -> None:
    for data in (Rows(3, None), texts(3, 5)):
        assert list(evaluation_batches(data, np.arange(0), 10, CPU)) == []
