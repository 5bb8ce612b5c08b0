"""An export that is not the certified predictor, or that nobody could load, is refused, and nothing is kept of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from conftest import save_rows, text_rows
from spine_fixtures import here_cli, image_certificate, world
from stated import case, stated

from transferbound import Certificate, LabelledData, Predictor, Prior
from transferbound.certificate.content import Content
from transferbound.certificate.schema import input_columns
from transferbound.errors import ArgumentError, CertificateError, DataError, ExportError, OutputError
from transferbound.export import registry, timm_target
from transferbound.export.export import export
from transferbound.export.fold import folded
from transferbound.message import Header
from transferbound.priors.backends.wrappers import ImageClassifier

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Callable[[str], Path]:
    known: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in known:
            known[name] = case(name, tmp_path_factory.mktemp("case"), tiny_bert)[0]
        return known[name]

    return get


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("name", "to", "why"),
    [
        ("text sparse", "timm", "is one of transformers, not of timm. --to sentence-transformers can"),
        ("image film", "transformers", "is one of timm, not of transformers. --to timm can"),
        ("image film", "sentence-transformers", "it reads texts, .* --to timm can"),
        ("text sparse", "transformers", "no classifier in transformers .* pooled by 'mean'"),
        ("text pairs", "sentence-transformers", "the certificate is of pairs.* --to onnx can"),
        ("image film", "peft", "kind 'film' is something else"),
    ],
)
def test_a_form_that_cannot_carry_it_says_why(
    name: str, to: str, why: str, made: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=f"--to {to} cannot carry this predictor: .*{why}"):
        export(made(name), tmp_path / "out", to)
    assert left(tmp_path) == []


@pytest.mark.parametrize("check", ["some", 0, -1, 2001, "1.5", True])
def test_a_number_of_rows_that_is_none(check: Any, made: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"--check is .*; give a number from 1 to 2,000, or all"):
        export(made("image film"), tmp_path / "out", check=check)


def test_an_unknown_target_a_missing_package_and_a_folder_that_is_there(
    made: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ArgumentError, match="--to is 'keras'; choose one of timm, transformers, sentence-"):
        export(made("image film"), tmp_path / "out", "keras")
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(
        ArgumentError, match=r"--to onnx needs onnx and .* pip install 'transferbound\[onnx\]'"
    ):
        export(made("image film"), tmp_path / "out", "onnx")
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        export(made("image film"), tmp_path / "out")


def test_timm_reads_pictures_of_the_certified_size(made: Callable[[str], Path], tmp_path: Path) -> None:
    out = export(made("image hashed"), tmp_path / "out", check=8)
    said = json.loads((out / "config.json").read_text())["pretrained_cfg"]
    assert said["input_size"] == [3, 32, 32]


def test_an_export_that_answers_otherwise_is_not_kept(
    made: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned(subject: Any) -> Any:
        network = subject.classifier.network
        network.classifier.weight.data.neg_()
        return network

    monkeypatch.setattr(timm_target, "_network", turned)
    predictor = Predictor.from_pretrained(made("image hashed"))
    separate = Predictor.from_pretrained(made("image hashed"))  # the predictor that is asked stays as it is
    monkeypatch.setattr("transferbound.export.check.answers_of", _asking(separate))
    with pytest.raises(
        ExportError, match=r"the export answers 'class\d' for row \d+ of the inputs that come with"
    ):
        predictor.export(tmp_path / "out")
    assert left(tmp_path) == []


def _asking(predictor: Predictor) -> Callable[..., Any]:
    from transferbound.risks.answers import answers_of

    return lambda module, rows, classes: answers_of(predictor.decoded.module, rows, classes)


def test_components_are_folded_with_their_mean(made: Callable[[str], Path]) -> None:
    """The head of a plain network is the whole product: without the components' bias, answers would be others."""
    predictor = Predictor.from_pretrained(made("image sparse"))
    module: Any = predictor.decoded.module
    plain: Any = folded(predictor.decoded, predictor.class_names)
    assert isinstance(plain, ImageClassifier)
    head, components = module.head, module.components
    weight = head.weight.detach().double() @ components.weight.detach().double()
    bias = head.bias.detach().double() + head.weight.detach().double() @ components.bias.detach().double()
    own = plain.network.get_classifier()
    assert own.weight.detach().numpy() == pytest.approx(weight.float().numpy())
    assert own.bias.detach().numpy() == pytest.approx(bias.float().numpy())
    assert np.abs(components.bias.detach().numpy()).max() > 0.01


def test_ties_are_told_of(made: Callable[[str], Path], tmp_path: Path) -> None:
    out = export(made("image ties"), tmp_path / "out", check="all")
    checked = json.loads((out / "export.json").read_text())["checked"]
    assert checked["no_answer"] == checked["rows"] == 60  # all are errors by the certificate
    assert checked["errors"] < 60  # and a library answers them
    assert "for 60 rows the two best logits tie" in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "target"), [("text constant", "sentence-transformers"), ("image constant", "timm")]
)
def test_one_answer_to_everything(
    name: str, target: str, made: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = made(name)
    out = export(folder, tmp_path / "out", check="all")
    said = json.loads((out / "export.json").read_text())
    assert said["target"] == target
    assert said["checked"]["errors"] == Certificate.from_pretrained(folder).content["errors"]


def test_rows_that_are_elsewhere(tmp_path: Path, capsys: Capture) -> None:
    folder = Path(shutil.copytree(image_certificate(), tmp_path / "certificate"))
    content = json.loads((folder / "certificate.json").read_text())
    content["dataset"]["id"] = str(tmp_path / "gone")
    (folder / "certificate.json").write_text(json.dumps(content))
    with pytest.raises(
        DataError, match=r"--check all counts on the training rows: name where .* with --dataset"
    ):
        export(folder, tmp_path / "out", check="all")
    rows = str(world() / "bright-squares")
    assert here_cli("export", folder, "--out", tmp_path / "out", "--check", "all", "--dataset", rows) == 0
    told = capsys.readouterr().out
    assert "a checkpoint for timm" in told
    assert f"{content['errors']} errors counted with timm" in told
    assert here_cli("export", folder, "--out", tmp_path / "out") == 2
    assert "exists already" in capsys.readouterr().err


def test_a_certificate_that_counts_other_errors_is_not_exported(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(image_certificate(), tmp_path / "certificate"))
    content = json.loads((folder / "certificate.json").read_text())
    content["errors"] += 3
    (folder / "certificate.json").write_text(json.dumps(content))
    with pytest.raises(
        ExportError, match=r"answers .* training rows wrongly, the certificate states .*`transferbound ver"
    ):
        Certificate.from_pretrained(folder).export(tmp_path / "out", check="all")
    assert left(tmp_path) == ["certificate"]


def test_a_language_model_has_no_ordinary_checkpoint() -> None:
    """What is certified of one is a mixture."""
    with pytest.raises(CertificateError, match=r"of a language model, which names no class: .* mixes"):
        input_columns(cast(Content, {"task": "text-generation"}))


def test_rows_of_three_texts_are_one_text(tmp_path: Path, save_bert: Callable[..., Path]) -> None:
    """The libraries would take a third text for something else."""
    texts = text_rows(24)
    rows = {"a": texts["text"], "b": texts["text"][::-1], "c": texts["text"][5:] + texts["text"][:5]}
    data = LabelledData.load(
        str(save_rows(tmp_path / "rows", rows | {"label": texts["label"]})), text_columns=["a", "b", "c"]
    )
    prior = save_bert(tmp_path / "prior", "BertForSequenceClassification", num_labels=3)
    header = Header("hashed", 40, step=8, head_seed=5)
    integers = np.random.default_rng(7).integers(-1, 2, 40)
    folder = stated(Prior.from_pretrained(str(prior)), data, tmp_path / "out", header, integers)
    out = export(folder, tmp_path / "model", check="all")
    said = json.loads((out / "export.json").read_text())
    assert said["target"] == "transformers"
    assert said["checked"]["errors"] == Certificate.from_pretrained(folder).content["errors"]
    card = (out / "README.md").read_text()
    assert "A row is one text: those of `a`, `b`, `c`, in this order, a line each." in card
