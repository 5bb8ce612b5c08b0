"""The model card: metadata that survives a round trip, numbers rounded against us, edits that verify sees."""

from __future__ import annotations

import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from PIL import Image
from spine_fixtures import image_certificate

from transferbound.certificate.certificate import Certificate
from transferbound.report.card import write_card
from transferbound.report.card_check import check_card
from transferbound.report.markup import plain
from transferbound.report.summary import summary
from transferbound.verification.verify import verify
from transferbound.wording import confidence_text, percent, percent_up, round_up


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(image_certificate(), tmp_path / "certificate"))


def card_of(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def test_the_metadata_is_parsed_and_written_again_unchanged(folder: Path) -> None:
    text = card_of(folder)
    card = ModelCard(text)
    assert str(card) == text
    block = yaml.safe_load(text.split("---")[1])
    assert block == card.data.to_dict()
    (model,) = block["model-index"]
    for result in model["results"]:
        assert {"name", "type", "split"} <= set(result["dataset"])
        for metric in result["metrics"]:
            assert type(metric["value"]) is float
    assert "!!python" not in text


def test_the_results_are_the_certificates(folder: Path) -> None:
    content = Certificate.from_pretrained(folder).content
    results = ModelCard(card_of(folder)).data.eval_results
    found = {(r.dataset_split, r.metric_type): r.metric_value for r in results}
    assert found == {
        ("train", "risk_bound"): content["risk_bound"],
        ("train", "train_error"): content["train_error"],
        ("train", "message_bits"): content["message_bits"],
        ("test", "error"): content["evaluation"]["test"]["error"],
    }


def test_the_text_says_bound_assumptions_and_account(folder: Path) -> None:
    content = Certificate.from_pretrained(folder).content
    text = card_of(folder)
    assert f"is at most\n**{percent_up(content['risk_bound'])}**" in text.replace(" **", "\n**")
    for line in content["assumptions"]:
        assert f"- {plain(line)}\n" in text  # the world's folder may have a name with markup in it
    for cost in content["message"]["costs"]:
        assert f"| {cost['field']} |" in text
    assert "A held-out" not in text
    assert percent_up(content["comparison"]["holdout_tenth"]["bound"]) in text
    assert f"{content['comparison']['paper_code']['bits']:.1f} bits for the same integers" in text


def test_bounds_are_rounded_up_everywhere(folder: Path) -> None:
    certificate = Certificate.from_pretrained(folder)
    content = certificate.content
    for text in (card_of(folder), summary(certificate)):
        (claim,) = re.findall(r"at most \**([\d.]+) %", text)
        assert Decimal(claim) >= 100 * Decimal(content["risk_bound"])
        assert Decimal(claim) - 100 * Decimal(content["risk_bound"]) < Decimal("0.01")
    for name, value in content["bounds"].items():
        (shown,) = re.findall(rf"other form: {name} \| ([\d.]+) %", card_of(folder))
        assert Decimal(shown) >= 100 * Decimal(value)


def test_rounding() -> None:
    assert percent_up(0.34401) == "34.41 %"
    assert percent_up(0.34375) == "34.38 %"
    assert percent_up(0.5) == "50.00 %"
    assert percent_up(0.3440000001) == "34.41 %"
    assert percent_up(1.0) == "100.00 %"
    assert percent(0.12344) == "12.34 %"
    assert round_up(0.30001, 4) == 0.3001
    assert confidence_text(0.95) == "95 %"
    assert confidence_text(0.9999999) == "99.99999 %"
    assert confidence_text(0.5) == "50 %"


def test_the_figure_is_a_picture(folder: Path) -> None:
    file = folder / "figures" / "bound.png"
    assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with Image.open(file) as image:
        image.load()
        assert min(image.size) > 300
        assert len(image.convert("L").getcolors() or []) > 10
    assert "](figures/bound.png)" in card_of(folder)


def test_writing_it_again_changes_nothing(folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    write_card(folder, Certificate.from_pretrained(folder))
    assert {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def edit(folder: Path, pattern: str, new: str) -> None:
    text = card_of(folder)
    edited, count = re.subn(pattern, new, text, count=1)
    assert count == 1
    assert edited != text
    (folder / "README.md").write_text(edited, encoding="utf-8")


@pytest.mark.parametrize(
    ("pattern", "new"),
    [
        (r"(at most\s+\*\*)[\d.]+ %", r"\g<1>1.00 %"),
        (r"(at most\s+\*\*)[\d.]+ %", r"\g<1>1 per cent"),
        (r"(\| bound on the error on new data \| )[\d.]+", r"\g<1>1.00"),
        (r"(\| training error \| )[\d.]+", r"\g<1>0.01"),
        (r"(\| independent training units n \(rows\) \| )\d+", r"\g<1>1,000,000"),
        (r"(\| message, ideal \| )[\d.]+", r"\g<1>2.0"),
        (r"(\| other form: occam_kl \| )[\d.]+", r"\g<1>0.50"),
        (r"(\| dim \| `)\d+", r"\g<1>2"),
        (r"(of the kind of .*confidence|With )95 %", r"\g<1>99.999 %"),
        (r"(type: risk_bound\n *value: )[\d.]+", r"\g<1>0.01"),
        (r"(type: train_error\n *value: )[\d.]+", r"\g<1>0.0"),
        (r"(type: risk_bound\n *value: )[\d.]+", r"\g<1>tiny"),
        (r"(split: )train", r"\g<1>all"),
        (r"model-index:", "model-index: 7\nother:"),
        (r"^---\n", "---\n: : :\n"),
    ],
)
def test_an_edited_number_makes_verify_fail(folder: Path, pattern: str, new: str) -> None:
    edit(folder, pattern, new)
    problems = check_card(folder, Certificate.from_pretrained(folder))
    assert problems
    assert all(line.startswith("README.md") for line in problems)


def test_verify_reads_the_card(folder: Path) -> None:
    edit(folder, r"(at most\s+\*\*)[\d.]+ %", r"\g<1>1.00 %")
    verdict = verify(folder)
    assert not verdict.holds
    assert "README.md has a line with other words or numbers" in verdict.problems[0]
    write_card(folder, Certificate.from_pretrained(folder))
    assert verify(folder).holds


def test_what_an_author_adds_is_the_authors(folder: Path) -> None:
    text = card_of(folder).replace("pipeline_tag:", "language: en\npipeline_tag:")
    text += "\n## Intended use\n\nFor 3 experiments, in 2026.\n"
    (folder / "README.md").write_text(text, encoding="utf-8")
    assert check_card(folder, Certificate.from_pretrained(folder)) == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00" * 2**21, b"---\n- a\n---\n"])
def test_a_card_that_is_none(folder: Path, content: bytes) -> None:
    (folder / "README.md").write_bytes(content)
    certificate = Certificate.from_pretrained(folder)
    problems = check_card(folder, certificate)
    assert problems
    assert all("README.md" in line for line in problems)


def test_code_in_a_card_is_not_run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    attack = "!!python/object/apply:os.mkdir [ran]"
    (folder / "README.md").write_text(f"---\nmodel-index: {attack}\n---\n", encoding="utf-8")
    check_card(folder, Certificate.from_pretrained(folder))
    assert not (tmp_path / "ran").exists()
