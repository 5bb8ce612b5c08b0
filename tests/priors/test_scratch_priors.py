"""Priors without pretraining: a random start that is a function of architecture and seed alone."""

import json
from pathlib import Path

import pytest
import torch

from transferbound import Prior
from transferbound.errors import OutputError, PriorError
from transferbound.priors import export_random
from transferbound.priors.architectures.align import MomentAlignment

SMALL = [
    "transferbound_lenet5",
    "transferbound_convnet",
    "transferbound_convnet_aligned",
    "transferbound_convnet_wide",
]


@pytest.mark.parametrize("architecture", SMALL)
def test_a_random_start_is_a_prior(tmp_path, architecture):
    prior = Prior.from_pretrained(str(export_random(architecture, tmp_path / "prior", seed=3)))
    assert prior.architecture == architecture
    assert prior.input_size == 28
    assert prior.head_parameters(10) == ("network.fc.weight", "network.fc.bias")
    module = prior.build(10)
    images = torch.rand(4, 1, 28, 28)
    assert torch.equal(module(images), torch.zeros(4, 10))  # the head starts from zero
    features = module.network.forward_features(images)
    assert features.std() > 0.01


def test_parameters_of_lenet5(tmp_path):
    prior = Prior.from_pretrained(str(export_random("transferbound_lenet5", tmp_path / "prior")))
    assert prior.num_parameters == 61_706


def test_the_seed_decides_and_nothing_else(tmp_path):
    """Leak 3: the start must not depend on torch's random state, only on the seed that is paid for."""
    fingerprints = []
    for number, seed in enumerate((0, 0, 1)):
        torch.manual_seed(number)
        before = torch.random.get_rng_state()
        folder = export_random("transferbound_convnet", tmp_path / str(number), seed=seed)
        assert torch.equal(before, torch.random.get_rng_state())
        fingerprints.append(Prior.from_pretrained(str(folder)).fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_golden_fingerprint(tmp_path):
    """The same weights on every machine and library version."""
    prior = Prior.from_pretrained(str(export_random("transferbound_convnet", tmp_path / "prior", seed=0)))
    assert prior.fingerprint.startswith("777d20f9c209e622")


def test_weights_have_he_variance(tmp_path):
    prior = Prior.from_pretrained(str(export_random("transferbound_convnet_wide", tmp_path / "prior")))
    weight = prior.build(10).network.convs[2].weight
    assert weight.var().item() * 64 * 9 == pytest.approx(2.0, rel=0.03)
    assert abs(weight.mean().item()) < 0.001


def test_predictions_do_not_depend_on_the_batch(tmp_path):
    """Leak 1: no layer looks at the other examples of a batch."""
    module = Prior.from_pretrained(str(export_random("transferbound_convnet", tmp_path / "prior"))).build(10)
    images = torch.rand(8, 1, 28, 28)
    module.train()
    together = module.network.forward_features(images)
    alone = torch.cat([module.network.forward_features(image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)


def test_running_statistics_are_refused(tmp_path):
    with pytest.raises(PriorError, match="group or layer normalization"):
        export_random("resnet18", tmp_path / "prior")
    assert not (tmp_path / "prior").exists()


def test_unknown_architecture_and_full_folder(tmp_path):
    with pytest.raises(PriorError, match="no architecture 'nosuchnet'"):
        export_random("nosuchnet", tmp_path / "prior")
    export_random("transferbound_lenet5", tmp_path / "prior")
    with pytest.raises(OutputError, match="exists already"):
        export_random("transferbound_lenet5", tmp_path / "prior")


def test_the_card_says_that_nothing_was_trained(tmp_path):
    folder = export_random("transferbound_lenet5", tmp_path / "prior", seed=7)
    assert "no training data" in (folder / "README.md").read_text()
    assert json.loads((folder / "config.json").read_text())["pretrained_cfg"]["tag"] == "random7"
    assert Prior.from_pretrained(str(folder)).licence == "cc0-1.0"


def _bar(slant: float, shift: int) -> torch.Tensor:
    """A vertical bar, sheared and moved, as [1, 1, 28, 28] with black at -1."""
    image = torch.full((28, 28), -1.0)
    for row in range(7, 21):
        column = round(14 + shift + slant * (row - 14))
        image[row, column - 1 : column + 2] = 1.0
    return image[None, None]


def test_alignment_takes_out_shift_and_slant():
    align = MomentAlignment()
    upright = align(_bar(0.0, 0))
    changed = (_bar(0.4, 3) - _bar(0.0, 0)).abs().mean()
    assert changed > 0.1
    assert (align(_bar(0.4, 3)) - upright).abs().mean() < 0.25 * changed
    assert (align(_bar(0.0, -4)) - upright).abs().max() < 0.05


def test_alignment_of_nothing_and_in_float64():
    align = MomentAlignment()
    blank = torch.full((2, 1, 28, 28), -1.0)
    assert torch.allclose(align(blank), blank, atol=1e-4)
    bar = _bar(0.3, 2)
    assert torch.allclose(align(bar.double()).float(), align(bar), atol=1e-4)


def test_a_random_start_by_its_name_is_the_exported_one(tmp_path: Path) -> None:
    """Whoever reads ``random/ARCHITECTURE/SEED`` on a certificate can make that prior anew."""
    named = Prior.from_pretrained("random/transferbound_lenet5/3")
    exported = Prior.from_pretrained(str(export_random("transferbound_lenet5", tmp_path / "a", seed=3)))
    assert named.name == "random/transferbound_lenet5/3"
    assert (named.fingerprint, named.files) == (exported.fingerprint, exported.files)
    assert named.provenance == exported.provenance
    assert named.preprocessing(20).input_size == 20


@pytest.mark.parametrize("name", ["random/transferbound_lenet5", "random/x/-1", "random/../../etc/0"])
def test_names_that_are_no_random_start(name: str) -> None:
    with pytest.raises(PriorError, match="a random start is random/ARCHITECTURE/SEED"):
        Prior.from_pretrained(name)
