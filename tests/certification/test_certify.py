"""End to end: a checkpoint and labelled data in, a certificate out, and its check in a fresh process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import save_rows, text_rows
from spine_fixtures import QUICK, bright_rows, grouped, here_cli, image_certificate, run_cli, text_data, world

from transferbound import (
    CertifySettings,
    FinetuneSettings,
    LabelledData,
    Prior,
    SubspaceConfig,
    certify,
    verify,
)
from transferbound.bounds import occam_binomial, occam_bounded
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.certificate import Certificate
from transferbound.data.encode import encode
from transferbound.errors import ArgumentError, CertificateError, DataError, OutputError, PriorError
from transferbound.message.stream import decode
from transferbound.predictor import decode_predictor
from transferbound.risks.counting import count_errors


def prior() -> Prior:
    return Prior.from_pretrained(str(world() / "prior"))


def data(split: str = "train") -> LabelledData:
    return LabelledData.load(str(world() / "bright-squares"), split=split)


def test_the_certificate_says_what_is_so() -> None:
    certificate = Certificate.from_pretrained(image_certificate())
    content = certificate.content
    assert content["n"] == 100
    assert content["dataset"]["units"] == content["dataset"]["rows"] == 100
    assert content["train_error"] == content["errors"] / 100
    assert content["risk_bound"] == content["bounds"]["occam_binomial"] == min(content["bounds"].values())
    again = occam_binomial(content["errors"], 100, content["message_bits"], failure_probability(0.95))
    assert content["risk_bound"] == again
    assert content["train_error"] < content["risk_bound"] <= 1
    assert content["message_bits"] <= content["file_bits"] == 8 * len(certificate.message)
    assert sum(cost["bits"] for cost in content["message"]["costs"]) == pytest.approx(content["message_bits"])
    assert content["evaluation"]["test"]["n"] == 12
    header, integers = decode(certificate.message)
    assert len(integers) == header.dim == content["decoder"]["dim"] == 12
    assert content["message"]["nonzero"] == np.count_nonzero(integers)


def test_message_and_checkpoint_alone_give_the_predictor() -> None:
    certificate = Certificate.from_pretrained(image_certificate())
    predictor = decode_predictor(prior(), 2, certificate.message)
    encoded = encode(predictor.preprocessing, data(), progress=False)
    assert count_errors(predictor.module, encoded).errors == certificate.content["errors"]


def test_it_holds_in_a_fresh_process() -> None:
    done = run_cli("verify", image_certificate(), "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["holds"] is True
    assert verdict["errors_counted"] == verdict["errors"]


def test_save_and_load_again(tmp_path: Path) -> None:
    first = Certificate.from_pretrained(image_certificate())
    first.save_pretrained(tmp_path / "a" / "copy")
    again = Certificate.from_pretrained(tmp_path / "a" / "copy")
    assert again == first
    assert sorted(file.name for file in (tmp_path / "a" / "copy").iterdir()) == [
        "certificate.json",
        "offset.bin",
    ]
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["copy"]
    assert verify(tmp_path / "a" / "copy").holds  # without a card there is no card to check


def test_saving_writes_all_or_nothing(tmp_path: Path) -> None:
    certificate = Certificate.from_pretrained(image_certificate())

    def fail(folder: Path) -> None:
        assert (folder / "offset.bin").exists()
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        certificate.save_pretrained(tmp_path / "out", finish=fail)
    assert list(tmp_path.iterdir()) == []
    wrong = Certificate(certificate.content | {"more": 1}, certificate.message)
    with pytest.raises(CertificateError, match="more"):
        wrong.save_pretrained(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "folder":
        out.mkdir()
    elif kind == "file":
        out.write_text("mine", encoding="utf-8")
    else:
        out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"):
        certify(prior(), data(), out, QUICK, progress=False)
    with pytest.raises(OutputError, match="exists already"):
        Certificate.from_pretrained(image_certificate()).save_pretrained(out)
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    certificate = certify(prior(), data(), None, QUICK, progress=False)
    assert 0 < certificate.risk_bound <= 1
    assert certificate.confidence == 0.95
    assert list(tmp_path.iterdir()) == []


TEXT = CertifySettings(
    subspace=SubspaceConfig("film", dim=10),
    finetune=FinetuneSettings(epochs=2, batch_size=10, learning_rate=0.1),
)


@pytest.mark.parametrize("pairs", [False, True])
def test_texts_and_pairs(tiny_bert: Path, tmp_path: Path, pairs: bool) -> None:
    folder = text_data(tmp_path / "sentences", n=40, pairs=pairs)
    certificate = certify(str(tiny_bert), str(folder), tmp_path / "out", TEXT, progress=False)
    assert certificate.content["dataset"]["modality"] == "text"
    assert len(certificate.content["dataset"]["columns"]["text"]) == 1 + pairs
    verdict = verify(tmp_path / "out")
    assert verdict.holds, verdict.problems
    assert verdict.errors == certificate.content["errors"]


def test_a_transformers_image_classifier(tiny_vit_classifier: Path, tmp_path: Path) -> None:
    settings = replace(QUICK, input_size=0)
    certify(
        str(tiny_vit_classifier), str(world() / "bright-squares"), tmp_path / "out", settings, progress=False
    )
    assert verify(tmp_path / "out").holds


@pytest.mark.parametrize(
    ("config", "levels", "head_seed"),
    [
        (SubspaceConfig("hashed", dim=10), 5, 0),
        (SubspaceConfig("kron", dim=10), 3, 7),
        (SubspaceConfig("film+dense", dim=10), 7, 0),
        (SubspaceConfig("lora", dim=10, rank=2), 3, 1),
        (SubspaceConfig("modules", dim=10, modules="*blocks.0*", head_scale=3), 3, 9),
    ],
)
def test_other_subspaces_grids_and_heads(
    tmp_path: Path, config: SubspaceConfig, levels: int, head_seed: int
) -> None:
    finetune = FinetuneSettings(epochs=1, batch_size=50, learning_rate=0.1)
    settings = replace(QUICK, subspace=config, levels=levels, head_seed=head_seed, finetune=finetune)
    certify(prior(), data(), tmp_path / "out", settings, progress=False)
    verdict = verify(tmp_path / "out")
    assert verdict.holds, verdict.problems


# Groups ----------------------------------------------------------------------------------------------


def test_groups_from_the_command_to_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = save_rows(tmp_path / "squares", grouped(bright_rows(90), 3))
    options = [
        "--epochs",
        "10",
        "--batch-size",
        "30",
        "--learning-rate",
        "0.1",
        "--dim",
        "12",
        "--input-size",
        "32",
    ]
    code = here_cli(
        *("bound", "--prior", world() / "prior", "--dataset", folder, "--out", tmp_path / "out"),
        *("--group-column", "patient", *options, "--json"),
    )
    assert code in (0, 3)
    content = json.loads(capsys.readouterr().out)
    assert content["n"] == content["dataset"]["units"] == 30
    assert content["dataset"]["rows"] == 90
    rows = LabelledData.load(str(folder), group_column="patient")
    predictor = decode_predictor(prior(), 2, (tmp_path / "out" / "offset.bin").read_bytes())
    wrong = count_errors(predictor.module, encode(predictor.preprocessing, rows, progress=False)).wrong
    losses = wrong.reshape(30, 3).mean(1)
    assert content["train_error"] == pytest.approx(losses.mean())
    bound = occam_bounded(losses, content["message_bits"], failure_probability(0.95))
    assert content["risk_bound"] == pytest.approx(bound, rel=1e-12)
    # Were rows counted, n would be three times as large and the bound smaller.
    assert bound > occam_binomial(int(wrong.sum()), 90, content["message_bits"], failure_probability(0.95))
    assert here_cli("verify", tmp_path / "out", "--json") == 0
    assert json.loads(capsys.readouterr().out)["holds"] is True
    assert here_cli("card", tmp_path / "out") == 0
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| independent training units n (groups) | 30 |" in card
    assert "The 30 groups named by column 'patient' are independent draws" in card
    assert verify(tmp_path / "out").holds


def test_rows_that_change_their_group_are_noticed(tmp_path: Path) -> None:
    rows = grouped(bright_rows(90), 3)
    folder = save_rows(tmp_path / "squares", rows)
    loaded = LabelledData.load(str(folder), group_column="patient")
    certify(prior(), loaded, tmp_path / "out", QUICK, progress=False)
    rows["patient"] = [*rows["patient"][1:], rows["patient"][0]]
    save_rows(folder, rows)
    verdict = verify(tmp_path / "out")
    assert not verdict.holds
    assert any("dataset.sha256" in line for line in verdict.problems)


# Vacuous and refused ---------------------------------------------------------------------------------


def test_a_vacuous_bound_says_so_and_what_it_would_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = save_rows(tmp_path / "few", bright_rows(12))
    code = here_cli(
        *("bound", "--prior", world() / "prior", "--dataset", folder, "--out", tmp_path / "out"),
        *("--epochs", "1", "--dim", "12", "--input-size", "32"),
    )
    assert code == 3
    printed = capsys.readouterr().out
    assert "VACUOUS" in printed
    assert "no better than guessing (50.00 %) with n = 12" in printed
    assert "it would take" in printed
    assert verify(tmp_path / "out").holds
    assert "> **Vacuous.**" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_model_on_the_other_kind_of_data(tiny_bert: Path, tmp_path: Path) -> None:
    texts = LabelledData.load(str(text_data(tmp_path / "sentences")))
    with pytest.raises(PriorError, match=r"reads images and the data set .* holds texts"):
        certify(prior(), texts, tmp_path / "out", QUICK, progress=False)
    with pytest.raises(PriorError, match=r"reads texts and the data set .* holds images"):
        certify(str(tiny_bert), data(), tmp_path / "out", TEXT, progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("confidence", [0.0, 1.0, 1.5, -1.0, float("nan"), 95])
def test_confidences_that_are_none(tmp_path: Path, confidence: float) -> None:
    with pytest.raises(ArgumentError, match="confidence is"):
        certify(prior(), data(), tmp_path / "out", replace(QUICK, confidence=confidence), progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_test_split_of_other_classes(tmp_path: Path) -> None:
    other = LabelledData.load(str(save_rows(tmp_path / "three", bright_rows(30, classes=3))))
    with pytest.raises(DataError, match="name another test split"):
        certify(prior(), data(), None, QUICK, test=other, progress=False)


def test_two_data_sets_of_one_order_of_rows(tmp_path: Path) -> None:
    """The order of the rows is no part of the data: the certificate holds for the rows turned round."""
    rows = {key: value[::-1] for key, value in bright_rows(100).items()}
    save_rows(tmp_path / "turned", rows)
    save_rows(tmp_path / "turned", bright_rows(12, seed=1), split="test")
    assert verify(image_certificate(), dataset=str(tmp_path / "turned")).holds


def test_names_on_the_hub(
    tiny_bert: Path, tmp_path: Path, hub_cache: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A model and a data set by Hub id, out of the local cache, offline."""
    save_rows(tmp_path / "sentences", text_rows(40))
    model = hub_cache(tiny_bert, "someone/tiny-bert")
    sentences = hub_cache(tmp_path / "sentences", "someone/sentences", "dataset")
    code = here_cli(
        *("bound", "--prior", model, "--dataset", sentences, "--out", tmp_path / "out"),
        *("--epochs", "1", "--dim", "10", "--quiet"),
    )
    assert code in (0, 3)
    content: dict[str, Any] = json.loads((tmp_path / "out" / "certificate.json").read_bytes())
    assert len(content["prior"]["revision"]) == len(content["dataset"]["revision"]) == 40
    verdict = verify(tmp_path / "out")
    assert verdict.holds, verdict.problems
    capsys.readouterr()
