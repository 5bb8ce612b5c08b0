"""Does each negative control still bite? Leaks are put into a copy of the package, and their tests have to fail.

A leak test that patches the wrong module passes for nothing. So every leak of ``product_leaks`` is put into the
product itself, one at a time, and the tests that it names must fail for it, and pass without it.

    python tests/leaks/controls.py            all of them, which takes a while; --part 1/2 and --part 2/2 side by side
    python tests/leaks/controls.py NAME ...   some of them
    python tests/leaks/controls.py --list     which there are
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from product_leaks import CONTROLS
from product_leaks.control import Control

ROOT = Path(__file__).resolve().parents[2]

_COPIED = ("transferbound", "tests", "pyproject.toml")  # everything else is a link
_SECONDS = 1800
_PRELOADED = ["torch", "torchvision", "timm", "transformers", "datasets", "peft", "scipy.stats", "pytest"]
"""What nearly every test loads, loaded once: the processes that run the tests are forked from there."""

_OPTIONS = ("-q", "--tb=no", "-p", "no:cacheprovider", "-o", "addopts=-rfE --strict-markers")
_OPTIONS += ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of what is loaded beforehand
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
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    printed = copy.with_suffix(".txt")
    process = context.Process(target=_run_here, args=(copy, [*tests], printed))
    process.start()
    process.join(_SECONDS)
    if process.exitcode is None:
        process.kill()
        return Outcome(-1, {}, f"not done in {_SECONDS} seconds")
    text = printed.read_text(encoding="utf-8", errors="replace")
    failed = {found["test"]: found["why"] or "" for found in _FAILED.finditer(text)}
    return Outcome(process.exitcode, failed, text)


def _run_here(copy: Path, tests: list[str], printed: Path) -> None:
    with printed.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy)
    sys.path[:] = [
        str(copy),
        *(folder for folder in sys.path if not Path(folder).is_relative_to(ROOT / "tests")),
    ]
    import pytest

    import transferbound

    if not Path(transferbound.__file__).is_relative_to(copy):
        sys.exit(f"{transferbound.__file__} was imported, not the copy in {copy}")
    sys.exit(pytest.main([*_OPTIONS, *tests]))


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


def check(controls: Sequence[Control]) -> int:
    """Runs the tests without a leak, then with each. Gives how many controls do not bite."""
    with tempfile.TemporaryDirectory(prefix="controls-") as folder:
        _set_environment(Path(folder).resolve() / "home")
        # The first run leaves compiled files behind, which the copies of the copy take over.
        honest = make_copy(Path(folder).resolve() / "honest")
        tests = sorted({test for control in controls for test in control.tests})
        outcome = run_tests(honest, tests)
        if outcome.code != 0:
            print(outcome.text)
            print("without a leak the tests do not pass")
            return len(controls)
        print(f"without a leak all {len(tests)} tests pass", flush=True)
        return sum(not _bites(control, honest) for control in controls)


def _set_environment(home: Path) -> None:
    """What the libraries read when they are loaded, which is before ``conftest.py`` is."""
    os.environ |= {
        "TRANSFERBOUND_TESTS_HOME": str(home),
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "COLUMNS": "400",
    }


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
    parser.add_argument("--part", default="1/1", metavar="K/N", help="run only the K-th of N parts of them")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no control is called {', '.join(unknown)}; see --list")
    chosen = [known[name] for name in given.names or known]
    if given.list:
        for control in chosen:
            print(f"{control.name}: {control.trap} ({control.file})", *control.tests, sep="\n    ")
        return 0
    part, parts = (int(number) for number in given.part.split("/"))
    return int(check(chosen[part - 1 :: parts]) > 0)


if __name__ == "__main__":
    sys.exit(main())
