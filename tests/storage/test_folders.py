"""A folder that appears complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from transferbound.errors import OutputError
from transferbound.storage.folders import check_out, new_folder


def test_it_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    with new_folder(target) as partial:
        (partial / "file").write_text("x", encoding="utf-8")
        assert not target.exists()
    assert [file.name for file in target.parent.iterdir()] == ["out"]
    assert (target / "file").read_text(encoding="utf-8") == "x"
    assert target.stat().st_mode & 0o777 == 0o755


def test_its_files_are_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def note(handle: int) -> None:
        if not (tmp_path / "out").exists():
            synced.append(os.fstat(handle).st_ino)

    monkeypatch.setattr(os, "fsync", note)
    with new_folder(tmp_path / "out") as partial:
        (partial / "below").mkdir()
        files = [partial / "one", partial / "below" / "two"]
        for file in files:
            file.write_text("x", encoding="utf-8")
        files[0].chmod(0o444)
        numbers = {path.stat().st_ino for path in (*files, partial, partial / "below")}
    assert set(synced) == numbers


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_folder_that_is_not_finished(tmp_path: Path, error: BaseException) -> None:
    wanted = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(wanted), new_folder(tmp_path / "out"):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled_and_a_full_one_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out") as partial:
        (partial / "file").touch()
    with pytest.raises(OutputError, match="exists already"), new_folder(tmp_path / "out"):
        pass
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["file"]


def test_an_output_folder_is_checked_before_there_is_one(tmp_path: Path) -> None:
    check_out(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    for taken in (tmp_path / "file", tmp_path):
        with pytest.raises(OutputError, match="exists already"):
            check_out(taken)
    with pytest.raises(OutputError, match="cannot be written: Not a directory"):
        check_out(tmp_path / "file" / "below")
