"""Does each negative control still bite? Leaks are put into a copy of the package, and their tests have to fail.

A leak test that patches the wrong module passes for nothing. So every leak of ``product_leaks`` is put into the
product itself, one at a time, and the tests that it names must fail for it, and pass without it.

    python tests/leaks/controls.py            all of them, which takes a while
    python tests/leaks/controls.py NAME ...   some of them
    python tests/leaks/controls.py --list     which there are
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from product_leaks import CONTROLS
from product_leaks.control import Control

ROOT = Path(__file__).resolve().parents[2]

_COPIED = ("transferbound", "tests", "pyproject.toml")  # everything else is a link
_SECONDS = 1800
_RUN = """
import sys, transferbound, pytest
if not transferbound.__file__.startswith(sys.argv[1]):
    sys.exit(f"{transferbound.__file__} was imported, not the copy in {sys.argv[1]}")
sys.exit(pytest.main(sys.argv[2:]))
"""
_OPTIONS = ("-q", "--tb=no", "-p", "no:cacheprovider", "-o", "addopts=-rfE --strict-markers")
_FAILED = re.compile(r"^FAILED (?P<test>\S+(?:\[.*?\])?)(?: - (?P<why>.*))?$", re.MULTILINE)
_BROKEN = re.compile(
    r"(NameError|UnboundLocalError|SyntaxError|ImportError|ModuleNotFoundError|AttributeError)\b"
)
"""A test that fails so fails because the changed code does not run at all, not because it sees a leak."""


@dataclass(frozen=True)
class Outcome:
    """What pytest said: its exit code, the tests that failed with the reason in a line, and all that it printed."""

    code: int
    failed: dict[str, str]
    text: str


def run_tests(copy: Path, tests: Iterable[str]) -> Outcome:
    """The tests in the copy, in a process of their own that imports the copy."""
    environment = os.environ | {
        "PYTHONPATH": str(copy),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "COLUMNS": "400",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(copy), *_OPTIONS, *tests],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Outcome(-1, {}, f"not done in {_SECONDS} seconds")
    failed = {found["test"]: found["why"] or "" for found in _FAILED.finditer(done.stdout)}
    return Outcome(done.returncode, failed, done.stdout + done.stderr)


def why_it_does_not_bite(control: Control, outcome: Outcome) -> str:
    """Empty where every named test failed, and for a reason."""
    if outcome.code != 1:
        return f"pytest ended with {outcome.code}: {outcome.text.strip()[-400:]}"
    for test in control.tests:
        reasons = [why for name, why in outcome.failed.items() if name == test or name.startswith(test + "[")]
        if not reasons:
            return f"{test} does not fail"
        if broken := next((why for why in reasons if _BROKEN.match(why)), ""):
            return f"{test} does not run: {broken}"
    return ""


def make_copy(folder: Path, source: Path = ROOT) -> Path:
    """The package and its tests, in ``folder``; what else lies beside them is linked."""
    folder.mkdir()
    for entry in source.iterdir():
        if entry.name not in _COPIED:
            (folder / entry.name).symlink_to(entry.resolve())
        elif entry.is_dir():
            shutil.copytree(entry, folder / entry.name)
        else:
            shutil.copy2(entry, folder / entry.name)
    return folder


def put_in(control: Control, copy: Path) -> None:
    """Puts the leak into the copy. Raises ValueError where its snippet does not stand there exactly once."""
    file = copy / control.file
    text = file.read_text(encoding="utf-8")
    if text.count(control.old) != 1:
        raise ValueError(
            f"{control.name}: {control.file} has {text.count(control.old)} times {control.old!r}"
        )
    file.write_text(text.replace(control.old, control.new), encoding="utf-8")


def check(controls: Sequence[Control], jobs: int) -> int:
    """Runs the tests without a leak, then with each, ``jobs`` at a time. Gives how many controls do not bite."""
    with tempfile.TemporaryDirectory(prefix="controls-") as folder:
        # The first run leaves compiled files behind, which the copies of the copy take over.
        honest = make_copy(Path(folder).resolve() / "honest")
        tests = sorted({test for control in controls for test in control.tests})
        outcome = run_tests(honest, tests)
        if outcome.code != 0:
            print(outcome.text)
            print("without a leak the tests do not pass")
            return len(controls)
        print(f"without a leak all {len(tests)} tests pass", flush=True)
        with ThreadPoolExecutor(jobs) as pool:
            return sum(not bites for bites in pool.map(lambda control: _bites(control, honest), controls))


def _bites(control: Control, honest: Path) -> bool:
    started = time.monotonic()
    copy = make_copy(honest.with_name(control.name), honest)
    try:
        put_in(control, copy)
        problem = why_it_does_not_bite(control, run_tests(copy, control.tests))
    finally:
        shutil.rmtree(copy)
    verdict = f"DOES NOT BITE: {problem}" if problem else "bites"
    count = f"{len(control.tests)} test{'s' if len(control.tests) > 1 else ''}"
    print(f"{control.name:42} {count:9} {time.monotonic() - started:4.0f} s  {verdict}", flush=True)
    return not problem


def main() -> int:
    known = {control.name: control for control in CONTROLS}
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="controls to run; default: all")
    parser.add_argument(
        "--list", action="store_true", help="print the controls with their traps and run nothing"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="run so many at a time; default: 1")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no control is called {', '.join(unknown)}; see --list")
    chosen = [known[name] for name in given.names or known]
    if given.list:
        for control in chosen:
            print(f"{control.name}: {control.trap} ({control.file})", *control.tests, sep="\n    ")
        return 0
    return int(check(chosen, given.jobs) > 0)


if __name__ == "__main__":
    sys.exit(main())
