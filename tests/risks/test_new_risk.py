"""A risk is a file of its own and a line in ``risks/__init__.py``: training, statement, card and verify follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import save_rows
from spine_fixtures import QUICK, bright_rows, here_cli, world

from transferbound import LabelledData, Prior, certify, verify
from transferbound.bounds import occam_binomial
from transferbound.errors import CertificateError
from transferbound.risks import RISKS
from transferbound.risks.risk import Measured, Words
from transferbound.risks.zero_one import ZeroOne


class SecondGuess(ZeroOne):
    """A row is wrong where its label is not among the two largest logits."""

    name = "second_guess"
    words = Words("ranker", "miss rate", "miss rate (%)", 100.0, "two most common classes")

    def losses(self, outputs: torch.Tensor, rows: Any) -> torch.Tensor:
        best = outputs.topk(2, dim=1).indices
        return (best != self._labels(outputs, rows)[:, None]).all(1).float()

    def measure(self, module: Any, data: Any, **how: Any) -> Measured:
        wrong = torch.zeros(data.n, dtype=torch.float64)
        with torch.inference_mode():
            for rows, batch, _ in data.batches(50):
                wrong[torch.from_numpy(rows)] = self.losses(module(**batch), rows).double()
        return Measured(wrong.numpy(), self.units.losses(wrong.numpy()))


@pytest.fixture
def second_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RISKS, "second_guess", f"{__name__}:SecondGuess")


@pytest.mark.usefixtures("second_guess")
def test_another_risk_is_certified_verified_and_put_into_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = LabelledData.load(str(save_rows(tmp_path / "three", bright_rows(90, classes=3))))
    prior = Prior.from_pretrained(str(world() / "prior"))
    settings = replace(QUICK, risk="second_guess", finetune=replace(QUICK.finetune, polish=2))
    content = certify(prior, data, tmp_path / "out", settings, progress=False).content
    assert content["loss"] == "second_guess"
    assert content["errors"] < certify(prior, data, None, QUICK, progress=False).content["errors"]
    assert content["risk_bound"] == occam_binomial(content["errors"], 90, content["message_bits"], 0.05)
    verdict = verify(tmp_path / "out")
    assert verdict.holds
    assert verdict.text().startswith("HOLDS: miss rate on new data at most ")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "this ranker's miss rate on new data" in card
    assert here_cli("card", tmp_path / "out", "--quiet") == 0
    # Where the risk is not known there is nothing to recount.
    monkeypatch.delitem(RISKS, "second_guess")
    with pytest.raises(CertificateError, match="loss is 'second_guess'; known are zero_one"):
        verify(tmp_path / "out")
