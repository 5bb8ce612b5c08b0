"""One number of errors: whatever the batch size, the order or the threads; ties and non-numbers are errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import save_rows
from spine_fixtures import bright_rows, text_data, world
from torch import nn

from transferbound import LabelledData, Prior
from transferbound.data.encode import encode
from transferbound.data.encoded import EncodedData
from transferbound.risks.counting import count_errors
from transferbound.risks.trial import CLOSE_CALL


class Rows(EncodedData):
    """Given logits, row by row."""

    def __init__(self, logits: torch.Tensor, labels: list[int]) -> None:
        super().__init__(np.array(labels))
        self.logits = logits

    def batch(self, indices, device=None):
        return {"x": self.logits[torch.as_tensor(np.asarray(indices))]}


class Given(nn.Module):
    """Logits as they come, with an error of float32's size that is gone in float64."""

    def __init__(self, noise: float = 0.0) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.noise = noise

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.anchor.dtype == torch.float64:
            return x.double()
        return x.float() + self.noise * torch.eye(2)[1][None, :]


def wrong(logits: list[list[float]], labels: list[int], noise: float = 0.0) -> list[bool]:
    rows = torch.tensor(logits, dtype=torch.float64)
    return count_errors(Given(noise), Rows(rows, labels)).wrong.tolist()


def test_ties_are_errors() -> None:
    assert wrong([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]], [0, 1, 0]) == [True, True, True]


def test_near_ties_in_float64_are_errors_whatever_their_sign() -> None:
    assert wrong([[1.0, 1.0 + 1e-12], [1.0 + 1e-12, 1.0], [1.0 + 1e-7, 1.0]], [1, 0, 0]) == [
        True,
        True,
        False,
    ]


def test_close_calls_are_settled_in_float64() -> None:
    close = 0.1 * CLOSE_CALL
    logits, labels = [[1.0 + close, 1.0], [1.0, 1.0 + close]], [0, 1]
    assert wrong(logits, labels) == [False, False]
    assert wrong(logits, labels, noise=3 * close) == [
        False,
        False,
    ]  # float32 alone would call the first wrong
    count = count_errors(
        Given(), Rows(torch.tensor([*logits, [5.0, 1.0]], dtype=torch.float64), [*labels, 0])
    )
    assert count.close_calls == 2


def test_clear_calls_stay_in_float32() -> None:
    assert wrong([[1.0, 2.0]], [0], noise=0.0) == [True]
    assert wrong([[2.0, 1.0]], [0], noise=0.0) == [False]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 1])
def test_logits_that_are_not_numbers_are_errors(bad: float, place: int) -> None:
    row = [3.0, 1.0]
    row[place] = bad
    assert wrong([row], [0]) == [True]


def test_a_close_call_that_turns_into_no_number_is_an_error() -> None:
    class Breaks(Given):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.anchor.dtype == torch.float64:
                return x.double() * torch.tensor([1.0, float("nan")])
            return x.float()

    rows = Rows(torch.tensor([[1.0 + 1e-5, 1.0]], dtype=torch.float64), [0])
    assert count_errors(Breaks(), rows).errors == 1


def image_bench() -> tuple[nn.Module, EncodedData]:
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = LabelledData.load(str(world() / "bright-squares"))
    return prior.build(2, head_seed=5, input_size=32), encode(prior.preprocessing(32), data, progress=False)


def text_bench(prior: Path, folder: Path) -> tuple[nn.Module, EncodedData]:
    checkpoint = Prior.from_pretrained(str(prior))
    data = LabelledData.load(str(text_data(folder, n=60)))
    return checkpoint.build(2, head_seed=5), encode(checkpoint.preprocessing(), data, progress=False)


@pytest.fixture(params=["image", "text"])
def bench(request: pytest.FixtureRequest, tiny_bert: Path, tmp_path: Path) -> tuple[nn.Module, EncodedData]:
    return image_bench() if request.param == "image" else text_bench(tiny_bert, tmp_path)


def test_the_same_rows_are_wrong_whatever_the_batches_order_and_threads(
    bench: tuple[nn.Module, EncodedData],
) -> None:
    module, encoded = bench
    threads = torch.get_num_threads()
    reference = count_errors(module, encoded).wrong
    assert 0 < reference.sum() < encoded.n
    shuffled = np.random.default_rng(0).permutation(encoded.n)
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for batch_size in (1, 7, 256):
                for order in (None, shuffled):
                    found = count_errors(module, encoded, batch_size=batch_size, order=order).wrong
                    assert np.array_equal(found, reference)
    finally:
        torch.set_num_threads(threads)


def test_a_module_in_train_mode_is_put_into_eval_mode() -> None:
    module, encoded = image_bench()
    reference = count_errors(module, encoded).wrong
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert np.array_equal(count_errors(module.train(), encoded).wrong, reference)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not module.training


def test_a_network_of_equal_logits_is_all_wrong(tmp_path: Path) -> None:
    """A head of zeros answers nothing; it does not get the class 0 for free."""
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = LabelledData.load(str(save_rows(tmp_path, bright_rows(20))))
    count = count_errors(prior.build(2), encode(prior.preprocessing(32), data, progress=False))
    assert count.errors == count.n == 20
