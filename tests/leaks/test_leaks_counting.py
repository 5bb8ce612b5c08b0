"""Leaks in what is counted, charged and bounded: each is put in, and must be noticed."""

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
    SubspaceConfig,
    certify,
    verify,
)
from transferbound.bounds import forms
from transferbound.certificate import statement
from transferbound.certificate.certificate import Certificate
from transferbound.certification import certify as certification
from transferbound.errors import CertificateError
from transferbound.message import step_size
from transferbound.predictor import DecodedPredictor
from transferbound.risks import counting
from transferbound.risks.counting import ErrorCount, count_errors


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Certificate]:
    """``run(settings)`` certifies into ``tmp_path / "out"``."""
    return partial(certified, tmp_path)


# Trap 11: not the decoded weights --------------------------------------------------------------------


def test_the_training_object_is_not_the_certified_predictor(
    run: Callable[..., Certificate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted before the grid: the coordinates as the optimizer left them."""

    def unquantized(predictor: DecodedPredictor, model: nn.Module) -> nn.Module:
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

    def coarse(predictor: DecodedPredictor, model: nn.Module) -> nn.Module:
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

    monkeypatch.setattr(counting, "count_errors", kind)
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
    original = forms.all_bounds

    def flattering(errors: int, n: int, bits: float, delta: float) -> dict[str, float]:
        return original(errors, n, bits, delta) | {"occam_binomial": errors / n + 0.01}

    monkeypatch.setattr(forms, "all_bounds", flattering)
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


def test_rows_inside_rows_are_said(tiny_bert: Path, tmp_path: Path) -> None:
    """As in SST-2: sentences, and phrases cut out of them as rows of their own."""
    sentences = [f"the {word} film is very good and not dull at all" for word in ("sad", "great", "funny")]
    phrases = [" ".join(text.split()[start : start + 4]) for text in sentences for start in range(4)]
    rows = {"text": sentences + phrases, "label": [i % 2 for i in range(15)]}
    data = LabelledData.load(str(save_rows(tmp_path / "data", rows)))
    settings = replace(QUICK, subspace=SubspaceConfig("film", dim=10), input_size=None)
    certify(str(tiny_bert), data, tmp_path / "out", settings, progress=False)
    verdict = verify(tmp_path / "out")
    assert verdict.holds
    assert "WARNING: 12 of the 15 rows stand word for word inside a longer row" in verdict.text()
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "> **Warning.** 12 of the 15 rows" in card


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
