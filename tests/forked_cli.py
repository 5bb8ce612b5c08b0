"""Runs command lines of ``transferbound``, each in a child of one process that has loaded what they all load.

``python tests/forked_cli.py COMMANDS`` (JSON: a list of lists of arguments) prints, for each, the exit code, what it
printed, the seconds and the memory that it took beyond what was loaded. The first of each verb is run twice, first to
load what it loads.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_MOST_SECONDS = 120
_MOST_BYTES = (
    2 * 2**30
)  # of memory that a command may ask for, beyond what is there: then it fails, and not the machine


@dataclass(frozen=True)
class Ran:
    """What came of a command; ``mb``: of memory, beyond what was loaded."""

    code: int
    out: str
    err: str
    seconds: float
    mb: int


def ran(commands: Sequence[Sequence[str]]) -> list[Ran]:
    """:func:`main` in a fresh process on one thread, offline."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "COLUMNS": "110",
    }
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(commands)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [Ran(**found) for found in json.loads(done.stdout)]


def _command(arguments: Sequence[str]) -> int:
    from transferbound import cli

    sys.argv = ["transferbound", *arguments]
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def _child(arguments: Sequence[str] | None, out: int, err: int) -> None:
    """Becomes the command; never returns."""
    signal.alarm(_MOST_SECONDS)
    pages = int(open("/proc/self/statm").read().split()[0])  # noqa: SIM115
    resource.setrlimit(
        resource.RLIMIT_AS, (pages * resource.getpagesize() + _MOST_BYTES, resource.RLIM_INFINITY)
    )
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    code = 99
    try:
        code = 0 if arguments is None else _command(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(arguments: Sequence[str] | None) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        child = os.fork()
        if not child:
            _child(arguments, out.fileno(), err.fileno())
        _, status, used = os.wait4(child, 0)
        told = []
        for file in (out, err):
            file.seek(0)
            told.append(file.read().decode("utf-8", "replace"))
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": told[0],
        "err": told[1],
        "seconds": time.monotonic() - started,
        "mb": used.ru_maxrss // 1024,
    }


def main(told: str) -> None:
    commands = json.loads(told)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for first in {arguments[0]: arguments for arguments in reversed(commands)}.values():
            _command(first)
    floor = _run(None)["mb"]
    found = [_run(arguments) for arguments in commands]
    print(json.dumps([one | {"mb": one["mb"] - floor} for one in found]))


if __name__ == "__main__":
    main(sys.argv[1])
