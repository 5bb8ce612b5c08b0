"""Principal components of reference inputs: what the layer gives, and when there are not so many."""

from __future__ import annotations

import pytest
import torch

from transferbound.errors import ArgumentError
from transferbound.priors import principal

DEVIATIONS = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.5, 0.25])


def features(rows: int = 500) -> torch.Tensor:
    """[rows, 6] around 3, with the standard deviations above in directions of their own."""
    generator = torch.Generator().manual_seed(0)
    turned = torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
    return (torch.randn(rows, 6, generator=generator) * DEVIATIONS + 3) @ turned


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_layer_gives_the_leading_components(power: float) -> None:
    maps = features()
    weight, bias = principal(maps, 3, power)
    assert (weight.shape, bias.shape) == ((3, 6), (3,))
    assert weight.dtype == bias.dtype == torch.float32
    seen = maps @ weight.T + bias
    torch.testing.assert_close(seen.mean(0), torch.zeros(3), atol=1e-3, rtol=0)
    covariance = torch.cov(seen.T)
    deviations = covariance.diagonal().sqrt()
    torch.testing.assert_close(covariance, torch.diag(deviations**2), atol=1e-3, rtol=0)
    shares = (DEVIATIONS[:3] / DEVIATIONS[0]) ** power
    torch.testing.assert_close(deviations / deviations[0], shares, rtol=0.1, atol=0)
    assert (deviations**2).mean().item() == pytest.approx(1.0, rel=1e-4)


def test_without_a_power_every_component_is_alike() -> None:
    maps = features()
    weight, bias = principal(maps, 6)
    torch.testing.assert_close(torch.cov((maps @ weight.T + bias).T), torch.eye(6), atol=1e-3, rtol=0)


def test_it_is_computed_in_float64() -> None:
    """A large mean takes no digits from the directions: the layer is that of the features in double precision."""
    maps = features().double() + 1e6
    weight, _ = principal(maps, 3)
    torch.testing.assert_close(weight.abs(), principal(maps - 1e6, 3)[0].abs(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [0, -1, 7])
def test_no_more_components_than_features(count: int) -> None:
    with pytest.raises(ArgumentError, match=f"count is {count}.*1 to 6 components"):
        principal(features(), count)


def test_no_more_components_than_the_rows_span() -> None:
    """Eigenvalues that are rounding alone would blow up noise."""
    assert torch.isfinite(principal(features(4), 3)[0]).all()
    with pytest.raises(ArgumentError, match="reference inputs with 6 features span 3 directions"):
        principal(features(4), 4)
    with pytest.raises(ArgumentError, match="span 2 directions"):
        principal(features()[:, :2].repeat(1, 3), 3)


def test_features_that_are_not_numbers() -> None:
    maps = features()
    maps[3, 2] = float("nan")
    with pytest.raises(ArgumentError, match="not all finite"):
        principal(maps, 2)
