"""Components of rows that are set aside: they are not counted, no label of theirs is read, and all of it is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import save_rows, text_rows
from spine_fixtures import bright_rows, here_cli, run_cli, world

from transferbound import CertifySettings, FinetuneSettings, LabelledData, Predictor, SubspaceConfig, verify
from transferbound.bounds import occam_binomial
from transferbound.certification.settings import default_set_aside
from transferbound.data.reference import SET_ASIDE
from transferbound.data.set_aside import units_set_aside
from transferbound.errors import DataError
from transferbound.independence.reference import SearchedReference, set_aside_reference
from transferbound.priors.reference import Reference

SHORT = FinetuneSettings(budget_minutes=0.2)


def bound(folder: Path, *options: Any) -> int:
    command = ["bound", "--prior", world() / "prior", "--dataset", folder / "bright", "--out", folder / "out"]
    return here_cli(*command, "--input-size", 32, "--budget-minutes", 0.2, *options)


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, Any]:
    save_rows(tmp_path / "bright", bright_rows(300))
    assert bound(tmp_path, "--set-aside", 60) == 0
    content: dict[str, Any] = json.loads((tmp_path / "out" / "certificate.json").read_text())
    return content


def test_they_are_not_counted_and_the_certificate_says_so(
    certificate: dict[str, Any], tmp_path: Path
) -> None:
    assert certificate["n"] == certificate["dataset"]["rows"] == 240
    assert certificate["dataset"]["set_aside"] == {"units": 60, "rows": 60}
    assert certificate["decoder"]["kind"] == "sparse"
    reference = certificate["decoder"]["reference"]
    assert (reference["id"], reference["rows"]) == (SET_ASIDE, 60)
    assert any(
        line.startswith("60 more rows of the split were set aside") for line in certificate["assumptions"]
    )
    checked = run_cli("verify", tmp_path / "out")
    assert (checked.returncode, checked.stdout[:5]) == (0, "HOLDS")
    assert "60 more rows of the split were set aside" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("units", [None, 0, 59, 61, 299, 10**6, -1, "60", True])
def test_another_number_is_refused(units: Any, certificate: dict[str, Any], tmp_path: Path) -> None:
    if units is None:
        del certificate["dataset"]["set_aside"]
    else:
        certificate["dataset"]["set_aside"]["units"] = units
    (tmp_path / "out" / "certificate.json").write_text(json.dumps(certificate))
    assert here_cli("verify", tmp_path / "out") in (1, 2)


def test_labels_of_theirs_move_nothing(certificate: dict[str, Any], tmp_path: Path) -> None:
    """Leak: labels of rows that are not counted, of which the prior could know any number."""
    rows = bright_rows(300)
    away = units_set_aside(300, 60)
    rows["label"] = [1 - label if gone else label for label, gone in zip(rows["label"], away, strict=True)]
    save_rows(tmp_path / "turned", rows)
    assert verify(tmp_path / "out", dataset=str(tmp_path / "turned")).holds


def test_counted_rows_among_them_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaks 2 and 9: components of rows that the bound counts."""
    save_rows(tmp_path / "bright", bright_rows(300))

    def of_those_counted(data: LabelledData) -> SearchedReference:
        rows = list(data.images(np.arange(60)))
        return SearchedReference(Reference(SET_ASIDE, "image", "", "", lambda: rows), None, None)

    with monkeypatch.context() as patch:
        patch.setattr("transferbound.certification.inputs.set_aside_reference", of_those_counted)
        assert bound(tmp_path, "--set-aside", 60) == 0
    verdict = verify(tmp_path / "out")
    assert not verdict.holds
    assert any("decoder.reference.sha256" in problem for problem in verdict.problems)


def test_how_many_by_default(tmp_path: Path, tiny_bert: Path) -> None:
    pictures = LabelledData.load(save_rows(tmp_path / "bright", bright_rows(500, side=4)).as_posix())
    texts = LabelledData.load(save_rows(tmp_path / "texts", text_rows(60)).as_posix())
    plain = CertifySettings(finetune=SHORT)
    assert default_set_aside(plain, pictures, None) == 50
    assert default_set_aside(plain, pictures, "some pictures") == 0
    assert default_set_aside(plain, pictures.setting_aside(1), None) == 0
    assert default_set_aside(plain, texts, None) == 0
    assert default_set_aside(CertifySettings(subspace=SubspaceConfig("film", 100)), pictures, None) == 0
    assert default_set_aside(CertifySettings(set_aside=7), pictures, "some pictures") == 7
    assert set_aside_reference(pictures) is None


def test_what_makes_no_use_of_them_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_rows(tmp_path / "bright", bright_rows(60))
    save_rows(tmp_path / "others", bright_rows(60, seed=3))
    assert bound(tmp_path, "--set-aside", 10, "--kind", "film", "--dim", 100) == 2
    assert "set-aside is 10, and only kind auto" in capfd.readouterr().err
    assert bound(tmp_path, "--set-aside", 10, "--reference", tmp_path / "others") == 2
    assert "name no reference, or set 0 aside" in capfd.readouterr().err
    assert bound(tmp_path, "--set-aside", -1) == 2
    assert "set-aside is -1" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_predictor_reads_them(certificate: dict[str, Any], tmp_path: Path) -> None:
    data = LabelledData.load(str(tmp_path / "bright")).setting_aside(60)
    found = Predictor.from_pretrained(tmp_path / "out").predict(data.images())
    wrong = sum(one.label_id != label for one, label in zip(found, data.labels.tolist(), strict=True))
    assert wrong == certificate["errors"]
    (tmp_path / "bright").rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"--dataset"):
        Predictor.from_pretrained(tmp_path / "out")
    moved = Predictor.from_pretrained(tmp_path / "out", dataset=str(tmp_path / "moved"))
    assert [one.label for one in moved.predict(data.images(np.arange(9)))] == [one.label for one in found[:9]]
    save_rows(tmp_path / "others", bright_rows(300, seed=5))
    with pytest.raises(DataError, match="the reference inputs rows set aside are not the certificate's"):
        Predictor.from_pretrained(tmp_path / "out", dataset=str(tmp_path / "others"))


def test_a_number_that_is_not_the_rules_stands_on_the_writers_word(tmp_path: Path) -> None:
    """Trap 4: how many are set aside moves bound and components, and could be chosen by them."""
    save_rows(tmp_path / "bright", bright_rows(500, side=4))
    said = {}
    for name, options in {"rule": [], "other": ["--set-aside", 60], "none": ["--set-aside", 0]}.items():
        assert bound(tmp_path, *options) == 0
        content = json.loads((tmp_path / "out" / "certificate.json").read_text())
        assert content["decoder"]["kind"] == "sparse"
        said[name] = " ".join(content["assumptions"])
        (tmp_path / "out").rename(tmp_path / name)
    word = "it was fixed before the training data was seen, and no other was tried"
    assert word not in said["rule"]
    assert "How many was fixed before the training data was seen" in said["rule"]
    assert word in said["other"]
    assert "No row was set aside" in said["none"]
    assert word in said["none"]


def test_a_constant_answer_is_counted_on_all_rows(tmp_path: Path) -> None:
    """It needs no reference inputs, so nothing is lost by setting some aside before it is known what is best."""
    rows = bright_rows(600)
    rows["label"] = [
        int(one) for one in np.random.default_rng(0).permutation(600) < 120
    ]  # nothing to be learned
    save_rows(tmp_path / "bright", rows)
    assert bound(tmp_path) == 0
    content = json.loads((tmp_path / "out" / "certificate.json").read_text())
    assert content["decoder"]["kind"] == "constant"
    assert (content["n"], content["errors"]) == (600, 120)
    assert "set_aside" not in content["dataset"]
    assert content["risk_bound"] == pytest.approx(
        occam_binomial(120, 600, content["message"]["ideal_bits"], 0.05)
    )
    assert verify(tmp_path / "out").holds
