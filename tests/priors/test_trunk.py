"""Priors cut short: what is kept of a network, what is refused, and that the decoder needs the checkpoint alone."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from transferbound import Prior
from transferbound.errors import PriorError
from transferbound.priors.architectures.trunk import Trunk

ARGUMENTS = {"backbone": "test_efficientnet", "blocks": 3, "grid": 2, "components": 5}


def save_trunk(folder: Path, arguments: dict[str, Any], network: torch.nn.Module | None = None) -> str:
    """A checkpoint without a head, as the recipes write it."""
    folder.mkdir()
    torch.manual_seed(0)
    network = network or Trunk(num_classes=0, **ARGUMENTS)
    save_file(network.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    picture = {"input_size": [3, 48, 48], "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    config = {
        "architecture": "transferbound_trunk",
        "num_classes": 0,
        "model_args": arguments,
        "pretrained_cfg": {**picture, "crop_pct": 1.0, "num_classes": 0, "classifier": "fc"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_a_trunk_is_a_prior(tmp_path: Path) -> None:
    prior = Prior.from_pretrained(save_trunk(tmp_path / "prior", ARGUMENTS))
    assert prior.architecture == "transferbound_trunk"
    assert prior.input_size == 48
    assert prior.head_parameters(3) == ("network.fc.weight", "network.fc.bias")
    module = prior.build(3)
    assert module.network.fc.in_features == ARGUMENTS["components"]
    assert torch.equal(module(torch.rand(2, 3, 48, 48)), torch.zeros(2, 3))  # the head starts from zero


def test_what_is_kept_is_what_the_whole_network_computes() -> None:
    torch.manual_seed(0)
    whole = timm.create_model("test_efficientnet").eval()
    trunk = Trunk(**ARGUMENTS).eval()
    state = whole.state_dict()
    trunk.load_state_dict({name: state.get(name, value) for name, value in trunk.state_dict().items()})
    assert set(trunk.state_dict()) - set(state) == {
        *("components.weight", "components.bias", "fc.weight", "fc.bias"),
    }
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        seen: list[torch.Tensor] = []
        whole.blocks[2].register_forward_hook(lambda _, __, output: seen.append(output))
        whole(images)
        (last,) = seen
        pooled = torch.nn.functional.adaptive_avg_pool2d(last, 2).flatten(1)
        torch.testing.assert_close(trunk.forward_map(images), pooled)
        torch.testing.assert_close(trunk(images), trunk.fc(trunk.components(pooled)))


def test_other_components_are_another_prior(tmp_path: Path) -> None:
    """The directions of the subspace lie in the checkpoint: its fingerprint, which is certified, says which."""
    torch.manual_seed(0)
    network = Trunk(num_classes=0, **ARGUMENTS)
    first = Prior.from_pretrained(save_trunk(tmp_path / "first", ARGUMENTS, network))
    with torch.no_grad():
        network.components.weight[0, 0] += 1e-3
    second = Prior.from_pretrained(save_trunk(tmp_path / "second", ARGUMENTS, network))
    assert first.fingerprint != second.fingerprint


def test_another_grid_is_another_prior(tmp_path: Path) -> None:
    """Where the tensors are the same, the configuration, which is certified too, differs."""
    torch.manual_seed(0)
    network = Trunk(num_classes=0, **ARGUMENTS)
    first = Prior.from_pretrained(save_trunk(tmp_path / "first", ARGUMENTS, network))
    other = ARGUMENTS | {"blocks": 2}
    with pytest.raises(PriorError):  # tensors without a place
        Prior.from_pretrained(save_trunk(tmp_path / "second", other, network))
    assert (
        first.files
        != Prior.from_pretrained(save_trunk(tmp_path / "third", ARGUMENTS | {"ignored": 1}, network)).files
    )


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("components", value) for value in (0, -1, 10**9, 2.5, True)),
        *(("grid", value) for value in (0, 10**6)),
        *(("blocks", value) for value in (0, 99)),
        ("backbone", "resnet18"),
    ],
)
def test_bad_sizes_are_refused_before_anything_is_allocated(
    tmp_path: Path, argument: str, value: object
) -> None:
    with pytest.raises(PriorError, match=f"{argument} is {value!r}"):
        Prior.from_pretrained(save_trunk(tmp_path / "prior", ARGUMENTS | {argument: value}))
