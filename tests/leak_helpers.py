"""Putting a leak in, and asking verify whether it is noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from spine_fixtures import QUICK, world
from torch import nn

from transferbound import (
    CertifySettings,
    LabelledData,
    Prior,
    certify,
    verify,
)
from transferbound.certificate import statement
from transferbound.certificate.certificate import Certificate
from transferbound.finetune import Finetuner
from transferbound.predictor import DecodedPredictor, decode_predictor


def certified(folder: Path, settings: CertifySettings = QUICK) -> Certificate:
    """Certifies into ``folder / "out"``."""
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = LabelledData.load(str(world() / "bright-squares"))
    return certify(prior, data, folder / "out", settings, progress=False)


def problems(folder: Path) -> str:
    """What verify finds, with nothing of the certifying run left in place."""
    verdict = verify(folder / "out")
    assert verdict.holds == (not verdict.problems)
    return "\n".join(verdict.problems)


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
    change: Callable[[DecodedPredictor, nn.Module], nn.Module],
    kept: dict[str, nn.Module],
) -> None:
    """Lets the statement count the errors of another module than the decoded one."""

    def leaky(*arguments: Any, **how: Any) -> DecodedPredictor:
        predictor = decode_predictor(*arguments, **how)
        return replace(predictor, module=change(predictor, kept["model"]))

    monkeypatch.setattr(statement, "decode_predictor", leaky)
