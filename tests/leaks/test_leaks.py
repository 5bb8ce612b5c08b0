"""The ways in which such a bound would be silently false: each is put in, and must be noticed.

A leak that makes the certificate state more than its message proves is noticed by ``verify``, which builds
the predictor anew from checkpoint and message; one that training alone can see is refused by ``certify``.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import save_rows
from leak_helpers import certified, count_with, problems, trained_model
from spine_fixtures import QUICK, bright_rows, image_certificate, world
from torch import nn

from transferbound import (
    LabelledData,
    Prior,
    SubspaceModel,
    certify,
    verify,
)
from transferbound.certificate import statement
from transferbound.certificate.certificate import Certificate
from transferbound.certification import training
from transferbound.data.encoded import EncodedImages
from transferbound.errors import DataError, PriorError, PriorIndependenceError, SubspaceError
from transferbound.finetune import Finetuner
from transferbound.predictor import DecodedPredictor
from transferbound.priors import prior as prior_module
from transferbound.risks import passes
from transferbound.risks.trial import Precision


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Certificate]:
    """``run(settings)`` certifies into ``tmp_path / "out"``."""
    return partial(certified, tmp_path)


def test_without_a_leak_it_holds(run: Callable[..., Certificate], tmp_path: Path) -> None:
    certificate = run()
    assert problems(tmp_path) == ""
    assert 0.0 < certificate.content["train_error"] < 0.5  # it learned, and errors are there to be hidden


# Trap 1: normalization statistics --------------------------------------------------------------------


def test_statistics_that_training_moves_are_refused(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SubspaceModel, "_freeze_statistics", lambda self: None)
    monkeypatch.setattr(SubspaceModel, "eval", lambda self: self.train())
    with pytest.raises(SubspaceError, match="running_mean moved during training"):
        run()
    assert not (tmp_path / "out").exists()


def test_statistics_of_the_training_data_in_the_certified_module(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in code that trains with the wrapped network in train mode and evaluates that object."""
    data = LabelledData.load(str(world() / "bright-squares"))
    prior = Prior.from_pretrained(str(world() / "prior"))
    encoded = statement.encode(prior.preprocessing(QUICK.input_size), data, progress=False)

    def moved(predictor: DecodedPredictor, model: nn.Module) -> nn.Module:
        module = copy.deepcopy(predictor.module).train()
        with torch.no_grad():
            for _, batch, _ in encoded.batches(20):
                module(**batch)
        return module.eval()

    count_with(monkeypatch, moved, trained_model(monkeypatch))
    run()
    monkeypatch.undo()
    assert "errors is stated as" in problems(tmp_path)


def test_evaluation_that_stays_in_train_mode(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrapper that hides the network from ``.eval()``: predictions depend on the batch."""

    class Hidden(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.register_parameter("anchor", next(module.parameters()))
            object.__setattr__(self, "inner", module)

        def forward(self, **batch: torch.Tensor) -> torch.Tensor:
            return self.inner.train()(**batch)

        def __deepcopy__(self, memo: Any) -> Hidden:
            return Hidden(copy.deepcopy(self.inner, memo).double())

    count_with(monkeypatch, lambda predictor, model: Hidden(predictor.module), trained_model(monkeypatch))
    with pytest.raises(PriorError, match="for a row"):
        run()
    monkeypatch.setattr(passes, "try_rows_alone", lambda *_, **__: Precision())
    run(replace(QUICK, restart=True))
    monkeypatch.undo()
    assert "errors is stated as" in problems(tmp_path)


# Trap 2: preprocessing -------------------------------------------------------------------------------


def test_preprocessing_fitted_to_the_training_data(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Prior.preprocessing

    def fitted(self: Prior, input_size: int = 0) -> Any:
        pixels = np.stack([np.asarray(image) for image in bright_rows(100)["image"]]) / 255
        return replace(
            original(self, input_size), mean=(float(pixels.mean()),) * 3, std=(float(pixels.std()),) * 3
        )

    monkeypatch.setattr(Prior, "preprocessing", fitted)
    run()
    monkeypatch.undo()
    assert "decoder.preprocessing.mean" in problems(tmp_path)


def test_fitted_preprocessing_that_the_certificate_keeps_silent_about(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement names the checkpoint's own values, the batches are made with others."""
    original = EncodedImages.__init__

    def fitted(self: EncodedImages, pixels: Any, labels: Any, preprocessing: Any) -> None:
        original(self, pixels, labels, preprocessing)
        grey = pixels.mean() / 255
        self._mean = torch.full_like(self._mean, float(grey))

    monkeypatch.setattr(EncodedImages, "__init__", fitted)
    run()
    monkeypatch.undo()
    assert "errors is stated as" in problems(tmp_path)


def test_classes_counted_on_the_training_labels(tmp_path: Path) -> None:
    """Bare integers declare nothing; the number of classes is the user's word, and stands as an assumption."""
    import datasets

    rows = bright_rows(24)
    save_rows(tmp_path / "data", rows, label=datasets.Value("int64"))
    with pytest.raises(DataError, match="declares no classes"):
        LabelledData.load(str(tmp_path / "data"))
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = LabelledData.load(str(tmp_path / "data"), num_classes=2)
    content = certify(prior, data, None, QUICK, progress=False).content
    assert any("does not declare them, the user did" in line for line in content["assumptions"])


# Trap 3: the head's starting value -------------------------------------------------------------------


def test_a_head_that_starts_from_no_charged_seed(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(name: str, shape: torch.Size, head_seed: int) -> torch.Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(5))

    monkeypatch.setattr(prior_module, "initial_head", drawn)
    run()
    monkeypatch.undo()
    assert "errors is stated as" in problems(tmp_path)


def test_a_seeded_head_is_charged(run: Callable[..., Certificate], tmp_path: Path) -> None:
    certificate = run(replace(QUICK, head_seed=1234))
    assert problems(tmp_path) == ""
    (cost,) = [cost for cost in certificate.content["message"]["costs"] if cost["field"] == "head_seed"]
    assert cost["value"] == 1234
    assert cost["bits"] > 10


# Trap 4: uncharged choices ---------------------------------------------------------------------------


def test_a_seed_that_the_message_does_not_name(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of many seeds, with the message saying seed 0: cheaper, and decoded to something else."""
    original = training.encode_message
    monkeypatch.setattr(
        training, "encode_message", lambda header, *rest: original(replace(header, seed=0), *rest)
    )
    count_with(monkeypatch, lambda predictor, model: model, trained_model(monkeypatch))
    run()
    monkeypatch.undo()
    assert "errors is stated as" in problems(tmp_path)


def test_each_choice_of_the_decoder_costs_bits() -> None:
    content = Certificate.from_pretrained(image_certificate()).content
    costs = {cost["field"]: cost["bits"] for cost in content["message"]["costs"]}
    assert sum(costs.values()) == pytest.approx(content["message_bits"], rel=1e-12)
    for field in (
        "kind",
        "dim",
        "seed",
        "levels",
        "step",
        "input_size",
        "head_seed",
        "head_scale",
        "contexts",
    ):
        assert costs[field] > 0


def test_declared_variants_are_charged(run: Callable[..., Certificate]) -> None:
    content = run(replace(QUICK, candidate=3, candidates=8)).content
    (cost,) = [cost for cost in content["message"]["costs"] if cost["field"] == "candidate"]
    assert cost["bits"] == pytest.approx(3.0)
    assert any("list of 8 variants" in line for line in content["assumptions"])


def test_an_unpaid_choice_of_checkpoint_is_at_least_named() -> None:
    """Nobody can see from outside how many checkpoints were tried: the card says what is assumed."""
    content = Certificate.from_pretrained(image_certificate()).content
    assert any("no other checkpoint was tried" in line for line in content["assumptions"])


# Trap 5: further trainable tensors -------------------------------------------------------------------


def test_an_extra_trainable_tensor(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head learns beside the coordinates, as peft's ``modules_to_save`` lets it."""
    data = LabelledData.load(str(world() / "bright-squares"))
    prior = Prior.from_pretrained(str(world() / "prior"))
    encoded = statement.encode(prior.preprocessing(QUICK.input_size), data, progress=False)

    def head_trained(predictor: DecodedPredictor, model: nn.Module) -> nn.Module:
        module = copy.deepcopy(predictor.module)
        head = [p for name, p in module.named_parameters() if name in prior.head_parameters(2)]
        optimizer = torch.optim.Adam(head, lr=0.1)
        for _ in range(10):
            for _, batch, labels in encoded.batches(50):
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(**batch), labels).backward()
                optimizer.step()
        return module

    count_with(monkeypatch, head_trained, trained_model(monkeypatch))
    run()
    monkeypatch.undo()
    assert "errors is stated as" in problems(tmp_path)


def test_the_optimizer_gets_the_coordinates_and_the_step_alone(
    run: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[torch.Tensor]] = []
    original = Finetuner.run

    def look(self: Finetuner) -> Any:
        seen.append([p for group in self.optimizer.param_groups for p in group["params"]])
        asking = [p for p in self.model.parameters() if p.requires_grad]
        trainable = {id(p) for p in self.model._trainable}
        assert {id(p) for p in asking} - trainable == {id(p) for p in seen[-1]}
        return original(self)

    monkeypatch.setattr(Finetuner, "run", look)
    content = run().content
    assert sorted(p.numel() for p in seen[0]) == [1, content["decoder"]["dim"]]


# Trap 9: a checkpoint that has seen the data ---------------------------------------------------------


def test_a_checkpoint_whose_card_names_the_data(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(world() / "prior", tmp_path / "prior"))
    (folder / "README.md").write_text("---\ndatasets:\n- bright-squares\n---\n", encoding="utf-8")
    prior = Prior.from_pretrained(str(folder))
    data = LabelledData.load(str(world() / "bright-squares"))
    with pytest.raises(PriorIndependenceError, match="bright-squares"):
        certify(prior, data, tmp_path / "out", QUICK, progress=False)
    assert not (tmp_path / "out").exists()
    certify(prior, data, tmp_path / "out", QUICK, allow_dependence=True, progress=False)
    verdict = verify(tmp_path / "out")
    assert verdict.holds
    assert any("OVERRIDDEN" in line for line in verdict.certificate.content["assumptions"])
