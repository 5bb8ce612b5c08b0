"""Data that the prior was trained on: searched for training rows in making a certificate and in its check."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import save_rows, text_rows
from spine_fixtures import here_cli, image_certificate

from transferbound import verify
from transferbound.certificate.certificate import Certificate
from transferbound.errors import ArgumentError, DataError

SENTENCE = "the {} fox jumps over one lazy dog and runs home"


def corpus(folder: Path, *more: str, n: int = 20) -> Path:
    return save_rows(folder, {"text": [SENTENCE.format(f"n{i}") for i in range(n)] + list(more)})


@pytest.fixture
def moved(tiny_bert: Path, tmp_path: Path) -> Path:
    """A certificate whose pretraining data is no longer where it says: it is in ``here``, beside it."""
    rows: dict[str, Any] = text_rows(40)
    rows["text"] = [f"{text} it was a long film with many words" for text in rows["text"]]
    there = corpus(tmp_path / "there")
    code = here_cli(
        *("bound", "--prior", tiny_bert, "--dataset", save_rows(tmp_path / "task", rows)),
        *("--out", tmp_path / "out", "--pretraining-data", there, "--epochs", "1", "--dim", "10", "--quiet"),
    )
    assert code in (0, 3)
    shutil.move(there, tmp_path / "here")
    return tmp_path / "out"


def test_it_is_read_from_where_it_is_now(moved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stated = Certificate.from_pretrained(moved).content["independence"]["checked"]["pretraining_data"]
    assert stated["rows"] == 20
    with pytest.raises(DataError, match="there"):
        verify(moved)
    here = moved.parent / "here"
    verdict = verify(moved, pretraining_data=str(here))
    assert verdict.holds, verdict.problems
    assert any("the pretraining data was read from another place" in note for note in verdict.notes)
    capsys.readouterr()
    assert here_cli("verify", moved, "--pretraining-data", here, "--quiet") == 0
    here.rename(moved.parent / "there")
    verdict = verify(moved, pretraining_data=stated["id"])
    assert (verdict.holds, verdict.notes) == (True, ())


def test_other_rows_are_not_what_is_stated(moved: Path) -> None:
    """Leak: a check that opens what it is shown without comparing it."""
    fewer = verify(moved, pretraining_data=str(corpus(moved.parent / "fewer", n=19)))
    assert not fewer.holds
    assert any("pretraining_data.rows" in line for line in fewer.problems)
    trained_on = text_rows(40)["text"][3] + " it was a long film with many words"
    seen = verify(moved, pretraining_data=str(corpus(moved.parent / "seen", trained_on, n=19)))
    assert not seen.holds
    assert any("stand in the pretraining data" in line for line in seen.problems)


def test_none_is_stated() -> None:
    with pytest.raises(ArgumentError, match="states none"):
        verify(image_certificate(), pretraining_data="somewhere")
