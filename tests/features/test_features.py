"""Cached features: the same integers as without them; found again only for the same prior, rows and size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from conftest import save_rows
from feature_fixtures import HEAD, SIDE, Vectors, assert_same, prepare
from spine_fixtures import QUICK, bright_rows, save_calibrated, text_data, world

from transferbound import LabelledData, Prior, certify
from transferbound.features import cache as cache_module
from transferbound.features import cached_features
from transferbound.features.tail import Tail
from transferbound.finetune.settings import FinetuneSettings
from transferbound.predictor import decode_predictor
from transferbound.storage.arrays import NewArray
from transferbound.subspace import SubspaceConfig, SubspaceModel


@pytest.fixture(scope="module")
def prior() -> Prior:
    return Prior.from_pretrained(str(world() / "prior"))


@pytest.fixture(scope="module")
def data() -> LabelledData:
    return LabelledData.load(str(world() / "bright-squares"))


@pytest.fixture(autouse=True)
def _fresh_accelerator() -> Iterator[None]:
    """accelerate's state is global and keeps the first precision asked for."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own for the test."""
    monkeypatch.setenv("TRANSFERBOUND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@contextmanager
def counted_rows() -> Iterator[list[int]]:
    """How many examples go through each tiny EfficientNet's first convolution."""
    rows: list[int] = []

    def look(module: torch.nn.Module, args: Any) -> None:
        if type(module).__name__ == "EfficientNet":
            rows.append(len(args[0]))

    handle = torch.nn.modules.module.register_module_forward_pre_hook(look)
    try:
        yield rows
    finally:
        handle.remove()


def training_rows(run: Callable[[], Any]) -> int:
    with counted_rows() as rows:
        run()
    return sum(rows)


def test_features_give_the_models_logits_and_gradients(cache: Path, prior: Prior, data: LabelledData) -> None:
    model, encoded, found = prepare(prior, data)
    assert found is not None
    assert found.values.shape == (100, model.model.network.classifier.in_features)
    assert_same(model, encoded, found)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_the_certificate_is_the_same_with_and_without(
    cache: Path, prior: Prior, data: LabelledData, precision: str
) -> None:
    finetune = FinetuneSettings(epochs=6, batch_size=20, learning_rate=0.1, mixed_precision=precision)
    settings = replace(QUICK, subspace=HEAD, finetune=finetune)
    AcceleratorState._reset_state(reset_partial_state=True)
    with counted_rows() as with_cache:
        cached = certify(prior, data, None, settings, progress=False)
    assert len(list(cache.glob("features-*.npy"))) == 1
    with counted_rows() as without_cache:
        plain = certify(prior, data, None, replace(settings, cache_features=False), progress=False)
    # One pass, the check, the count, and two trials of rows alone, instead of six epochs, the count and the trials.
    trials = 2 * (100 + 2 * 2 * 4)
    assert sum(with_cache) < 100 + 64 + 100 + 10 + trials < 600 + trials < sum(without_cache)
    if precision == "no":
        assert cached.message == plain.message
        assert cached.content["errors"] == plain.content["errors"]
    integers = decode_predictor(prior, 2, cached.message).integers
    assert np.count_nonzero(integers) > 0
    assert cached.content["errors"] < 50  # something was learned


def test_the_second_run_finds_them(cache: Path, prior: Prior, data: LabelledData) -> None:
    first = training_rows(lambda: prepare(prior, data))
    second = training_rows(lambda: prepare(prior, data))
    checked = 2 * 32
    assert first == 100 + checked
    assert second == checked


def test_damage_is_noticed_and_repaired(cache: Path, prior: Prior, data: LabelledData) -> None:
    _, _, first = prepare(prior, data)
    assert first is not None
    (path,) = cache.glob("features-*.npy")
    good = path.read_bytes()
    for bad in (good[:-8], good[:-1] + bytes([good[-1] ^ 1]), b"", good[:40]):
        path.write_bytes(bad)
        _, _, again = prepare(prior, data)
        assert again is not None
        assert path.read_bytes() == good
    assert sorted(p.suffix for p in cache.iterdir()) == [".npy", ".sha256"]


def test_stale_features_are_noticed(
    cache: Path, prior: Prior, data: LabelledData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole and of the right name and shape, but not what this network computes."""
    _, _, first = prepare(prior, data)
    assert first is not None
    right = np.array(first.values)
    new = NewArray(next(cache.glob("*.npy")), np.float32, right.shape)
    new.values[:] = right * 1.01
    new.commit()
    _, _, again = prepare(prior, data)
    assert again is not None
    np.testing.assert_array_equal(again.values, right)


def test_another_prior_order_or_size_does_not_hit(
    cache: Path, prior: Prior, data: LabelledData, tmp_path: Path
) -> None:
    rows = bright_rows(100)
    turned = {key: value[::-1] for key, value in rows.items()}
    reordered = LabelledData.load(str(save_rows(tmp_path / "turned", turned)))
    other = Prior.from_pretrained(str(save_calibrated(tmp_path / "other", seed=2)))
    assert reordered.fingerprint == data.fingerprint  # which does not see the order
    for changed in ((prior, data, SIDE), (prior, reordered, SIDE), (other, data, SIDE), (prior, data, 40)):
        _, _, found = prepare(changed[0], changed[1], size=changed[2])
        assert found is not None
    assert len(list(cache.glob("features-*.npy"))) == 4
    _, _, straight = prepare(prior, data)
    _, _, backwards = prepare(prior, reordered)
    assert straight is not None
    assert backwards is not None
    np.testing.assert_allclose(straight.values, backwards.values[::-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["film", "hashed", "kron", "head+film"])
def test_subspaces_that_train_more_train_on_the_data(
    cache: Path, prior: Prior, data: LabelledData, kind: str
) -> None:
    with counted_rows() as rows:
        _, _, found = prepare(prior, data, SubspaceConfig(kind, 16))
    assert found is None
    assert rows == [3, 2]  # to see what comes first in the network
    assert not cache.exists()


def test_modules_by_name_may_be_the_head(cache: Path, prior: Prior, data: LabelledData) -> None:
    _, _, found = prepare(prior, data, SubspaceConfig("modules", 12, modules="network.classifier"))
    assert found is not None
    _, _, none = prepare(prior, data, SubspaceConfig("modules", 12, modules="network.conv_stem"))
    assert none is None


@pytest.mark.parametrize("class_name", ["BertModel", "BertForSequenceClassification"])
def test_text(cache: Path, save_bert: Any, tmp_path: Path, class_name: str) -> None:
    prior = Prior.from_pretrained(str(save_bert(tmp_path / "bert", class_name)))
    data = LabelledData.load(str(text_data(tmp_path / "texts", 40)))
    model, encoded, found = prepare(prior, data, SubspaceConfig("head", 8), size=16)
    assert found is not None
    assert_same(model, encoded, found)


class Odd(torch.nn.Module):
    """A head that is not the last word, in one of several ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.body = torch.nn.Linear(4, 3)
        self.head = torch.nn.Linear(3, 2)
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.body(x).tanh()
        if self.way == "after":
            return self.head(hidden) * self.scale
        if self.way == "twice":
            return self.head(hidden) + self.head(hidden.square())
        if self.way == "sequence":
            return self.head(hidden[:, None, :].expand(-1, 2, -1))[:, 0]
        if self.way == "before":
            return self.head(
                hidden + torch.nn.functional.linear(hidden, self.head.weight).sum(1, keepdim=True)
            )
        if self.way == "keyword":
            return self.head(input=hidden)
        return self.head(hidden)


@pytest.mark.parametrize("way", ["last", "after", "twice", "sequence", "before", "keyword"])
@pytest.mark.parametrize("zero", [False, True])
def test_a_head_that_is_not_last_is_noticed(cache: Path, way: str, zero: bool) -> None:
    """Also where the new head is all zeros, and any wiring would give the same logits."""
    torch.manual_seed(0)
    network = Odd(way).eval()
    if zero:
        torch.nn.init.zeros_(network.head.weight)
        torch.nn.init.zeros_(network.head.bias)
    kept = [p.clone() for p in network.parameters()]
    model = SubspaceModel(network, SubspaceConfig("head", 4), ("head.weight", "head.bias"))
    found = cached_features(model, Vectors(), "key", accelerator=Accelerator(cpu=True))
    # Where the head is called once, its output may be used in any way: the model is cut before it.
    assert (found is not None) == (way in ("last", "after", "sequence"))
    if found is not None:
        assert isinstance(found.part.run, Tail) == (way != "last")
        assert_same(model, Vectors(), found)
        model.coordinates.data.zero_()
        model.sync()
    for p, before in zip(network.parameters(), kept, strict=True):
        torch.testing.assert_close(p.detach(), before.detach(), rtol=0, atol=0)  # the trial leaves no trace


def test_a_folder_that_cannot_be_written_is_said_and_survived(
    tmp_path: Path, prior: Prior, data: LabelledData, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    _, _, found = prepare(prior, data, cache_dir=tmp_path / "file" / "cache")
    assert found is None
    assert "cannot be cached" in caplog.text


def test_too_little_time_is_said_and_survived(
    cache: Path, prior: Prior, data: LabelledData, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr(cache_module, "LARGE_BATCH", 10)
    _, _, found = prepare(prior, data, deadline=0.0)
    assert found is None
    assert "would take" in caplog.text
    assert list(cache.iterdir()) == []


def test_a_full_disk_is_survived(
    cache: Path, prior: Prior, data: LabelledData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transferbound.storage.arrays._take_room", full)
    _, _, found = prepare(prior, data)
    assert found is None
    assert list(cache.iterdir()) == []


def test_an_interrupted_run_ends_as_an_unbroken_one(
    cache: Path, prior: Prior, data: LabelledData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transferbound.finetune import Finetuner

    finetune = FinetuneSettings(epochs=6, batch_size=20, learning_rate=0.1, save_seconds=1e-6)
    settings = replace(QUICK, subspace=HEAD, finetune=finetune)
    unbroken = certify(prior, data, None, settings, progress=False)
    advance = Finetuner._advance

    def breaks(self: Any, indices: Any) -> None:
        if self.step == 17:
            raise KeyboardInterrupt
        advance(self, indices)

    monkeypatch.setattr(Finetuner, "_advance", breaks)
    with pytest.raises(KeyboardInterrupt):
        certify(prior, data, tmp_path / "out", settings, progress=False)
    monkeypatch.setattr(Finetuner, "_advance", advance)
    resumed = certify(prior, data, tmp_path / "out", settings, progress=False)
    assert resumed.message == unbroken.message
