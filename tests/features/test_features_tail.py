"""Cached features of subspaces that train the last blocks: the model's own logits and gradients, nothing patched."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from conftest import save_timm
from feature_fixtures import SIDE, Vectors, assert_same, prepare
from launching import launch
from spine_fixtures import QUICK, text_data, world
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from transferbound import LabelledData, Prior, certify, verify
from transferbound.features import cache as cache_module
from transferbound.features import cached_features, find_tail
from transferbound.features.tail import Tail
from transferbound.finetune.settings import FinetuneSettings
from transferbound.predictor import decode_predictor
from transferbound.storage.arrays import NewArray
from transferbound.subspace import SubspaceConfig, SubspaceModel

LAST_BLOCKS = {
    "test_resnet": "*layer4*,*fc*",
    "test_efficientnet": "*blocks.4*,*conv_head*,network.bn2*,*classifier*",
    "test_vit": "*blocks.5*,network.norm.*,*head*",
    "test_convnext": "*stages.3*,*head*",
}
EFFICIENTNET = SubspaceConfig("modules", 12, seed=3, modules=LAST_BLOCKS["test_efficientnet"])


@pytest.fixture(autouse=True)
def _fresh_accelerator() -> Iterator[None]:
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRANSFERBOUND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def prior() -> Prior:
    return Prior.from_pretrained(str(world() / "prior"))


@pytest.fixture(scope="module")
def data() -> LabelledData:
    return LabelledData.load(str(world() / "bright-squares"))


def state_of(network: nn.Module) -> list[Any]:
    """All that a patch would leave in a module's own dictionary, and its hooks."""
    hooks = ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        (sorted(vars(module)), [len(getattr(module, name)) for name in hooks]) for module in network.modules()
    ]


@pytest.mark.parametrize("architecture", LAST_BLOCKS)
def test_the_last_blocks_give_the_models_logits_and_gradients(
    cache: Path, data: LabelledData, tmp_path: Path, architecture: str
) -> None:
    prior = Prior.from_pretrained(str(save_timm(tmp_path / "prior", architecture)))
    config = SubspaceConfig("modules", 40, modules=LAST_BLOCKS[architecture])
    size = 160 if architecture == "test_vit" else SIDE
    model, encoded, found = prepare(prior, data, config, size=size)
    assert found is not None
    assert isinstance(found.part.run, Tail)
    assert_same(model, encoded, found)
    if architecture == "test_resnet":
        assert (
            model.model.network.layer4[0] is found.part.module
        )  # a shortcut goes around its first convolution
        assert found.part.layout.channels_last


@pytest.mark.parametrize("class_name", ["BertModel", "BertForSequenceClassification"])
def test_the_last_layers_of_a_text_encoder(
    cache: Path, save_bert: Any, tmp_path: Path, class_name: str
) -> None:
    prior = Prior.from_pretrained(str(save_bert(tmp_path / "bert", class_name, num_hidden_layers=3)))
    data = LabelledData.load(str(text_data(tmp_path / "texts", 40)))
    head = "head" if class_name == "BertModel" else "classifier"
    config = SubspaceConfig("modules", 24, modules=f"*encoder.layer.2*,*{head}*")
    model, encoded, found = prepare(prior, data, config, size=16)
    assert found is not None
    assert encoded.lengths is not None
    assert len(set(encoded.lengths)) > 3
    assert found.values.shape == (encoded.lengths.sum(), 16)  # no padding is kept
    assert_same(model, encoded, found)


def test_rotary_embeddings_are_computed_though_what_is_before_the_cut_is_not(cache: Path) -> None:
    """They are called before the cut, with what would be nan, and needed after it."""
    model = subspace(Turned().eval(), "blocks.2*,head*")
    found = cached_features(model, Vectors(), "key", accelerator=Accelerator(cpu=True))
    assert found is not None
    assert found.part.module is model.model.blocks[2]
    assert_same(model, Vectors(), found)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_the_certificate_is_the_same_with_and_without(
    cache: Path, prior: Prior, data: LabelledData, tmp_path: Path, precision: str
) -> None:
    finetune = FinetuneSettings(epochs=6, batch_size=20, learning_rate=0.1, mixed_precision=precision)
    settings = replace(QUICK, subspace=EFFICIENTNET, finetune=finetune)
    AcceleratorState._reset_state(reset_partial_state=True)
    cached = certify(prior, data, tmp_path / "cached", settings, progress=False)
    assert len(list(cache.glob("features-*.npy"))) == 1
    if precision == "no":
        plain = certify(prior, data, None, replace(settings, cache_features=False), progress=False)
        assert cached.message == plain.message
        assert cached.content["errors"] == plain.content["errors"]
    assert np.count_nonzero(decode_predictor(prior, 2, cached.message).integers) > 0
    assert verify(tmp_path / "cached").holds


def test_training_leaves_nothing_patched(cache: Path, prior: Prior, data: LabelledData) -> None:
    model, encoded, found = prepare(prior, data, EFFICIENTNET)
    assert found is not None
    fresh = prior.build(2, input_size=SIDE)
    plain = SubspaceModel(fresh, EFFICIENTNET, prior.head_parameters(2))
    assert state_of(model.model) == state_of(plain.model)  # what finding the cut leaves
    before = model(**encoded.batch([0, 1])).detach()
    found.logits(np.array([4, 5, 6])).sum().backward()
    assert state_of(model.model) == state_of(plain.model)
    torch.testing.assert_close(model(**encoded.batch([0, 1])), before, rtol=0, atol=0)

    def fails(*args: Any) -> Tensor:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model.model.network.classifier, "forward", fails)
        with pytest.raises(KeyboardInterrupt):
            found.logits(np.array([4, 5, 6]))
    assert state_of(model.model) == state_of(plain.model)
    copy.deepcopy(model)


def test_damaged_and_stale_features_are_computed_anew(cache: Path, prior: Prior, data: LabelledData) -> None:
    _, _, first = prepare(prior, data, EFFICIENTNET)
    assert first is not None
    (path,) = cache.glob("features-*.npy")
    right, good = np.array(first.values), path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    prepare(prior, data, EFFICIENTNET)
    assert path.read_bytes() == good
    poisoned = NewArray(path, np.float32, right.shape)
    poisoned.values[:] = right * 1.01
    poisoned.commit()
    _, _, again = prepare(prior, data, EFFICIENTNET)
    assert again is not None
    np.testing.assert_array_equal(again.values, right)


def test_features_that_are_too_large_are_not_kept(
    cache: Path,
    prior: Prior,
    data: LabelledData,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(cache_module, "_LARGEST_ROOM", 1e-12)
    _, _, found = prepare(prior, data, EFFICIENTNET)
    assert found is None
    assert "GB that are free" in caplog.text
    assert list(cache.iterdir()) == []
    monkeypatch.setattr(find_tail, "_LARGEST_BYTES", 1000)
    _, _, found = prepare(prior, data, EFFICIENTNET)
    assert found is None


def write_features(prior: str, data: str, cache: str) -> None:
    """Run by each process."""
    accelerator = Accelerator(cpu=True)
    config = SubspaceConfig("modules", 24, modules="*encoder.layer.2*,*head*")
    _, _, found = prepare(
        Prior.from_pretrained(prior), LabelledData.load(data), config, size=16, cache_dir=Path(cache)
    )
    assert found is not None
    accelerator.end_training()


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import test_features_tail
test_features_tail.write_features(*sys.argv[2:])
"""


@pytest.mark.long
def test_two_processes_keep_the_tokens_of_one(save_bert: Any, tmp_path: Path) -> None:
    """Their shares of a round are of unlike length."""
    prior = save_bert(tmp_path / "bert", num_hidden_layers=3)
    data = text_data(tmp_path / "texts", 41)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launch(script, Path(__file__).parent, prior, data, tmp_path / "two")
    write_features(str(prior), str(data), str(tmp_path / "one"))
    one, two = (np.load(next((tmp_path / name).glob("features-*.npy"))) for name in ("one", "two"))
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-5)


# Models that cannot be cut ------------------------------------------------------------------------------


class Blocks(nn.Module):
    """Three blocks and a head; what enters the last one is all that they need, or not, in several ways."""

    def __init__(self, way: str = "chain") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.way = way
        self.first = nn.Linear(4, 6)
        self.middle = nn.Linear(6, 6)
        self.last = nn.Linear(6, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x).tanh()
        middle = self.middle(first).tanh()
        if self.way == "in place":
            self.last(middle)
            middle.mul_(2)
        if self.way == "again":
            middle = self.middle(self.last(middle)).tanh()
        if self.way in ("checkpointed", "checkpointed after"):  # called again in the backward pass
            call = partial(checkpoint, use_reentrant=False)
            last = call(self.last, middle) if self.way == "checkpointed" else self.last(middle)
            return call(self.head, last.tanh())
        last = self.last(middle)
        if self.way == "skip from the input":
            last = last + 1e-3 * x.mean(1, keepdim=True)
        if self.way == "skip from a block":
            last = last + 1e-3 * first
        if self.way == "gate":
            last = torch.where(first.mean(1, keepdim=True) > 0, 2 * last, last)
        if self.way == "batch":
            last = self.last(middle - middle.mean(0))
        if self.way == "direct":
            last = last + nn.functional.linear(first, self.last.weight)
        return self.head(last.tanh())


class Turned(nn.Module):
    """Blocks that share a rotation, made by a module without parameters from its input's shape alone."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Linear(4, 6)
        self.angles = Angles()
        self.blocks = nn.ModuleList(TurnedBlock() for _ in range(3))
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        turn = self.angles(x)
        for block in self.blocks:
            x = block(x, turn)
        return self.head(x)


class Angles(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.arange(x.shape[1], dtype=x.dtype).cos()


class TurnedBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: Tensor, turn: Tensor) -> Tensor:
        return x + self.linear(x * turn).tanh()


def subspace(network: nn.Module, patterns: str) -> SubspaceModel:
    return SubspaceModel(
        network, SubspaceConfig("modules", 6, modules=patterns), ("head.weight", "head.bias")
    )


@pytest.mark.parametrize(
    "way",
    [
        "chain",
        "again",
        "checkpointed after",
        "checkpointed",
        "skip from the input",
        "skip from a block",
        "gate",
        "batch",
        "direct",
        "in place",
    ],
)
def test_a_model_that_cannot_be_cut_is_trained_as_a_whole(cache: Path, way: str) -> None:
    model = subspace(Blocks(way).eval(), "last*,head*")
    before = state_of(model.model)
    kept = [p.detach().clone() for p in model.model.parameters()]
    found = cached_features(model, Vectors(), "key", accelerator=Accelerator(cpu=True))
    assert (found is not None) == (way in ("chain", "again", "checkpointed after"))
    assert state_of(model.model) == before
    for p, value in zip(model.model.parameters(), kept, strict=True):
        torch.testing.assert_close(p.detach(), value, rtol=0, atol=0)
        assert p.grad is None
    if found is not None:
        assert_same(model, Vectors(), found)


def test_no_cut_where_it_would_save_little(cache: Path) -> None:
    model = subspace(Blocks().eval(), "middle*,head*")  # a quarter of the work lies before
    assert cached_features(model, Vectors(), "key", accelerator=Accelerator(cpu=True)) is None
    assert not cache.exists()
