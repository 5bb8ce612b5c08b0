"""What a run says of rows, classes and answers that are not as they look: in terminal, certificate and card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from conftest import save_rows, text_rows
from PIL import Image
from spine_fixtures import here_cli, save_calibrated

from transferbound import (
    CertifySettings,
    FinetuneSettings,
    LabelledData,
    Prior,
    SubspaceConfig,
    certify,
    verify,
)
from transferbound.certificate.certificate import Certificate
from transferbound.data.encode import encode
from transferbound.risks.counting import count_errors

Run = Callable[..., str]


@pytest.fixture
def bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """``bound(prior, data, out)`` gives what the terminal shows."""

    def run(prior: Path, data: Path, out: str = "out", *more: object) -> str:
        target = tmp_path / out
        code = here_cli("bound", "--prior", prior, "--dataset", data, "--out", target, "--epochs", "1", *more)
        told = capsys.readouterr()
        assert code in (0, 3), told.err  # a vacuous bound is a bound
        return " ".join(told.out.split())

    return run


def content_of(folder: Path) -> Any:
    return Certificate.from_pretrained(folder).content


def said(folder: Path, *words: str) -> None:
    """One warning of certificate and card has all these words, and the certificate holds."""
    warnings = [line for line in content_of(folder)["assumptions"] if line.startswith("WARNING: ")]
    assert [line for line in warnings if all(word in line for word in words)], warnings
    card = " ".join((folder / "README.md").read_text(encoding="utf-8").split())
    assert all(word in card for word in words)
    verdict = verify(folder)
    assert verdict.holds, verdict.problems
    assert all(word in " ".join(verdict.text().split()) for word in words)


def test_files_that_are_in_no_split(tmp_path: Path, bound: Run) -> None:
    prior, folder = save_calibrated(tmp_path / "prior"), tmp_path / "data"
    generator = np.random.default_rng(0)
    for i in range(60):
        name = f"train_{i}.png" if i < 8 else f"{i:03}.png"
        target = folder / ("cat", "dog")[i % 2] / name
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (12, 12), dtype=np.uint8)).save(target)
    told = bound(prior, folder, "out", "--dim", "12", "--input-size", "32")
    assert content_of(tmp_path / "out")["dataset"]["files_left_out"] == {"files": 60, "left_out": 52}
    assert "52 of the 60 files" in told
    said(tmp_path / "out", "52 of the 60 files", "has 8 rows")
    # A certificate that is silent about them does not hold.
    path = tmp_path / "out" / "certificate.json"
    content = json.loads(path.read_text())
    del content["dataset"]["files_left_out"]
    path.write_text(json.dumps(content))
    assert any("files_left_out" in line for line in verify(tmp_path / "out").problems)


def classifier(save_bert: Callable[..., Path], folder: Path, names: tuple[str, str]) -> Path:
    import torch
    from safetensors.torch import load_file, save_file

    save_bert(
        folder,
        "BertForSequenceClassification",
        num_labels=2,
        id2label=dict(enumerate(names)),
        label2id={name: place for place, name in enumerate(names)},
    )
    path = folder / "model.safetensors"
    tensors = load_file(path)
    head = torch.linspace(-1, 1, tensors["classifier.weight"].shape[1])
    tensors["classifier.weight"] = torch.stack([head, -head] if names[0] == "negative" else [-head, head])
    tensors["classifier.bias"] = torch.tensor([0.1, -0.1] if names[0] == "negative" else [-0.1, 0.1])
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


def test_a_head_with_its_classes_in_another_order(
    tmp_path: Path, save_bert: Callable[..., Path], bound: Run
) -> None:
    label = datasets.ClassLabel(names=["negative", "positive"])
    rows = text_rows(60)
    rows["label"] = [int(i % 5 == 0) for i in range(60)]
    data = save_rows(tmp_path / "data", rows, label=label)
    found = []
    for order in (("negative", "positive"), ("Positive", "Negative")):
        prior = classifier(save_bert, tmp_path / order[0], order)
        bound(prior, data, f"out-{order[0]}", "--dim", "12")
        content = content_of(tmp_path / f"out-{order[0]}")
        assert content["decoder"]["head_start"] == "checkpoint by name"
        named = ("prior", "independence", "assumptions", "unverified")  # they have the prior's name
        found.append({key: value for key, value in content.items() if key not in named})
        assert verify(tmp_path / f"out-{order[0]}").holds
    assert found[0] == found[1]
    assert found[0]["errors"] != found[0]["n"] - found[0]["errors"]  # the other order would show


def test_an_order_of_classes_that_the_training_data_chose(
    tmp_path: Path, save_bert: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leak: whichever order of the head's classes answers more training rows rightly, at no charge."""
    label = datasets.ClassLabel(names=["negative", "positive"])
    rows = text_rows(60)
    rows["label"] = [int(i % 5 == 0) for i in range(60)]
    data = LabelledData.load(str(save_rows(tmp_path / "data", rows, label=label)))
    prior = Prior.from_pretrained(str(classifier(save_bert, tmp_path / "prior", ("negative", "positive"))))
    settings = CertifySettings(SubspaceConfig("film", dim=12), finetune=FinetuneSettings(epochs=1))
    build = Prior.build

    def chosen(self: Prior, num_classes: int, head_seed: int = 0, input_size: int = 0, **how: Any) -> Any:
        module = build(self, num_classes, head_seed, input_size, **how)
        if count_errors(module, encode(self.preprocessing(), data, progress=False)).errors <= data.n // 2:
            return module
        return build(self, num_classes, head_seed, input_size, class_names=data.class_names[::-1])

    errors = {}
    for leaky in (False, True):
        with monkeypatch.context() as patch:
            if leaky:
                patch.setattr(Prior, "build", chosen)
            out = tmp_path / f"out-{leaky}"
            errors[leaky] = certify(prior, data, out, settings, progress=False).content["errors"]
    assert errors[True] < errors[False]  # there was something to gain
    assert verify(tmp_path / "out-False").holds
    assert any("errors is stated as" in line for line in verify(tmp_path / "out-True").problems)


def test_a_head_for_other_classes_is_put_aside(
    tmp_path: Path, save_bert: Callable[..., Path], bound: Run
) -> None:
    label = datasets.ClassLabel(names=["ham", "spam"])
    data = save_rows(tmp_path / "data", text_rows(60), label=label)
    prior = classifier(save_bert, tmp_path / "prior", ("negative", "positive"))
    assert "own head was not kept" in bound(prior, data, "out", "--dim", "12")
    assert content_of(tmp_path / "out")["decoder"]["head_start"] == "zero, other classes"
    said(tmp_path / "out", "own head was not kept")


def test_no_better_than_one_answer(tmp_path: Path, tiny_bert: Path, bound: Run) -> None:
    rows = text_rows(200)
    rows["label"] = [int(i % 20 == 0) for i in range(200)]
    data = save_rows(tmp_path / "data", rows, label=datasets.ClassLabel(names=["c0", "c1"]))
    told = bound(tiny_bert, data, "out", "--dim", "12")
    content = content_of(tmp_path / "out")
    assert content["train_error"] == 0.05 == pytest.approx(content["comparison"]["majority_class_error"])
    words = "no better than always answering 'c0'"
    assert words in told
    said(tmp_path / "out", words, "lies above that")


def test_better_than_one_answer_is_no_warning() -> None:
    from spine_fixtures import image_certificate

    content = content_of(image_certificate())
    assert content["train_error"] < content["comparison"]["majority_class_error"]
    assert not any("no better than always" in line for line in content["assumptions"])
    assert "files_left_out" not in content["dataset"]
