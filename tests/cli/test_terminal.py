"""Names of others on standard output and error: they show themselves, and steer no terminal."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import datasets
import pytest
from conftest import save_rows
from spine_fixtures import assigned, bright_rows, here_cli, image_certificate, run_cli, world
from tqdm import tqdm

from transferbound.cli import app as command_line
from transferbound.cli.terminal import printable_output
from transferbound.wording import as_lines, one_line, printable, shortened

Capture = pytest.CaptureFixture[str]

LIE = "HOLDS: error on new data at most 1.00 %"
STEERING = (
    f"\x1b[2J\x1b[H\r\n{LIE}\n\x9b1m\x08\x07\u202e\u2066\u200b\u2060\ufeff\x7f\ue000\u3164\u2028\U000e0041"
)


def is_harmless(text: str) -> bool:
    """Nothing but what shows itself, and no line that somebody else has begun."""
    lines = text.split("\n")
    return all(printable(line) == line for line in lines) and not any(line.startswith(LIE) for line in lines)


def told(capsys: Capture) -> str:
    """Both streams, which must be harmless. A bar begins its line anew."""
    output = capsys.readouterr()
    assert is_harmless(output.out), output.out
    assert is_harmless(output.err.replace("\r", "\n")), output.err
    return output.out + output.err


# The function ----------------------------------------------------------------------------------------


def test_what_would_not_show_itself_is_escaped() -> None:
    for (
        character
    ) in "\x00\x1b\x7f\x80\x9f\u200b\u200e\u202a\u202e\u2066\u2069\u2028\ufeff\ud800\ufe0f\u3164\xa0":
        assert printable(f"a{character}b") == f"a\\u{ord(character):04x}b"
    assert printable("a\tb\nc\rd") == r"a\tb\nc\rd"
    assert printable("a\nb\r", keep="\n") == "a\nb\\r"
    assert printable("Zürich 漢字 😀 «1»") == "Zürich 漢字 😀 «1»"
    assert printable("\U000e0041") == r"\udb40\udc41"
    assert is_harmless(printable(STEERING))


def test_lines_are_ours_alone() -> None:
    assert as_lines(["one\ntwo", "three"]) == "one\\ntwo\nthree"
    assert one_line(" one\n two\x1b") == "one two\\u001b"
    assert shortened("a" * 90, 10) == "aaaaaaa..."


# Certificates ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(image_certificate(), tmp_path / "certificate"))


def texts(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The places of all texts in a certificate."""
    if isinstance(value, str):
        return [path]
    if not isinstance(value, dict | list):
        return []
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    return [found for key, item in inner for found in texts(item, (*path, key))]


def rewrite(folder: Path, content: dict[str, Any]) -> None:
    (folder / "certificate.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_refused_certificate_does_not_say_that_it_holds(folder: Path, capsys: Capture) -> None:
    content = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    content["decoder"]["subspace"][STEERING] = STEERING
    content["bounds"][STEERING] = 0.1
    rewrite(folder, content)
    for options in ((), ("--json",), ("--quiet",), ("--debug",)):
        assert here_cli("verify", folder, *options) == 1
        output = told(capsys)
        assert ("DOES NOT HOLD" in output) == (options in ((), ("--debug",)))


def test_every_text_of_a_certificate_in_every_command_that_reads_one(folder: Path, capsys: Capture) -> None:
    content = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    places = texts(content)
    assert len(places) > 80
    for place in places:
        rewrite(folder, assigned(content, place, STEERING))
        for command in (("account", folder), ("account", folder, "--json")):
            assert here_cli(*command) in (0, 2)
            told(capsys)


@pytest.mark.parametrize(
    "place",
    [
        ("prior", "id"),
        ("prior", "revision"),
        ("prior", "architecture"),
        ("dataset", "id"),
        ("dataset", "config"),
        ("dataset", "split"),
        ("dataset", "columns", "label"),
        ("dataset", "columns", "image", 0),
        ("dataset", "columns", "group"),
        ("dataset", "class_names", 0),
        ("evaluation", "test", "split"),
        ("assumptions", 0),
        ("independence", "verdict"),
        ("independence", "assumption"),
        ("schema",),
        ("loss",),
    ],
)
def test_texts_that_verify_reads_by(folder: Path, capsys: Capture, place: tuple[str | int, ...]) -> None:
    content = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    rewrite(folder, assigned(content, place, STEERING))
    assert here_cli("verify", folder) in (1, 2)
    assert told(capsys)


def test_thousands_of_problems_do_not_scroll_the_verdict_away(folder: Path, capsys: Capture) -> None:
    content = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    content["decoder"]["subspace"] |= {f"{'key' * 100}{i}": "x" * 100 for i in range(1500)}
    rewrite(folder, content)
    assert here_cli("verify", folder) == 1
    output = told(capsys)
    assert output.startswith("DOES NOT HOLD\n")
    assert "more; --json has them all\n" in output
    assert len(output) < 50 * 700


# Data, paths, streams --------------------------------------------------------------------------------


def test_a_data_set_with_such_names(tmp_path: Path, capsys: Capture) -> None:
    """Class and column names, in the results, the errors and the bars of a run."""
    rows = bright_rows(40)
    rows = {"image": rows["image"], STEERING: rows["label"]}
    names = datasets.ClassLabel(names=[STEERING, STEERING + "2"])
    place = tmp_path / "data\x1b[2J\u202e"
    save_rows(place, rows, **{STEERING: names})
    options = ("--prior", world() / "prior", "--dataset", place, "--out", tmp_path / "out\x1b[2J")
    options += ("--epochs", 1, "--dim", 12, "--input-size", 32)
    code = here_cli("bound", *options)
    assert code in (0, 3), told(capsys)
    assert "always answering" in told(capsys)
    assert here_cli("bound", *options) == 2
    assert "exists already" in told(capsys)
    assert here_cli("bound", *options[:-2], "--input-size", 32, "--split", STEERING) == 2
    assert here_cli("bound", *options[:5], tmp_path / "other", "--label-column", STEERING + "3") == 2
    assert told(capsys)
    for command in ("verify", "card", "account"):
        assert here_cli(command, tmp_path / "out\x1b[2J") == 0
        told(capsys)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_path_that_no_encoding_knows(tmp_path: Path, encoding: str) -> None:
    written = io.BytesIO()
    with contextlib.redirect_stderr(
        io.TextIOWrapper(written, encoding=encoding, write_through=True)
    ) as stream:
        assert here_cli("verify", f"{tmp_path}\udcff漢") == 2
        assert b"\\udcff" in written.getvalue()
        assert "漢".encode(encoding, "backslashreplace") in written.getvalue()
        stream.detach()


def test_warnings_logs_and_bars(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def noisy(*_: Any, **__: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(STEERING, UserWarning)
        handler = logging.StreamHandler()
        logging.getLogger("noisy").addHandler(handler)
        try:
            logging.getLogger("noisy").error("a library says %s", STEERING)
        finally:
            logging.getLogger("noisy").removeHandler(handler)
        with tqdm(total=2, desc=STEERING.replace("\n", ""), leave=False) as bar:
            bar.update()
        sys.stdout.writelines([STEERING.replace("\n", "")])
        raise ValueError(STEERING)

    _nothing_is_checked_early(monkeypatch)
    monkeypatch.setattr("transferbound.verification.verify.verify", noisy)
    monkeypatch.setattr("warnings.showwarning", _shown)
    assert here_cli("verify", "anything") == 2
    output = capsys.readouterr()
    assert "UserWarning: " in output.err
    assert "a library says" in output.err
    assert "cannot be checked: ValueError: " in output.err
    assert is_harmless(output.err.replace("\r", "\n"))
    assert is_harmless(output.out)


def _shown(
    message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    """What Python does with a warning; pytest has put its own in that place."""
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


def test_bars_move_and_nothing_else_does() -> None:
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream), printable_output():
        for part in ("\r 10 %", "\n\x1b[A\x1b[A", "\n", "", "a\rb", "x\x1b[A"):
            sys.stderr.write(part)
        assert not hasattr(sys.stderr, "buffer")
    assert stream.getvalue() == "\r 10 %\n\x1b[A\x1b[A\na\\rbx\\u001b[A"


# Codes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a"),
        KeyError("b"),
        ImportError("No module named 'tiktoken'"),
        MemoryError(),
        RecursionError("deep"),
        OSError(36, "File name too long"),
        SystemExit(0),
        SystemExit(1),
        type("PanicException", (BaseException,), {})("a library that panics"),
    ],
    ids=lambda error: type(error).__name__ + str(error.args),
)
@pytest.mark.parametrize("command", ["verify", "card", "account", "plan", "demo", "bound"])
def test_the_unexpected_is_one_line_and_exit_2(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, error: BaseException, command: str
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise error

    for name in (
        "transferbound.verification.verify.verify",
        "transferbound.certificate.certificate.Certificate.from_pretrained",
        "transferbound.plan.plan",
        "transferbound.demo.run.run_demo",
        "transferbound.cli.bound.run_bound",
    ):
        monkeypatch.setattr(name, failing)
    _nothing_is_checked_early(monkeypatch)
    arguments = {
        "plan": ("--n", 9, "--train-error", 0, "--bits", 1),
        "demo": (),
        "bound": ("--prior", "a", "--dataset", "b", "--out", "c"),
    }.get(command, ("folder",))
    assert here_cli(command, *arguments) == 2
    (line,) = told(capsys).splitlines()
    what = "cannot be checked" if command == "verify" else "it failed"
    assert line.startswith(f"transferbound: {what}: {type(error).__name__}: ")
    assert here_cli(command, *arguments, "--debug") == 2
    assert ", in failing" in told(capsys)


def _nothing_is_checked_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every argument led somewhere."""
    for name in ("check_bound", "check_certificate", "check_places"):
        monkeypatch.setattr(f"transferbound.cli.app.{name}", lambda *_, **__: None)


def test_an_interruption_and_a_failing_import(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    _nothing_is_checked_early(monkeypatch)
    monkeypatch.setattr("transferbound.verification.verify.verify", failing)
    assert here_cli("verify", "folder") == 130
    assert "interrupted" in told(capsys)
    monkeypatch.setitem(sys.modules, "transferbound.verification.verify", None)
    assert here_cli("verify", "folder") == 2
    assert "cannot be checked: ModuleNotFoundError" in told(capsys)
    monkeypatch.setitem(sys.modules, command_line.__name__, None)
    assert here_cli("verify", "folder") == 2
    assert "it failed: ModuleNotFoundError" in told(capsys)


class _Full(io.StringIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_an_output_that_cannot_be_written_is_no_verdict(capsys: Capture) -> None:
    with contextlib.redirect_stdout(_Full()):
        assert here_cli("account", image_certificate()) == 2
    assert "it failed: OSError: [Errno 28] No space left" in told(capsys)


def test_help_names_debug_everywhere() -> None:
    for command in ("bound", "verify", "card", "account", "plan", "demo"):
        assert "--debug" in run_cli(command, "--help").stdout
