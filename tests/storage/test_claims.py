"""What processes that were killed leave behind is removed by the next one, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from transferbound.storage.arrays import NewArray
from transferbound.storage.claims import claim_file, claim_folder
from transferbound.storage.files import replacing, write_text
from transferbound.storage.folders import new_folder, scratch_folder

fcntl = pytest.importorskip("fcntl")

WORK = """
import sys, time
from pathlib import Path
from transferbound.storage.{module} import {function}
with {function}({argument!r} if {function!r} == "scratch_folder" else Path({argument!r})) as partial:
    inner = partial / "inner" if partial.is_dir() else partial
    inner.write_text("half")
    print("at work", flush=True)
    time.sleep(100)
"""


@contextmanager
def at_work(module: str, function: str, argument: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that is in the middle of writing."""
    code = WORK.format(module=module, function=function, argument=argument)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": tempfile.gettempdir()}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("module", "function"), [("folders", "new_folder"), ("files", "replacing")])
def test_a_killed_writer_is_cleared_away_by_the_next(tmp_path: Path, module: str, function: str) -> None:
    target = tmp_path / "out"
    with at_work(module, function, str(target)) as process:
        (left,) = names(tmp_path)
        assert left.endswith(".partial")
        write(function, target)  # while the other one is at work: it is left alone
        assert names(tmp_path) == sorted([left, "out"])
        remove(target)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert names(tmp_path) == [left]
        write(function, target)
        assert names(tmp_path) == ["out"]


def write(function: str, target: Path) -> None:
    if function == "replacing":
        write_text(target, "whole")
    else:
        with new_folder(target) as partial:
            (partial / "inner").write_text("whole", encoding="utf-8")


def remove(target: Path) -> None:
    if target.is_dir():
        (target / "inner").unlink()
        target.rmdir()
    else:
        target.unlink()


def test_temporary_folders_of_killed_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with at_work("folders", "scratch_folder", "transferbound-test-") as process:
        with scratch_folder("transferbound-test-") as scratch:
            assert len(names(tmp_path)) == 2
            assert scratch.is_dir()
        assert len(names(tmp_path)) == 1
        process.kill()
        process.wait()
        with scratch_folder("transferbound-test-") as scratch:
            assert names(tmp_path) == [scratch.name]
    assert names(tmp_path) == []


def test_an_array_that_was_not_finished(tmp_path: Path) -> None:
    left = claim_file(tmp_path, "a.npy.", ".partial")
    left.release()  # as the end of a process does
    array = NewArray(tmp_path / "a.npy", np.float32, (3,))
    assert len(names(tmp_path)) == 1
    array.values[:] = 1
    array.commit()
    assert names(tmp_path) == ["a.npy", "a.sha256"]


def test_only_such_names_of_the_same_kind_are_removed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    for name in (
        ".out.short.partial",
        ".out.other.12345678.partial",
        ".out.12345678",
        "out.12345678.partial",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / ".out.abcdefgh.partial").symlink_to(tmp_path / "precious")
    (tmp_path / ".out.file1234.partial").touch()
    kept = names(tmp_path)
    (tmp_path / ".out.gone1234.partial").mkdir()
    claim = claim_folder(tmp_path, ".out.", ".partial")
    assert names(tmp_path) == sorted([*kept, claim.path.name])
    claim.discard()
    assert names(tmp_path) == kept
    assert names(tmp_path / "precious") == ["file"]


def test_what_is_ours_now_is_not_abandoned(tmp_path: Path) -> None:
    claims = [claim_folder(tmp_path, "a.") for _ in range(3)] + [claim_file(tmp_path, "a.") for _ in range(3)]
    assert len(names(tmp_path)) == 6
    for claim in claims:
        claim.discard()
        claim.discard()
    assert names(tmp_path) == []


def test_without_locks_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that has none."""

    def refuses(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("transferbound.storage.claims.flock", refuses)
    with replacing(tmp_path / "file"), new_folder(tmp_path / "out"):
        before = names(tmp_path)
        write_text(tmp_path / "file", "x")
        assert names(tmp_path) == sorted([*before, "file"])
    assert names(tmp_path) == ["file", "out"]


def test_one_that_is_taken_for_abandoned_at_once_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transferbound.storage import claims

    lock, taken = claims._lock, []

    def late(path: Path) -> int | None:
        if not taken:
            path.rmdir()
            taken.append(path)
        return lock(path)

    monkeypatch.setattr(claims, "_lock", late)
    claim = claim_folder(tmp_path, "a.")
    assert claim.path != taken[0]
    assert names(tmp_path) == [claim.path.name]
    claim.discard()
