"""Files are whole under their name, also after a crash; readers refuse in their caller's words."""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path

import pytest

from transferbound.errors import CertificateError, OutputError, PriorError, TransferboundError
from transferbound.storage.files import (
    parse_json,
    read_json,
    read_limited,
    replacing,
    write_bytes,
    write_json,
)


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    synced: list[tuple[bool, bytes]] = []

    def note(handle: int) -> None:
        synced.append((stat.S_ISDIR(os.fstat(handle).st_mode), path.read_bytes()))

    monkeypatch.setattr(os, "fsync", note)
    write_bytes(path, b"new")
    assert synced == [(False, b"old"), (True, b"new")]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def breaks_off() -> None:
        with replacing(path) as partial:
            partial.write_bytes(b"ne")
            raise error

    with pytest.raises(type(error)):
        breaks_off()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_what_is_written_as_the_umask_says(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_bytes(tmp_path / "file", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "below a file"])
def test_what_is_no_regular_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "below a file":
        path.write_bytes(b"")
        path = path / "file"
    with pytest.raises(OutputError, match="missing or not a regular file"):
        read_limited(path, 10, OutputError)


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"0123456789")
    assert read_limited(tmp_path / "file", 10, OutputError) == b"0123456789"
    with pytest.raises(OutputError, match="larger than 9 bytes"):
        read_limited(tmp_path / "file", 9, OutputError)


@pytest.mark.parametrize("error", [CertificateError, PriorError])
@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, '{"a": 1} 2', "\ufeff{}", '"\\ud800"', '{"a": "\\udfff"}']
)
@pytest.mark.parametrize("lenient", [False, True])
def test_bad_json_is_the_callers_error(
    text: str, error: type[TransferboundError], lenient: bool, tmp_path: Path
) -> None:
    (tmp_path / "file.json").write_text(text, encoding="utf-8")
    with pytest.raises(error, match=r"file\.json is (not valid JSON|nested too deeply)"):
        read_json(tmp_path / "file.json", error, lenient=lenient)


def test_the_caller_adds_the_remedy(tmp_path: Path) -> None:
    def refusal(why: str) -> OutputError:
        return OutputError(f"the run: {why}; begin again")

    with pytest.raises(OutputError, match=r"^the run: .* is missing .*; begin again$"):
        read_json(tmp_path / "none.json", refusal)


@pytest.mark.parametrize(
    "text", ["NaN", "-Infinity", "1e999", "1000000000000000019884624838656", '{"a": 1, "a": 2}']
)
def test_what_other_tools_write_is_read_where_the_caller_is_lenient(text: str) -> None:
    with pytest.raises(CertificateError, match="not valid JSON"):
        parse_json(text.encode(), "text", CertificateError)
    found, expected = parse_json(text.encode(), "text", CertificateError, lenient=True), json.loads(text)
    assert found == expected or (math.isnan(found) and math.isnan(expected))


@pytest.mark.parametrize("lenient", [False, True])
def test_32_levels_are_read_and_33_are_not(lenient: bool) -> None:
    deep = b"[" * 31 + b"1" + b"]" * 31
    parse_json(deep, "text", OutputError, lenient=lenient)
    with pytest.raises(OutputError, match="more than 32 levels"):
        parse_json(b"[" + deep + b"]", "text", OutputError, lenient=lenient)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, "\u00e9 \u2028"], "b": {}}
    write_json(tmp_path / "file.json", value)
    assert read_json(tmp_path / "file.json", OutputError) == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", math.nan)
    assert read_json(tmp_path / "file.json", OutputError) == value
