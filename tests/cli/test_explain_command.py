"""``transferbound explain``: text, JSON and figure; one line where it cannot."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from spine_fixtures import here_cli
from stated import case

from transferbound.explanation import Part, explain
from transferbound.explanation.text import explanation_text

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path) -> Path:
    return case("text sparse default", tmp_path_factory.mktemp("case"), tiny_bert)[0]


def test_text_names_message_parts_and_half(folder: Path, capsys: Capture) -> None:
    assert here_cli("explain", folder) == 0
    told = capsys.readouterr().out
    for wanted in (
        "by class",
        "by component",
        "buy most for each bit",
        "half of",
        "60 of 60",
        "explained.png",
    ):
        assert wanted in told
    assert (folder / "figures" / "explained.png").read_bytes().startswith(b"\x89PNG")


def test_json_and_quiet(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    figure = tmp_path / "new" / "mine.png"
    assert here_cli("explain", folder, "--json", "--quiet", "--figure", figure) == 0
    told = capsys.readouterr()
    content = json.loads(told.out)
    assert told.err == ""
    assert content["exact"] is True
    assert content["coordinates"][0].keys() >= {"place", "bits", "errors", "errors_per_bit"}
    assert figure.exists()
    assert here_cli("explain", folder, "--quiet") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rows", "0"), "rows is 0"),
        (("--coordinates", "-1"), "coordinates is -1"),
        (("--dataset", "no/such"), "no/such"),
        (("--prior", "no/such"), "no/such"),
    ],
)
def test_what_cannot_be(arguments: tuple[str, str], said: str, folder: Path, capsys: Capture) -> None:
    assert here_cli("explain", folder, "--quiet", *arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert told.err.count("\n") == 1


def test_a_figure_that_cannot_be_written(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    assert here_cli("explain", folder, "--quiet", "--figure", tmp_path / "file" / "x.png") == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_message_that_was_changed_is_refused(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    message = bytearray((copy / "offset.bin").read_bytes())
    message[-1] ^= 1
    (copy / "offset.bin").write_bytes(bytes(message))
    assert here_cli("explain", copy, "--quiet") == 2
    assert "offset.bin" in capsys.readouterr().err


def test_names_show_themselves_as_they_are(folder: Path) -> None:
    name = "\x1b[2Jred\nHOLDS $x$"
    hostile = replace(explain(folder, progress=False), parts={"class": (Part(name, 1, 1.0, 1),)})
    shown = explanation_text(hostile)
    assert "\x1b" not in shown
    assert "\\u001b[2Jred\\nHOLDS" in shown
