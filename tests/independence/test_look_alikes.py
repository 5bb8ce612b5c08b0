"""Names that look like others: of data sets, of checkpoints, of groups. None hides behind a letter."""

from __future__ import annotations

import shutil
from pathlib import Path

import datasets
import pytest
from conftest import save_rows, text_rows
from short_certificates import certified
from spine_fixtures import bright_rows, world

from transferbound import LabelledData, Prior
from transferbound.errors import PriorIndependenceError
from transferbound.independence.check import check_independence
from transferbound.independence.rows import dependent_rows
from transferbound.message import Header
from transferbound.message.stream import encode
from transferbound.verification.verify import verify

# "o", "o", "i" and "a" of other alphabets, full width, and a character that does not show
NAMES = ("c\u043ela", "C\u039fLA", "co\u200bla", "\uff43ola", "my-col\u0430")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_other_letters_hides_nothing(name: str, tiny_bert: Path, tmp_path: Path) -> None:
    """The data set under a name that reads cola, and a checkpoint whose card names CoLA: refused, as if written so."""
    data = LabelledData.load(str(save_rows(tmp_path / name, text_rows())))
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "prior"))
    (folder / "README.md").write_text("---\ndatasets:\n- cola\n---\n", encoding="utf-8")
    with pytest.raises(PriorIndependenceError, match="its datasets names 'cola'"):
        check_independence(Prior.from_pretrained(str(folder)), data)


def test_a_name_in_other_letters_is_a_warning(tiny_bert: Path, tmp_path: Path) -> None:
    prior = Prior.from_pretrained(str(tiny_bert))
    said = {}
    for name in (
        *NAMES,
        "cola",
        "donn\u00e9es",
        "\u043a\u043e\u0448\u043a\u0438-\u0441\u043f\u0438\u0441\u043e\u043a",
    ):
        data = LabelledData.load(str(save_rows(tmp_path / name, text_rows())))
        found = check_independence(prior, data)
        said[name] = [one["message"] for one in found["findings"] if "look like others" in one["message"]]
    assert all(len(said[name]) == 1 and said[name][0].isascii() for name in NAMES)
    assert [name for name in said if not said[name]] == list(said)[len(NAMES) :]


def test_groups_that_look_the_same_are_a_warning(tmp_path: Path) -> None:
    """One unit under six spellings would count as six: n is what the column says, and the certificate doubts it."""
    spellings = ("anna", "Anna", "anna ", "\u0430nna", "an\u200bna", "ann\u00e1")
    rows = bright_rows(60) | {"patient": [spellings[i] if i < 6 else f"p{i}" for i in range(60)]}
    folder = str(save_rows(tmp_path / "patients", rows))
    data = LabelledData.load(folder, group_column="patient")
    assert dependent_rows(data)["look_alike_groups"] == 5
    header = Header("constant", 1, answer=1, classes=2)
    prior = Prior.from_pretrained(str(world() / "prior"))
    case = certified(tmp_path / "out", prior, data, encode(header, data.labels[:1] * 0))
    said = [line for line in case.certificate.content["assumptions"] if "5 groups have names" in line]
    assert len(said) == 1
    assert said[0].startswith("WARNING: ")
    verdict = verify(case.folder, progress=False)
    assert verdict.holds, verdict.problems
    assert "5 groups have names" in " ".join(verdict.text().split())


def test_groups_of_numbers_and_of_other_names_are_none(tmp_path: Path) -> None:
    for place, values in enumerate(([f"p{i}" for i in range(24)], list(range(24)))):
        rows = text_rows(24) | {"patient": values}
        kind = datasets.Value("string" if place == 0 else "int64")
        data = LabelledData.load(
            str(save_rows(tmp_path / str(place), rows, patient=kind)), group_column="patient"
        )
        assert "look_alike_groups" not in dependent_rows(data)
