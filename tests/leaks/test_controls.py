"""The table of negative controls is true to the code; ``controls.py`` itself puts the leaks in, which takes a while."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from controls import ROOT, Outcome, why_it_does_not_bite
from product_leaks import CONTROLS
from product_leaks.control import Control

LEAK_TESTS = sorted(path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))


@cache
def functions_in(file: Path) -> frozenset[str]:
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return frozenset(
        node.name for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test")
    )


def function_of(test: str) -> tuple[Path, str]:
    file, name = test.split("::")
    return ROOT / file, name.split("[")[0]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_control_changes_one_place_and_names_tests(control: Control) -> None:
    assert (ROOT / control.file).read_text(encoding="utf-8").count(control.old) == 1
    assert control.new != control.old
    assert control.tests
    for test in control.tests:
        file, name = function_of(test)
        assert name in functions_in(file), test


def test_names_are_distinct() -> None:
    assert max(Counter(control.name for control in CONTROLS).values()) == 1


def test_every_leak_test_has_a_control() -> None:
    named = {function_of(test) for control in CONTROLS for test in control.tests}
    assert LEAK_TESTS
    assert {(file, name) for file in LEAK_TESTS for name in functions_in(file)} - named == set()


@pytest.mark.parametrize(
    ("code", "failed", "found"),
    [
        (1, {"tests/x.py::a": "assert 1 == 2", "tests/x.py::b[one]": "Failed: DID NOT RAISE"}, ""),
        (0, {}, "pytest ended with 0"),
        (2, {"tests/x.py::a": "", "tests/x.py::b": ""}, "pytest ended with 2"),
        (1, {"tests/x.py::a": "assert 1 == 2", "tests/x.py::bb": ""}, "tests/x.py::b does not fail"),
        (1, {"tests/x.py::a": "NameError: x", "tests/x.py::b": ""}, "tests/x.py::a does not run: NameError"),
    ],
)
def test_what_counts_as_a_bite(code: int, failed: dict[str, str], found: str) -> None:
    control = Control("c", "t", "f", "o", "n", ("tests/x.py::a", "tests/x.py::b"))
    problem = why_it_does_not_bite(control, Outcome(code, failed, "text"))
    assert problem.startswith(found)
    assert bool(problem) == bool(found)
