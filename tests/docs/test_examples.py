"""The scripts of docs/examples do on tiny inputs what their first lines say."""

from __future__ import annotations

import csv
import runpy
import sys
from pathlib import Path

import language_fixtures
import pytest
import timm
from conftest import text_rows
from spine_fixtures import bright_rows, image_certificate

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def run(name: str, *arguments: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_each_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"classify.py", "use.py", "language.py"}


def test_a_classifier_from_a_dataset(
    tiny_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = text_rows(40)
    with (tmp_path / "notes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(zip(rows["text"], [("no", "yes")[one] for one in rows["label"]], strict=True))
    run("classify.py", tiny_bert, tmp_path / "notes.csv", "--classes", "no,yes", "--minutes", "0.01")
    said = capsys.readouterr().out
    assert said.startswith("Certificate(error <= ")
    assert "The rows were given in memory" in said
    assert said.endswith("holds\n")


def test_the_certified_model_is_asked_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, image in enumerate(bright_rows(2)["image"]):
        image.save(tmp_path / f"{place}.png")
    run("use.py", image_certificate(), tmp_path / "model", tmp_path / "0.png", tmp_path / "1.png")
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{tmp_path / '0.png'}\tclass")
    assert second.startswith(f"{tmp_path / '1.png'}\tclass")
    assert "a checkpoint for timm, checked on 64" in last
    assert timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True).num_classes == 2


def test_a_language_model_on_files_of_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "documents").mkdir()
    for place, text in enumerate(language_fixtures.document_texts(24)):
        (tmp_path / "documents" / f"{place:02}.txt").write_text(text, encoding="utf-8")
    prior = language_fixtures.checkpoint("llama")
    run("language.py", prior, tmp_path / "documents", "--max-tokens", "12", "--minutes", "0.01")
    said = capsys.readouterr().out
    assert said.startswith("Certificate(loss <= ")
    assert said.endswith("holds\n")
