"""Digits drawn with fonts made after handwriting, and the layer and head that a recipe trains on them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from test_recipes import digits, run

from transferbound import Certificate, Prior

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that draws, with the fonts alone that matplotlib brings: npm's are not at hand here."""
    monkeypatch.syspath_prepend(str(RECIPES))
    module = importlib.import_module("_priors.handwriting")
    monkeypatch.setattr(module, "HANDS", ())
    monkeypatch.setattr(module, "PRINTED", module.PRINTED[:3])
    return module


def test_drawn_digits_are_placed_like_mnists(hands: ModuleType, tmp_path: Path) -> None:
    glyphs = hands.digit_glyphs(tmp_path)
    assert glyphs.shape == (3, 10, 64, 64)
    pictures, labels = hands.drawn_digits(glyphs, 150)
    assert pictures.shape == (150, 28, 28)
    assert set(labels) == set(range(10))
    places = np.indices((28, 28)).reshape(2, -1)
    for picture in pictures.astype(float):
        rows, columns = np.nonzero(picture > 100)
        assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 22
        np.testing.assert_allclose((places * picture.ravel()).sum(1) / picture.sum(), 13.5, atol=0.75)
    assert len({picture.tobytes() for picture in pictures}) == 150
    again, same = hands.drawn_digits(glyphs, 150)
    assert np.array_equal(again, pictures)
    assert np.array_equal(same, labels)
    assert not np.array_equal(hands.drawn_digits(glyphs, 150, seed=1)[0], pictures)


def test_the_layer_is_what_was_trained(hands: ModuleType, tmp_path: Path) -> None:
    """Read again as any checkpoint, it tells other drawn digits: what the training scaled is in its weights."""
    glyphs = hands.digit_glyphs(tmp_path)
    write = importlib.import_module("_priors.hidden_layer").write_hidden_layer
    pictures, labels = hands.drawn_digits(glyphs, 1000)
    folder = write(tmp_path / "prior", pictures, labels, epochs=8, what="A test.")
    prior = Prior.from_pretrained(str(folder))
    assert prior.head_start(10, tuple("0123456789")).startswith("checkpoint")
    assert prior.licence == "cc0-1.0"
    others, truth = hands.drawn_digits(glyphs, 300, seed=1)
    module = prior.build(10)
    with torch.inference_mode():
        x = torch.from_numpy(others).float()[:, None] / 255
        assert float((module(x).argmax(1).numpy() != truth).mean()) < 0.1
        fixed = module.network.fixed_features(x)
        expected = torch.relu(module.network.hidden(fixed))
        torch.testing.assert_close(module.network.forward_features(x), expected)


def test_by_transfer_from_drawn_digits(
    hands: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = importlib.import_module("mnist_from_drawn_digits")
    monkeypatch.setattr(module, "QUICK_ROWS", 200)
    run("mnist_from_drawn_digits", tmp_path, digits(tmp_path / "digits"), "--source", str(tmp_path))
    content = Certificate.from_pretrained(tmp_path / "out").content
    paid = {cost["field"]: cost["bits"] for cost in content["message"]["costs"]}
    assert content["decoder"]["candidates"] == 0
    assert paid["candidate"] == pytest.approx(14.0, abs=1e-5)  # a place of the list beyond the package's own
    assert (tmp_path / "cards" / "mnist_from_drawn_digits" / "prior" / "model.safetensors").exists()


def test_fonts_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPES))
        module: Any = importlib.import_module("mnist_from_drawn_digits")
    given = ["--dataset", str(tmp_path), "--out", str(tmp_path / "out"), "--cards", str(tmp_path)]
    assert sys.modules["_run.recipe"].main(module.RECIPE, given) == 2
    assert "--source is not given" in capsys.readouterr().err
    assert sys.modules["_run.recipe"].main(module.RECIPE, [*given, "--source", str(tmp_path / "fonts")]) == 2
    assert "npm install --ignore-scripts --prefix" in capsys.readouterr().err
