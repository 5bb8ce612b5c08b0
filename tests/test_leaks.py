"""The ways in which such a bound would be silently false: each is put in, and must be noticed.

A leak that makes the certificate state more than its message proves is noticed by ``verify``, which builds
the predictor anew from checkpoint and message; one that training alone can see is refused by ``certify``.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import save_rows
from spine_fixtures import QUICK, bright_rows, image_certificate, world
from torch import nn

from transferbound import (
    CertifySettings,
    LabelledData,
    Prior,
    SubspaceConfig,
    SubspaceModel,
    certification,
    certify,
    statement,
    verify,
)
from transferbound.certificate import Certificate
from transferbound.encode import EncodedImages
from transferbound.errors import CertificateError, DataError, PriorIndependenceError, SubspaceError
from transferbound.evaluate import ErrorCount, count_errors
from transferbound.finetune import Finetuner
from transferbound.predictor import Predictor, decode_predictor
from transferbound.priors import _prior
from transferbound.quantize import step_size


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Certificate]:
    """``run(settings)`` certifies into ``tmp_path / "out"``."""

    def make(settings: CertifySettings = QUICK) -> Certificate:
        prior = Prior.from_pretrained(str(world() / "prior"))
        data = LabelledData.load(str(world() / "bright-squares"))
        return certify(prior, data, tmp_path / "out", settings, progress=False)

    return make


def problems(folder: Path) -> str:
    """What verify finds, with nothing of the certifying run left in place."""
    verdict = verify(folder / "out")
    assert verdict.holds == (not verdict.problems)
    return "\n".join(verdict.problems)


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


def trained_model(monkeypatch: pytest.MonkeyPatch) -> dict[str, nn.Module]:
    """Keeps the training object of the next run."""
    kept: dict[str, nn.Module] = {}
    original = Finetuner.run

    def keep(self: Finetuner) -> Any:
        integers = original(self)
        kept["model"] = self.model
        return integers

    monkeypatch.setattr(Finetuner, "run", keep)
    return kept


def count_with(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Predictor, nn.Module], nn.Module],
    kept: dict[str, nn.Module],
) -> None:
    """Lets the statement count the errors of another module than the decoded one."""

    def leaky(*arguments: Any, **how: Any) -> Predictor:
        predictor = decode_predictor(*arguments, **how)
        return replace(predictor, module=change(predictor, kept["model"]))

    monkeypatch.setattr(statement, "decode_predictor", leaky)


def test_statistics_of_the_training_data_in_the_certified_module(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in code that trains with the wrapped network in train mode and evaluates that object."""
    data = LabelledData.load(str(world() / "bright-squares"))
    prior = Prior.from_pretrained(str(world() / "prior"))
    encoded = statement.encode(prior.preprocessing(QUICK.input_size), data, progress=False)

    def moved(predictor: Predictor, model: nn.Module) -> nn.Module:
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
    run()
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

    monkeypatch.setattr(_prior, "initial_head", drawn)
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
    original = certification.encode_message
    monkeypatch.setattr(
        certification, "encode_message", lambda header, *rest: original(replace(header, seed=0), *rest)
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

    def head_trained(predictor: Predictor, model: nn.Module) -> nn.Module:
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
        touched = {id(p) for p in self.model._touched}
        assert {id(p) for p in asking} - touched == {id(p) for p in seen[-1]}
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


# Trap 11: not the decoded weights --------------------------------------------------------------------


def test_the_training_object_is_not_the_certified_predictor(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted before the grid: the coordinates as the optimizer left them."""

    def unquantized(predictor: Predictor, model: nn.Module) -> nn.Module:
        model.quantizer.active = False
        model._written = None
        return model

    count_with(monkeypatch, unquantized, trained_model(monkeypatch))
    run()
    monkeypatch.undo()
    assert "errors is stated as" in problems(tmp_path)


def test_the_training_object_rounded_to_the_grid_agrees(
    run: Callable[..., Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other side of the test above: what is decoded is what was trained, so nothing is lost on the way."""
    kept = trained_model(monkeypatch)
    content = run().content
    model = kept["model"]
    assert torch.equal(
        model.used_coordinates().detach().double(),
        torch.from_numpy(np.array(model.quantizer.integers(model.coordinates)) * 1.0)
        * float(model.quantizer.log_step.exp()),
    )
    data = LabelledData.load(str(world() / "bright-squares"))
    prior = Prior.from_pretrained(str(world() / "prior"))
    encoded = statement.encode(prior.preprocessing(QUICK.input_size), data, progress=False)
    assert count_errors(model, encoded).errors == content["errors"]
    assert float(model.quantizer.log_step.exp()) == pytest.approx(
        step_size(content["decoder"]["step"]), rel=1e-6
    )


def test_half_precision_counts(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights cut to eight bits: another predictor than the one that the message names."""

    def coarse(predictor: Predictor, model: nn.Module) -> nn.Module:
        module = copy.deepcopy(predictor.module)
        for parameter in module.parameters():
            unit = parameter.detach().abs().max() / 3 + 1e-12
            parameter.data.copy_((parameter / unit).round() * unit)
        return module

    count_with(monkeypatch, coarse, trained_model(monkeypatch))
    run()
    monkeypatch.undo()
    assert "errors is stated as" in problems(tmp_path)


# The count, the bits and the bound themselves --------------------------------------------------------


def test_errors_that_are_not_counted(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kind(*arguments: Any, **how: Any) -> ErrorCount:
        count = count_errors(*arguments, **how)
        wrong = count.wrong.copy()
        wrong[np.flatnonzero(wrong)[0]] = False
        return replace(count, wrong=wrong)

    monkeypatch.setattr(statement, "count_errors", kind)
    run()
    monkeypatch.undo()
    assert "errors is stated as" in problems(tmp_path)


def test_bits_that_were_never_charged(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = statement.message_bits
    monkeypatch.setattr(statement, "message_bits", lambda *message: original(*message) - 10.0)
    run()
    monkeypatch.undo()
    found = problems(tmp_path)
    assert "message_bits is stated as" in found
    assert "risk_bound is stated as" in found


def test_an_entropy_estimate_in_place_of_a_code(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        statement,
        "message_bits",
        lambda header, integers, contexts: statement.empirical_entropy_bits(integers),
    )
    run()
    monkeypatch.undo()
    assert "message_bits is stated as" in problems(tmp_path)


def test_a_bound_that_underflows(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap 10: scipy's tail inverted at a delta too small for it."""
    original = statement.all_bounds

    def flattering(errors: int, n: int, bits: float, delta: float) -> dict[str, float]:
        return original(errors, n, bits, delta) | {"occam_binomial": errors / n + 0.01}

    monkeypatch.setattr(statement, "all_bounds", flattering)
    run()
    monkeypatch.undo()
    assert "bounds.occam_binomial is stated as" in problems(tmp_path)


def test_side_information_behind_the_message(tmp_path: Path) -> None:
    shutil.copytree(image_certificate(), tmp_path / "out")
    file = tmp_path / "out" / "offset.bin"
    file.write_bytes(file.read_bytes() + b"\x01")
    assert "offset.bin" in problems(tmp_path)


# Trap 8: units ---------------------------------------------------------------------------------------


def test_repeated_rows_are_said(tmp_path: Path) -> None:
    rows = bright_rows(20)
    save_rows(tmp_path / "data", {key: value * 5 for key, value in rows.items()})
    prior = Prior.from_pretrained(str(world() / "prior"))
    certify(prior, LabelledData.load(str(tmp_path / "data")), tmp_path / "out", QUICK, progress=False)
    verdict = verify(tmp_path / "out")
    assert verdict.holds
    assert "WARNING: 80 of the 100 rows repeat an earlier one" in verdict.text()


def test_a_certificate_of_another_form_is_not_written(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = certification.make_statement
    monkeypatch.setattr(
        certification, "make_statement", lambda *a, **k: original(*a, **k) | {"held_out_bound": 0.01}
    )
    with pytest.raises(CertificateError, match="held_out_bound is unknown"):
        run()
    assert not (tmp_path / "out").exists()


def test_the_projection_is_a_function_of_the_seed_alone(
    run: Callable[..., Certificate], tmp_path: Path
) -> None:
    """Two runs with torch's own random state elsewhere give the same message."""
    first = run()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        torch.rand(7)
        prior = Prior.from_pretrained(str(world() / "prior"))
        data = LabelledData.load(str(world() / "bright-squares"))
        second = certify(prior, data, None, QUICK, progress=False)
    assert first.message == second.message
    assert first.content == second.content
    assert SubspaceConfig("film", dim=12, seed=3) == QUICK.subspace
