"""A data-dependent prior: trained on one part of the data, bounded on the rest, and labelled so."""

from __future__ import annotations

import html
import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import save_rows
from huggingface_hub import ModelCard
from spine_fixtures import QUICK, assigned, bright_rows, grouped, here_cli, run_cli, world

from transferbound import LabelledData, Prior, certify, verify
from transferbound.bounds import occam_binomial
from transferbound.certificate.certificate import Certificate
from transferbound.errors import ArgumentError, DataError, PriorIndependenceError
from transferbound.independence import prior_split as parts
from transferbound.independence.check import check_independence
from transferbound.report.card import write_card
from transferbound.report.summary import summary

FIRST, REST = "train[:50%]", "train[50%:]"


def train_and_save(folder: Path, data: LabelledData) -> None:
    """timm's ``test_efficientnet``, trained on ``data`` for a second, with a card that says so."""
    import timm
    from timm.models import save_for_hf

    pixels = np.stack([np.asarray(image.resize((32, 32)), dtype=np.float32) for image in data.images()])
    images = torch.from_numpy(pixels / 127.5 - 1)[:, None].expand(-1, 3, -1, -1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model("test_efficientnet", num_classes=2).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(30):
            loss = torch.nn.functional.cross_entropy(model(images), torch.from_numpy(data.labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    save_for_hf(model.eval(), str(folder), safe_serialization=True)
    card = f"---\ndatasets:\n- {Path(data.name).name}\n---\n# trained on {data.split}\n"
    (folder / "README.md").write_text(card, encoding="utf-8")


@cache
def halves() -> Path:
    """A folder with ``brightness`` (200 images and a test split) and ``prior``, trained on its first half."""
    folder = world() / "halves"
    save_rows(folder / "brightness", bright_rows(200, seed=4))
    save_rows(folder / "brightness", bright_rows(12, seed=5), split="test")
    train_and_save(folder / "prior", load(FIRST, folder))
    return folder


@cache
def dependent_certificate() -> Path:
    """By the command line."""
    target = halves() / "certificate"
    assert bound(target) in (0, 3)
    return target


def load(split: str, folder: Path | None = None) -> LabelledData:
    return LabelledData.load(str((folder or halves()) / "brightness"), split=split)


def prior() -> Prior:
    return Prior.from_pretrained(str(halves() / "prior"))


def bound(out: Path, *more: object, split: str = REST, prior_split: str | None = FIRST) -> int:
    return here_cli(
        *("bound", "--prior", halves() / "prior", "--dataset", halves() / "brightness", "--out", out),
        *("--split", split, "--epochs", "3", "--dim", "12", "--input-size", "32", "--learning-rate", "0.05"),
        *(() if prior_split is None else ("--prior-split", prior_split)),
        *more,
    )


# From the command to the verdict ----------------------------------------------------------------------


def test_the_certificate_is_of_the_rest_and_says_so() -> None:
    certificate = Certificate.from_pretrained(dependent_certificate())
    content = certificate.content
    assert (content["n"], content["dataset"]["rows"], content["dataset"]["split"]) == (100, 100, REST)
    assert content["dataset"]["sha256"] == load(REST).fingerprint
    again = occam_binomial(content["errors"], 100, content["message_bits"], 0.05)
    assert content["risk_bound"] == pytest.approx(again, rel=1e-9)
    assert content["decoder"]["head_start"] == "checkpoint"
    found = content["independence"]
    assert found["data_dependent"] is True
    part = found["prior_split"]
    assert (part["split"], part["rows"], part["units"]) == (FIRST, 100, 100)
    assert part["sha256"] == load(FIRST).fingerprint
    assert (part["rows_compared"], part["exact_duplicates"], part["near_duplicates"]) == (100, 0, 0)
    # The card names the data set, which alone would refuse the prior: it is the declared statement now.
    assert [finding["severity"] for finding in found["findings"]] == ["declared"]
    assert (found["verdict"], found["override"]) == ("none found", False)
    assert "data-dependent prior" in repr(certificate)


def test_card_terminal_and_assumptions_say_so() -> None:
    label = (
        f"data-dependent prior: the prior was trained on {FIRST} (100 rows) of the same data; the bound counts "
        f"only the 100 other rows ({REST})"
    )
    certificate = Certificate.from_pretrained(dependent_certificate())
    assert label in summary(certificate)
    card = (dependent_certificate() / "README.md").read_text(encoding="utf-8")
    assert "**D" + label[1:].replace("prior:", "prior:**", 1) + "." in html.unescape(card)
    assert "was fixed first" not in card
    (risk,) = (r for r in ModelCard(card).data.eval_results if r.metric_type == "risk_bound")
    assert risk.metric_name.endswith("data-dependent prior")
    assumption = certificate.content["assumptions"][1]
    assert assumption.startswith("Data-dependent prior: ")
    assert f"was trained on the split {FIRST} (100 rows)" in assumption
    assert any("is a slice" in line for line in certificate.content["assumptions"])


def test_a_prior_of_other_data_is_called_data_independent() -> None:
    from spine_fixtures import image_certificate

    certificate = Certificate.from_pretrained(image_certificate())
    assert certificate.content["independence"]["data_dependent"] is False
    assert "data-independent prior" in summary(certificate)
    assert "**Data-independent prior.**" in (image_certificate() / "README.md").read_text(encoding="utf-8")
    assert certificate.content["assumptions"][1].startswith("Data-independent prior: ")


def test_it_holds_in_a_fresh_process() -> None:
    done = run_cli("verify", dependent_certificate(), "--json", "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["data_dependent_prior"] is True
    assert f"data-dependent prior: the prior was trained on {FIRST}" in verify(dependent_certificate()).text()


def test_it_holds_with_prior_and_data_elsewhere(tmp_path: Path) -> None:
    shutil.copytree(halves() / "prior", tmp_path / "prior")
    shutil.copytree(halves() / "brightness", tmp_path / "brightness")
    where = {"prior": str(tmp_path / "prior"), "dataset": str(tmp_path / "brightness")}
    verdict = verify(dependent_certificate(), **where)
    assert verdict.holds, verdict.problems
    shutil.rmtree(tmp_path / "brightness")
    rows = {key: value[::-1] for key, value in bright_rows(200, seed=4).items()}
    save_rows(tmp_path / "brightness", rows)  # the halves have changed places
    save_rows(tmp_path / "brightness", bright_rows(12, seed=5), split="test")
    problems = "\n".join(verify(dependent_certificate(), **where).problems)
    assert "dataset.sha256" in problems
    assert "independence.prior_split.sha256" in problems


def test_from_python_with_groups(tmp_path: Path) -> None:
    folder = save_rows(tmp_path / "patients", grouped(bright_rows(80, seed=4), 4))
    data = LabelledData.load(str(folder), split="train[40:]", group_column="patient")
    out = tmp_path / "out"
    certificate = certify(str(world() / "prior"), data, out, QUICK, prior_split="train[:40]", progress=False)
    assert certificate.content["n"] == certificate.content["independence"]["prior_split"]["units"] == 10
    assert "10 groups of the 40 other rows (train[40:])" in summary(certificate)
    assert verify(out).holds


# What is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "prior_split", "message"),
    [
        ("train[40%:]", FIRST, r"share 20 rows of .* \(train\[80:100\]\).*do not overlap"),
        ("train", FIRST, r"share 100 rows"),
        (REST, "train", r"share 100 rows"),
        (REST, "test+train[:101]", r"share 1 rows"),
    ],
)
def test_overlapping_parts_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], split: str, prior_split: str, message: str
) -> None:
    """Whatever is overridden: n would count rows that the prior was trained on."""
    for more in ((), ("--allow-dependence",)):
        assert bound(tmp_path / "out", *more, split=split, prior_split=prior_split) == 2
        assert re.search(message, capsys.readouterr().err)
        assert list(tmp_path.iterdir()) == []


def test_an_undeclared_part_is_refused_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its card names the data set."""
    assert bound(tmp_path / "out", prior_split=None) == 2
    assert re.search(r"not independent .* declare the part of the data", capsys.readouterr().err)
    assert bound(tmp_path / "out", "--allow-dependence", "--quiet", prior_split=None) in (0, 3)
    certificate = Certificate.from_pretrained(tmp_path / "out")
    assert certificate.content["independence"]["data_dependent"] is False
    assert "data-independent prior, AGAINST WHAT THE CHECK FOUND" in summary(certificate)


@pytest.mark.parametrize(("test_split", "what"), [(FIRST, "the prior"), ("train", "the model")])
def test_rows_trained_on_are_no_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], test_split: str, what: str
) -> None:
    assert bound(tmp_path / "out", "--test-split", test_split) == 2
    assert f"which {what} " in capsys.readouterr().err


def test_the_customary_test_split_is_left_out_where_the_prior_saw_it(tmp_path: Path) -> None:
    assert bound(tmp_path / "out", "--quiet", prior_split=f"{FIRST}+test") in (0, 3)
    assert Certificate.from_pretrained(tmp_path / "out").content["evaluation"]["test"] is None


def test_a_group_in_both_parts_is_refused(tmp_path: Path) -> None:
    folder = save_rows(tmp_path / "patients", grouped(bright_rows(80, seed=4), 4))
    first, rest = (
        LabelledData.load(str(folder), split=split, group_column="patient")
        for split in ("train[:42]", "train[42:]")
    )
    with pytest.raises(
        PriorIndependenceError, match=r"1 groups of column 'patient' .* \(p10\).*between groups"
    ):
        check_independence(
            Prior.from_pretrained(str(world() / "prior")), rest, prior_split=first, override=True
        )


def test_parts_of_two_data_sets_are_refused() -> None:
    other = LabelledData.load(str(world() / "bright-squares"))
    with pytest.raises(ArgumentError, match="must be one data set"):
        check_independence(prior(), load(REST), prior_split=other)
    with pytest.raises(DataError, match="has no split 'trian'"):
        certify(prior(), load(REST), None, QUICK, prior_split="trian", progress=False)


def parts_of(folder: Path, rows: dict[str, Any], cut: int) -> tuple[LabelledData, LabelledData]:
    name = str(save_rows(folder, rows))
    return LabelledData.load(name, split=f"train[:{cut}]"), LabelledData.load(name, split=f"train[{cut}:]")


def test_copies_between_the_parts_are_searched_for(tmp_path: Path) -> None:
    """A row of the rest that repeats one of the first part is refused; where there are few of them, warned of."""
    rows = bright_rows(60, seed=4)
    rows["image"][40] = rows["image"][2]
    first, rest = parts_of(tmp_path / "copies", rows, 30)
    with pytest.raises(
        PriorIndependenceError, match=r"1 of 30 rows of train\[30:\] look like .* \(1 exactly"
    ):
        check_independence(prior(), rest, prior_split=first)
    record = check_independence(prior(), rest, prior_split=first, override=True)
    assert record["prior_split"]["exact_duplicates"] == 1
    assert record["prior_split"]["first_rows"] == [10]
    assert record["verdict"] == "overridden"
    found, (finding,) = parts.compare_parts(first, rest, refused_fraction=0.05)
    assert finding["severity"] == "refuse"  # one in thirty is above a hundredth, too
    assert found == record["prior_split"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_REFUSED_NEAR", 0.05)
        assert parts.compare_parts(first, rest, refused_fraction=0.05)[1][0]["severity"] == "warn"
        assert parts.compare_parts(first, rest, refused_fraction=0.001)[1][0]["severity"] == "refuse"


def test_sorted_data_is_warned_of(tmp_path: Path) -> None:
    rows = bright_rows(80, seed=4)
    order = np.argsort(rows["label"], kind="stable")
    in_order = {key: [value[i] for i in order] for key, value in rows.items()}
    in_order["label"][0], in_order["label"][-1] = 1, 0  # a part of one class is refused before
    first, rest = parts_of(tmp_path / "shuffled", rows, 40)
    assert check_independence(prior(), rest, prior_split=first)["verdict"] == "none found"
    first, rest = parts_of(tmp_path / "sorted", in_order, 40)
    record = check_independence(prior(), rest, prior_split=first)
    assert (record["verdict"], [item["kind"] for item in record["findings"]]) == ("warning", ["order"])
    assert "shuffle the data set before cutting it" in record["assumption"]


# The leak -------------------------------------------------------------------------------------------------


def test_overlap_that_is_let_through_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leak put in: the writer's check of the parts is gone. The certificate does not hold. That the bound would be
    false is shown by simulation: ``prior_split_overlaps`` in ``guarantee.py``."""
    data, part = load("train[25%:]"), load(FIRST)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_refuse_shared", lambda part, data: None)
        certify(
            prior(), data, tmp_path / "out", QUICK, prior_split=part, allow_dependence=True, progress=False
        )
        assert verify(tmp_path / "out").holds
    verdict = verify(tmp_path / "out")
    assert not verdict.holds
    assert "share 50 rows" in verdict.problems[0]


# Tampering -----------------------------------------------------------------------------------------------


def tampered(tmp_path: Path, content: dict[str, Any], card: bool = False) -> Path:
    folder = Path(shutil.copytree(dependent_certificate(), tmp_path / "tampered"))
    (folder / "certificate.json").write_text(json.dumps(content), encoding="utf-8")
    if card:
        write_card(folder, Certificate.from_pretrained(folder))
    return folder


_PART = ("independence", "prior_split")
_UNLABELLED = {("independence", "data_dependent"): False, _PART: None}
# What is edited: the word that a line of the verdict must hold, and the new values.
EDITS: dict[str, tuple[str, dict[tuple[str | int, ...], Any]]] = {
    "the label alone": ("data_dependent", {("independence", "data_dependent"): False}),
    "the part alone": ("independence", {_PART: None}),
    "the whole label": ("not independent", _UNLABELLED),
    "label and findings": ("not independent", _UNLABELLED | {("independence", "findings"): []}),
    "label, overridden": ("verdict", _UNLABELLED | {("independence", "override"): True}),
    "a smaller part": ("prior_split.sha256", {(*_PART, "split"): "train[:40%]"}),
    "a smaller part and its rows": (
        "prior_split.sha256",
        {(*_PART, "split"): "train[:80]", (*_PART, "rows"): 80, (*_PART, "units"): 80},
    ),
    "an overlapping part": ("share 20 rows", {(*_PART, "split"): "train[:60%]"}),
    "another split": ("prior_split", {(*_PART, "split"): "test"}),
    "fewer rows": ("prior_split.rows", {(*_PART, "rows"): 10}),
    "other units": ("prior_split.units", {(*_PART, "units"): 10}),
    "another fingerprint": ("prior_split.sha256", {(*_PART, "sha256"): "0" * 64}),
    "fewer compared": ("rows_compared", {(*_PART, "rows_compared"): 1}),
    "duplicates": ("exact_duplicates", {(*_PART, "exact_duplicates"): 1}),
    "near duplicates": ("near_duplicates", {(*_PART, "near_duplicates"): 1}),
    "listed rows": ("first_rows", {(*_PART, "first_rows"): [1]}),
    "a severity": ("severity", {("independence", "findings", 0, "severity"): "warn"}),
    "the assumption": ("independence.assumption", {("independence", "assumption"): "Fine."}),
    "its place among the assumptions": ("assumptions", {("assumptions", 1): "Fine."}),
    "more rows bounded": ("share 100 rows", {("dataset", "split"): "train"}),
    "test rows of the part": ("were trained on", {("evaluation", "test", "split"): FIRST}),
}


@pytest.mark.parametrize("what", EDITS)
def test_a_dropped_or_altered_label_does_not_hold(tmp_path: Path, what: str) -> None:
    """The card is written anew, so that only the check of the statement can tell."""
    word, values = EDITS[what]
    content = Certificate.from_pretrained(dependent_certificate()).content
    for path, value in values.items():
        content = assigned(content, path, value)
    verdict = verify(tampered(tmp_path, content, card=True))
    assert not verdict.holds
    assert any(word in line for line in verdict.problems), verdict.problems


def test_a_part_that_does_not_exist_cannot_be_checked(tmp_path: Path) -> None:
    content = Certificate.from_pretrained(dependent_certificate()).content
    folder = tampered(tmp_path, assigned(content, ("independence", "prior_split", "split"), "dev[:3]"))
    with pytest.raises(DataError, match="has no split 'dev'"):
        verify(folder)


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (r"\*\*Data-dependent prior:\*\*[^\n]*", ""),
        (r"\*\*Data-dependent prior:\*\*[^\n]*", "**Data-independent prior.**"),
        (r"trained on train&#91;:50%&#93; \(100 rows\)", "trained on train&#91;:5%&#93; (10 rows)"),
        (r", data-dependent prior", ""),
    ],
)
def test_a_card_without_the_label_does_not_hold(tmp_path: Path, pattern: str, instead: str) -> None:
    content = Certificate.from_pretrained(dependent_certificate()).content
    folder = tampered(tmp_path, content, card=True)
    assert verify(folder).holds
    card = folder / "README.md"
    text = re.sub(r"\s*\n\s+(?=\w+-dependent prior|prior$)", " ", card.read_text(encoding="utf-8"))
    changed = re.sub(pattern, instead, text)
    assert changed != text
    card.write_text(changed, encoding="utf-8")
    verdict = verify(folder)
    assert not verdict.holds
    assert any(
        "other metadata under model-index" in line or "other words or numbers" in line
        for line in verdict.problems
    )
