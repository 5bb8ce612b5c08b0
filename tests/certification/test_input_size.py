"""How much of a picture or text is looked at follows from the time there is."""

from pathlib import Path

import pytest
import torch
from conftest import save_rows

from transferbound import CertifySettings, FinetuneSettings, LabelledData, Prior, certify, verify
from transferbound.certification import input_size
from transferbound.certification.input_size import affordable_input_size
from transferbound.priors.backends.preprocessing import TextPreprocessing

CPU = torch.device("cpu")


def long_texts(folder: Path, rows: int, words: int) -> LabelledData:
    texts = [" ".join(["film" if i % 2 else "play"] * words) for i in range(rows)]
    save_rows(folder, {"text": texts, "label": [i % 2 for i in range(rows)]})
    return LabelledData.load(str(folder))


def test_long_texts_are_cut_to_what_there_is_time_for(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = Prior.from_pretrained(str(tiny_bert))
    own = prior.preprocessing(0).input_size
    assert own == 32
    monkeypatch.setattr(input_size, "_LEAST_TOKENS", 16)
    monkeypatch.setattr(input_size, "INPUT_SIZES", (16, 20, 28, 40))
    data = long_texts(tmp_path / "long", 60, 200)
    monkeypatch.setattr(input_size, "_FEW", 0)
    monkeypatch.setattr(input_size, "_seconds_per_token", lambda *_: 0.001)
    for tokens, size in ((own, 0), (30, 28), (21, 20), (1, 16)):
        assert affordable_input_size(prior, data, CPU, 1000, float(tokens)) == size


def test_short_texts_and_few_tokens_are_left_alone(tmp_path: Path, tiny_bert: Path) -> None:
    prior = Prior.from_pretrained(str(tiny_bert))
    assert affordable_input_size(prior, long_texts(tmp_path / "few", 10, 200), CPU, 20, 0.0) == 0
    preprocessing = prior.preprocessing(0)
    assert isinstance(preprocessing, TextPreprocessing)
    assert input_size._seconds_per_token(prior, preprocessing, CPU) > 0


def test_a_certificate_on_texts_that_were_cut_verifies(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_size, "_FEW", 0)
    monkeypatch.setattr(input_size, "_seconds_per_token", lambda *_: 1.0)
    monkeypatch.setattr(input_size, "_LEAST_TOKENS", 28)  # the tiny model reads 32
    data = long_texts(tmp_path / "long", 60, 200)
    settings = CertifySettings(finetune=FinetuneSettings(budget_minutes=0.2))
    certificate = certify(
        Prior.from_pretrained(str(tiny_bert)), data, tmp_path / "out", settings, progress=False
    )
    assert certificate.content["decoder"]["input_size"] == 28
    assert verify(tmp_path / "out").holds
