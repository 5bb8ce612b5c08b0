"""Fixed maps of features: what they compute, and that they are the same everywhere."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from transferbound import Prior
from transferbound.errors import OutputError, PriorError
from transferbound.priors import export_fixed
from transferbound.priors.architectures.filters import gabor_bank


@pytest.fixture(scope="module")
def prior() -> Prior:
    return Prior.from_pretrained("fixed/transferbound_filters")


def test_a_fixed_map_is_a_prior(prior: Prior) -> None:
    assert prior.name == "fixed/transferbound_filters"
    assert prior.input_size == 28
    assert prior.num_parameters == 16 * (7 * 7 + 11 * 11)
    assert prior.licence == "cc0-1.0"
    assert not prior.provenance.get("datasets")
    module = prior.build(10)
    assert module.network.fc.in_features == 833
    assert torch.equal(module(torch.rand(3, 1, 28, 28)), torch.zeros(3, 10))  # the head starts from zero


def test_golden_fingerprint(prior: Prior) -> None:
    """The same filters on every machine and library version."""
    assert prior.fingerprint.startswith("114effe384247489")


def test_pixels_reach_it_from_zero_to_one(prior: Prior) -> None:
    preprocessing = prior.preprocessing()
    assert (preprocessing.mean, preprocessing.std, preprocessing.channels) == ((0.0,), (1.0,), 1)


def test_filters_are_of_mean_zero_and_norm_one() -> None:
    bank = gabor_bank(7, 1.3, 3.2).double()
    assert bank.shape == (16, 1, 7, 7)
    assert bank.mean((2, 3)).abs().max() < 1e-6
    assert (bank.square().sum((1, 2, 3)) - 1).abs().max() < 1e-5


def test_the_energy_of_a_flat_picture_is_the_rest_alone(prior: Prior) -> None:
    features = prior.build(2).network.forward_features(torch.zeros(1, 1, 28, 28))
    inner = features[0, :784].reshape(16, 7, 7)[:, 1:-1, 1:-1]  # at the border a place holds padding, too
    assert inner.detach().numpy() == pytest.approx(math.sqrt(1e-3), rel=1e-5)
    assert torch.equal(features[0, 784:], torch.zeros(49))


def test_a_wave_is_seen_by_the_filter_of_its_direction(prior: Prior) -> None:
    """Its sign and its phase matter little: that is what an energy is."""
    network = prior.build(2).network
    right = torch.arange(28, dtype=torch.float32)
    for phase in (0.0, 1.0, math.pi):
        wave = (0.5 + 0.5 * torch.cos(2 * math.pi * right / 6.0 + phase)).expand(28, 28)
        seen = network.forward_features(wave[None, None])[0]
        energies = seen[392:784].reshape(8, 7, 7)[:, 2:5, 2:5].mean((1, 2))
        assert int(energies.argmax()) == 0  # along the rows
        assert energies[0] > 1.5 * energies[4]


def test_larger_and_coloured_pictures_have_as_many_features() -> None:
    import timm

    network = timm.create_model("transferbound_filters", in_chans=3, num_classes=0)
    assert network(torch.rand(2, 3, 48, 40)).shape == (2, 833)


def test_an_aligned_map_sees_a_shifted_picture_as_it_was() -> None:
    network = Prior.from_pretrained("fixed/transferbound_filters_aligned").build(2).network
    picture = torch.zeros(1, 1, 28, 28)
    picture[..., 8:18, 10:14] = 1.0
    seen, moved = (
        network.forward_features(torch.roll(picture, shift, (2, 3))) for shift in ((0, 0), (3, -2))
    )
    assert (seen - moved).abs().max() < 0.05 * seen.abs().max()


def test_what_is_exported_is_what_the_name_says(tmp_path: Path, prior: Prior) -> None:
    folder = export_fixed("transferbound_filters", tmp_path / "prior")
    assert Prior.from_pretrained(str(folder)).fingerprint == prior.fingerprint
    assert "No other data" in (folder / "README.md").read_text()
    with pytest.raises(OutputError):
        export_fixed("transferbound_filters", folder)


@pytest.mark.parametrize("name", ["fixed/resnet18", "fixed/transferbound_filters/0", "fixed/"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(PriorError, match="fixed"):
        Prior.from_pretrained(name)


def test_the_answer_for_a_picture_is_its_own(prior: Prior) -> None:
    network = prior.build(2).network
    pictures = torch.rand(9, 1, 28, 28)
    alone = torch.cat([network.forward_features(pictures[row : row + 1]) for row in range(9)])
    assert np.allclose(alone.detach(), network.forward_features(pictures).detach(), atol=1e-5)
