"""Dense layers of a sentence-transformers checkpoint: applied, fingerprinted, refused where they cannot be built."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from dense_checkpoint import TANH, with_dense
from safetensors.torch import load_file, save_file

from transferbound import Prior, SubspaceConfig
from transferbound.errors import PriorError
from transferbound.priors.backends.pooling import pool
from transferbound.subspace import SubspaceModel

IDS = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


@pytest.mark.parametrize("activation", [TANH, "torch.nn.modules.linear.Identity"])
def test_the_head_reads_what_the_dense_layer_gives(tiny_bert: Path, tmp_path: Path, activation: str) -> None:
    folder = with_dense(tiny_bert, tmp_path / "st", activation_function=activation)
    prior = Prior.from_pretrained(str(folder))
    plain = Prior.from_pretrained(str(tiny_bert)).build(2)
    model = prior.build(2, head_seed=3)
    saved = load_file(folder / "2_Dense" / "model.safetensors")
    with torch.no_grad():
        pooled = pool(plain.network(IDS, attention_mask=MASK).last_hidden_state, MASK, "mean")
        features = pooled @ saved["linear.weight"].T + saved["linear.bias"]
        expected = model.head(features.tanh() if activation == TANH else features)
        assert model.head.in_features == 5
        torch.testing.assert_close(model(IDS, MASK), expected)
    assert prior.num_parameters == sum(p.numel() for p in model.parameters()) - 2 * 5 - 2


def test_the_subspace_reaches_the_layer_and_not_as_head(tiny_bert: Path, tmp_path: Path) -> None:
    prior = Prior.from_pretrained(str(with_dense(tiny_bert, tmp_path / "st")))
    assert prior.head_parameters(2) == ("head.weight", "head.bias")
    model = SubspaceModel(prior.build(2), SubspaceConfig("film", 20), head=prior.head_parameters(2))
    roles = {spec.name: spec.role for spec in model.projection.layout.specs}
    assert roles["dense.2_Dense.linear.weight"] == "weight"
    assert roles["dense.2_Dense.linear.bias"] == "bias"


@pytest.mark.parametrize("key", ["linear.weight", "linear.bias"])
def test_another_dense_layer_is_another_prior(tiny_bert: Path, tmp_path: Path, key: str) -> None:
    folder = with_dense(tiny_bert, tmp_path / "st")
    before = Prior.from_pretrained(str(folder))
    tensors = load_file(folder / "2_Dense" / "model.safetensors")
    tensors[key].view(-1)[0] += 1
    save_file(tensors, folder / "2_Dense" / "model.safetensors")
    assert Prior.from_pretrained(str(folder)).fingerprint != before.fingerprint
    assert before.fingerprint != Prior.from_pretrained(str(tiny_bert)).fingerprint


def test_another_activation_is_another_preprocessing(tiny_bert: Path, tmp_path: Path) -> None:
    one = Prior.from_pretrained(str(with_dense(tiny_bert, tmp_path / "a")))
    other = with_dense(tiny_bert, tmp_path / "b", activation_function="torch.nn.modules.linear.Identity")
    described = [prior.preprocessing().to_dict() for prior in (one, Prior.from_pretrained(str(other)))]
    assert described[0] != described[1]
    assert "dense" not in Prior.from_pretrained(str(tiny_bert)).preprocessing().to_dict()


def test_dense_layer_from_the_hub_cache(
    tiny_bert: Path, tmp_path: Path, hub_cache: Callable[..., str]
) -> None:
    name = hub_cache(with_dense(tiny_bert, tmp_path / "st"), "someone/sentences")
    assert Prior.from_pretrained(name).build(2).head.in_features == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation_function": "os.system"}, "activation 'os.system'"),
        ({"in_features": 3}, r"2_Dense holds .* expected"),
        ({"out_features": 6}, r"2_Dense holds .* expected"),
        ({"out_features": 10**12}, "out_features 1000000000000"),
        ({"out_features": True}, "out_features True"),
        ({"bias": False}, r"2_Dense holds .* expected"),
        ({"path": "../2_Dense"}, "plain folder name"),
        ({"path": "9_Dense"}, "no 9_Dense/config.json"),
    ],
)
def test_dense_layers_that_cannot_be_built(
    tiny_bert: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder = with_dense(tiny_bert, tmp_path / "st", **changes)
    with pytest.raises(PriorError, match=message):
        Prior.from_pretrained(str(folder))


def test_layers_that_do_not_follow_one_another(tiny_bert: Path, tmp_path: Path) -> None:
    folder = with_dense(tiny_bert, tmp_path / "st")
    tensors = load_file(folder / "2_Dense" / "model.safetensors")
    tensors["linear.weight"] = tensors["linear.weight"][:, :3].contiguous()
    save_file(tensors, folder / "2_Dense" / "model.safetensors")
    config = json.loads((folder / "2_Dense" / "config.json").read_text())
    (folder / "2_Dense" / "config.json").write_text(json.dumps(config | {"in_features": 3}))
    with pytest.raises(PriorError, match="reads 3 features"):
        Prior.from_pretrained(str(folder))


@pytest.mark.parametrize("order", [("3_Dense", "2_Dense"), ("2_Dense", "2_Dense")])
def test_the_order_of_layers_is_that_of_their_numbers(
    tiny_bert: Path, tmp_path: Path, order: tuple[str, str]
) -> None:
    """Two layers swapped would be another predictor under the same fingerprint."""
    folder = with_dense(tiny_bert, tmp_path / "st")
    shutil.copytree(folder / "2_Dense", folder / "3_Dense")
    modules = [{"path": place, "type": "sentence_transformers.models.Dense"} for place in order]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(PriorError, match="out of the order"):
        Prior.from_pretrained(str(folder))


@pytest.mark.parametrize("text", ["{", "{}", "[1]"])
def test_broken_list_of_modules(tiny_bert: Path, tmp_path: Path, text: str) -> None:
    folder = with_dense(tiny_bert, tmp_path / "st")
    (folder / "modules.json").write_text(text)
    with pytest.raises(PriorError, match=r"modules\.json"):
        Prior.from_pretrained(str(folder))


def test_missing_dense_weights(tiny_bert: Path, tmp_path: Path) -> None:
    folder = with_dense(tiny_bert, tmp_path / "st")
    (folder / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(PriorError, match="no weights for its dense layer 2_Dense"):
        Prior.from_pretrained(str(folder))
