"""The grid: nearest levels, straight-through gradients, steps that a message can name."""

from __future__ import annotations

import math

import pytest
import torch

from transferbound.errors import ArgumentError
from transferbound.message import step_size
from transferbound.subspace.quantizer import Quantizer


def active(levels: int = 3, step: float = 0.1, **more: float) -> Quantizer:
    quantizer = Quantizer(levels, step, **more)
    quantizer.active = True
    return quantizer


def test_warm_up_is_the_identity() -> None:
    w = torch.randn(20)
    assert torch.equal(Quantizer()(w), w)


@pytest.mark.parametrize("levels", [3, 5, 7, 255])
def test_forward_gives_levels_times_the_step_and_agrees_with_the_integers(levels: int) -> None:
    quantizer = active(levels)
    w = 3 * torch.randn(500, generator=torch.Generator().manual_seed(0))
    q = torch.from_numpy(quantizer.integers(w))
    assert q.dtype == torch.int64
    assert int(q.abs().max()) <= (levels - 1) // 2
    assert torch.allclose(quantizer(w).detach(), q * quantizer.log_step.exp().detach(), rtol=1e-6)


def test_the_nearest_level_is_taken() -> None:
    q = active(5, 1.0).integers(torch.tensor([0.0, 0.49, 0.51, -0.51, 1.4, 1.6, -9.0]))
    assert q.tolist() == [0, 0, 1, -1, 1, 2, -2]


def test_a_threshold_above_one_half_is_a_dead_zone() -> None:
    q = active(3, 1.0, threshold=0.7).integers(torch.tensor([0.6, -0.69, 0.71, -0.8, 2.0]))
    assert q.tolist() == [0, 0, 1, -1, 1]


def test_gradients_pass_inside_the_grid_and_stop_outside() -> None:
    w = torch.tensor([0.02, -0.08, 0.3, -0.3], requires_grad=True)
    active(3, 0.1)(w).sum().backward()
    assert torch.allclose(w.grad, torch.tensor([1.0, 1.0, 0.0, 0.0]))


def test_the_steps_gradient_is_that_of_learned_step_size_quantization() -> None:
    """d/ds (s round(w / s)) = round(w/s) - w/s inside, the level itself outside (Esser et al. 2020, eq. 3)."""
    for value, expected in ((0.13, 1 - 1.3), (0.5, 2.0), (-0.5, -2.0)):
        quantizer = active(5, 0.1)
        quantizer(torch.tensor([value])).sum().backward()
        gradient = float(quantizer.log_step.grad) / 0.1  # with respect to the step, not its logarithm
        assert gradient == pytest.approx(expected, rel=1e-5)


def test_snapped_steps_are_those_of_the_message() -> None:
    for step in (1e-3, 0.07, 0.1, 0.9, 3.0):
        quantizer = active(3, step)
        quantizer.snap_step()
        assert not quantizer.log_step.requires_grad
        assert float(quantizer.log_step.exp()) == pytest.approx(step_size(quantizer.exponent), rel=1e-6)
        assert abs(math.log2(step_size(quantizer.exponent) / step)) <= 0.125 + 1e-6


def test_step_sizes_are_quarter_powers_of_two() -> None:
    for exponent in range(-256, 257):
        assert step_size(exponent) == pytest.approx(2.0 ** (exponent / 4), rel=1e-15)
        assert step_size(exponent + 4) == 2 * step_size(exponent)
    assert step_size(0) == 1.0
    assert step_size(2) == math.sqrt(2)


@pytest.mark.parametrize("levels", [-1, 0, 1, 2, 4, 256])
def test_levels_that_have_no_zero(levels: int) -> None:
    with pytest.raises(ArgumentError, match=f"levels is {levels}"):
        Quantizer(levels)


@pytest.mark.parametrize("step", [0.0, -1.0, math.nan, math.inf])
def test_steps_that_are_none(step: float) -> None:
    with pytest.raises(ArgumentError, match="step is"):
        Quantizer(3, step)


def test_fixing_takes_what_lies_beyond_the_grid_and_then_the_nearest() -> None:
    quantizer = Quantizer(3, step=1.0)
    quantizer.active = True
    w = torch.tensor([0.4, 2.5, -0.1, 0.8, -1.3])
    order = [1, 4, 2, 3, 0]
    for count in range(1, 6):
        quantizer.fix(w, count / 5)
        assert quantizer.fixed is not None
        assert sorted(quantizer.fixed.nonzero().flatten().tolist()) == sorted(order[:count])
    assert w.tolist() == [0.0, 1.0, 0.0, 1.0, -1.0]


def test_fixed_coordinates_have_no_gradient_and_the_others_are_real() -> None:
    quantizer = Quantizer(3, step=1.0)
    quantizer.active = True
    w = torch.tensor([0.4, 0.1], requires_grad=True)
    quantizer.fix(w, 0.5)
    out = quantizer(w)
    assert out.tolist() == pytest.approx([0.4, 0.0])
    out.sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [1.0, 0.0]
