"""``bound`` with no option: the family, what is paid, and that the result is never worse than an answer for nothing."""

import json
from collections.abc import Callable
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import save_rows, text_rows
from spine_fixtures import bright_rows, grouped, here_cli, run_cli, world

from transferbound import CertifySettings, FinetuneSettings, LabelledData, Prior, certify, verify
from transferbound.bounds import occam_binomial
from transferbound.certificate.content import Content
from transferbound.certification import automatic
from transferbound.data.reference import SET_ASIDE, load_reference
from transferbound.errors import PriorError
from transferbound.independence.reference import SearchedReference, searched_reference
from transferbound.message.stream import decode_header
from transferbound.priors.components.classifier import ComponentClassifier

PLAIN = CertifySettings(input_size=32, finetune=FinetuneSettings(budget_minutes=0.2))


def certified(prior: str, folder: Path, out: Path, settings: CertifySettings = PLAIN) -> Content:
    data = LabelledData.load(str(folder))
    return certify(Prior.from_pretrained(prior), data, out, settings, progress=False).content


def bright(folder: Path, *options: Any) -> int:
    """The plain command on the rows in ``bright``, with few options more."""
    command = ["bound", "--prior", world() / "prior", "--dataset", folder / "bright", "--out", folder / "out"]
    return here_cli(*command, "--input-size", 32, *options)


def test_the_plain_command_certifies_and_verifies(tmp_path: Path) -> None:
    save_rows(tmp_path / "bright", bright_rows(600))
    assert bright(tmp_path, "--budget-minutes", 0.5) == 0
    content = json.loads((tmp_path / "out" / "certificate.json").read_text())
    decoder = content["decoder"]
    assert decoder["kind"] == "sparse"
    assert decoder["components"] > 0
    assert decoder["reference"]["id"] == SET_ASIDE
    assert content["n"] == 540
    assert content["risk_bound"] < 0.35
    tried = content["unverified"]["training"]["tried"]
    assert {one["kind"] for one in tried} == {"constant", "sparse"}
    assert len({one["features"] for one in tried if "features" in one}) > 2
    assert content["risk_bound"] == pytest.approx(min(one["bound"] for one in tried), abs=1e-5)
    checked = run_cli("verify", tmp_path / "out")
    assert (checked.returncode, checked.stdout[:5]) == (0, "HOLDS")


@pytest.mark.parametrize("balance", [0.5, 0.9])
def test_where_nothing_can_be_learned_the_constant_answer_is_named(balance: float, tmp_path: Path) -> None:
    """And pays for the class alone: at most five bits beside log2 of their number."""
    rows = bright_rows(150, side=16)
    random = np.random.default_rng(1)
    rows["label"] = (random.random(150) < balance).astype(int).tolist()
    save_rows(tmp_path / "noise", rows)
    content = certified(str(world() / "prior"), tmp_path / "noise", tmp_path / "out")
    wrong = min(sum(rows["label"]), 150 - sum(rows["label"]))
    assert content["risk_bound"] <= occam_binomial(wrong, 150, log2(2) + 5, 0.05)
    assert verify(tmp_path / "out").holds


def test_a_constant_answer_is_a_certificate_that_says_so(tmp_path: Path) -> None:
    rows = bright_rows(60, side=16)
    rows["label"] = [int(i % 10 == 0) for i in range(60)]
    save_rows(tmp_path / "noise", rows)
    content = certified(str(world() / "prior"), tmp_path / "noise", tmp_path / "out")
    assert content["decoder"]["kind"] == "constant"
    assert content["decoder"]["answer"] == "class0"
    assert content["errors"] == 6
    assert any("no better than always answering" in line for line in content["assumptions"])
    assert verify(tmp_path / "out").holds
    header = decode_header((tmp_path / "out" / "offset.bin").read_bytes(), classes=2)
    assert (header.kind, header.answer) == ("constant", 0)


def test_the_checkpoints_own_head_is_a_member(tmp_path: Path, save_bert: Callable[..., Path]) -> None:
    """Where it answers well already, its bound is paid for with a header and hardly more."""
    folder = save_bert(tmp_path / "own", "BertForSequenceClassification", num_labels=3, initializer_range=1.0)
    prior = Prior.from_pretrained(str(folder))
    rows = text_rows(120, 3)
    ids, _ = prior.preprocessing(0).tokens(rows["text"], None)  # type: ignore[attr-defined]
    body = prior.build(3)
    with torch.no_grad():
        answers = [int(body(torch.tensor([row]), torch.ones(1, len(row))).argmax()) for row in ids]
    assert len(set(answers)) == 3
    random = np.random.default_rng(0)
    wrong = random.random(120) < 0.1
    rows["label"] = [(answer + int(off)) % 3 for answer, off in zip(answers, wrong, strict=True)]
    save_rows(tmp_path / "texts", rows)
    settings = CertifySettings(finetune=FinetuneSettings(budget_minutes=0.05))
    content = certified(str(folder), tmp_path / "texts", tmp_path / "out", settings)
    assert content["risk_bound"] <= occam_binomial(int(wrong.sum()), 120, 26, 0.05)
    assert verify(tmp_path / "out").holds


def test_pilots_on_some_rows_are_looked_at_on_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is certified was judged on every row, however well a pilot did on some."""
    monkeypatch.setattr(automatic, "_PILOT_ROWS", 120)
    save_rows(tmp_path / "bright", bright_rows(200))
    content = certified(str(world() / "prior"), tmp_path / "bright", tmp_path / "out")
    tried = [one for one in content["unverified"]["training"]["tried"] if one["kind"] == "sparse"]
    some, every = ([one for one in tried if one["rows"] == rows] for rows in ("some", "all"))
    members = [{(one["features"], one["components"]) for one in which} for which in (some, every)]
    assert members[0]
    assert members[0] & members[1]
    least = min(one["bound"] for one in every)
    assert content["risk_bound"] == pytest.approx(least, abs=1e-5)
    assert content["n"] == 200


def test_texts(tmp_path: Path, tiny_bert: Path) -> None:
    save_rows(tmp_path / "texts", text_rows(120))
    content = certified(
        str(tiny_bert),
        tmp_path / "texts",
        tmp_path / "out",
        CertifySettings(finetune=PLAIN.finetune),
    )
    assert content["decoder"]["kind"] in ("sparse", "constant")
    assert verify(tmp_path / "out").holds


def test_groups_are_the_units(tmp_path: Path) -> None:
    save_rows(tmp_path / "groups", grouped(bright_rows(300), 3))
    data = LabelledData.load(str(tmp_path / "groups"), group_column="patient")
    content = certify(
        Prior.from_pretrained(str(world() / "prior")), data, tmp_path / "out", PLAIN, progress=False
    ).content
    assert content["n"] == 100
    assert verify(tmp_path / "out").holds


def test_another_option_of_message_or_training_leaves_it_to_film() -> None:
    for settings in (
        CertifySettings(levels=5),
        CertifySettings(head_seed=1),
        CertifySettings(finetune=FinetuneSettings(epochs=1)),
        CertifySettings(finetune=FinetuneSettings(polish=1)),
    ):
        assert not settings.is_automatic
    assert PLAIN.is_automatic


def test_what_the_certificate_states_of_the_components_is_compared(tmp_path: Path) -> None:
    save_rows(tmp_path / "bright", bright_rows(200))
    certified(str(world() / "prior"), tmp_path / "bright", tmp_path / "out")
    path = tmp_path / "out" / "certificate.json"
    whole: dict[str, Any] = json.loads(path.read_text())
    assert whole["decoder"]["kind"] == "sparse"
    for key, value in (("features", 15), ("components", 24), ("features_of", "the training rows")):
        changed = json.loads(json.dumps(whole))
        changed["decoder"][key] = value
        path.write_text(json.dumps(changed))
        assert not verify(tmp_path / "out").holds, key
    changed = json.loads(json.dumps(whole))
    changed["decoder"]["reference"]["sha256"] = "0" * 64
    path.write_text(json.dumps(changed))
    assert not verify(tmp_path / "out").holds


def test_reference_inputs_of_ones_own(tmp_path: Path) -> None:
    save_rows(tmp_path / "bright", bright_rows(300))
    save_rows(tmp_path / "others", bright_rows(100, seed=9))
    own = ["--reference", tmp_path / "others", "--budget-minutes", 0.2]
    assert bright(tmp_path, *own) == 0
    content = json.loads((tmp_path / "out" / "certificate.json").read_text())
    stated = content["decoder"]["reference"]
    assert (stated["id"], stated["rows"], stated["split"]) == (str(tmp_path / "others"), 100, "train")
    assert stated["overlap"]["verdict"] == "none found"
    assert any("The components are those of 100 inputs" in line for line in content["assumptions"])
    checked = run_cli("verify", tmp_path / "out")
    assert (checked.returncode, checked.stdout[:5]) == (0, "HOLDS")
    (tmp_path / "others").rename(tmp_path / "moved")
    checked = run_cli("verify", tmp_path / "out", "--reference", tmp_path / "moved")
    assert (checked.returncode, checked.stdout[:5]) == (0, "HOLDS")
    checked = run_cli("verify", tmp_path / "out", "--reference", tmp_path / "bright")
    assert checked.returncode == 1
    assert "reference" in checked.stdout


def test_the_training_rows_are_no_reference_inputs(tmp_path: Path) -> None:
    """Leak: components computed of the training rows."""
    save_rows(tmp_path / "bright", bright_rows(300))
    assert bright(tmp_path, "--reference", tmp_path / "bright") == 2
    assert not (tmp_path / "out").exists()


def test_components_that_see_the_batch_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leak 13: the mean of the batch is taken from what the head reads."""
    original = ComponentClassifier.answer_and_components

    def of_the_batch(self: ComponentClassifier, batch: Any) -> Any:
        own, features = original(self, batch)
        return own, features - features.mean(0)

    monkeypatch.setattr(ComponentClassifier, "answer_and_components", of_the_batch)
    save_rows(tmp_path / "bright", bright_rows(300))
    with pytest.raises(PriorError, match="move with the rows beside it"):
        certified(str(world() / "prior"), tmp_path / "bright", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_reference_that_was_not_searched_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaks 9 and 14: the training rows as reference inputs, with a record that found nothing."""
    save_rows(tmp_path / "bright", bright_rows(300))
    save_rows(tmp_path / "others", bright_rows(100, seed=9))
    honest = searched_reference(str(tmp_path / "others"), LabelledData.load(str(tmp_path / "bright")))

    def unsearched(name: Any, data: LabelledData, *, split: str = "train", override: bool = False) -> Any:
        own = load_reference(str(tmp_path / "bright"), modality="image", split=split)
        rows = honest.overlap["rows"] | {"id": str(tmp_path / "bright"), "rows": 300}
        return SearchedReference(own, split, honest.overlap | {"rows": rows})

    with monkeypatch.context() as patch:
        patch.setattr("transferbound.certification.inputs.searched_reference", unsearched)
        assert bright(tmp_path, "--reference", tmp_path / "bright", "--budget-minutes", 0.2) == 0
    verdict = verify(tmp_path / "out")
    assert not verdict.holds
    assert "reference inputs" in verdict.problems[0]
