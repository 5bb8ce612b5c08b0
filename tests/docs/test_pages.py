"""The pages of docs/: found from the README, with links that lead somewhere and figures that are printed again."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest
from spine_fixtures import here_cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
_PLAN = re.compile(r"^transferbound (plan .*)$", re.MULTILINE)


def test_every_page_is_on_the_list_of_the_readme() -> None:
    listed = (
        (ROOT / "README.md").read_text(encoding="utf-8").split("## Documentation", 1)[1].split("\n## ", 1)[0]
    )
    linked = {Path(link).name for link in _LINK.findall(listed)}
    assert linked >= {path.name for path in DOCS.glob("*.md")} | {
        path.name for path in DOCS.glob("examples/*.py")
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_tests_that_a_page_names_are_there(page: Path) -> None:
    for file, name in _TEST.findall(page.read_text(encoding="utf-8")):
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert any(one.startswith("test_") for one in functions), file
        assert not name or name in functions, f"{file}::{name}"


def test_the_reference_is_what_the_docstrings_say() -> None:
    """If not: ``python docs/reference.py``."""
    made = runpy.run_path(str(DOCS / "reference.py"))["page"]()
    assert made == (DOCS / "reference.md").read_text(encoding="utf-8")


def test_a_changed_docstring_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    import transferbound

    monkeypatch.setattr(transferbound.verify, "__doc__", "Something else.")
    assert runpy.run_path(str(DOCS / "reference.py"))["main"](["--check"]) == 1


@pytest.mark.parametrize("page", ["which-bound.md", "tutorial.md"])
def test_plans_are_printed_again(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    commands = [found for found in _PLAN.findall(text) if "--sweep" not in found]
    assert commands
    whole = 0
    for command in commands:
        assert here_cli(*command.split()) == 0
        printed = capsys.readouterr().out
        assert printed.splitlines()[0] in text
        whole += printed in text
    assert whole


def test_what_verify_checks_is_held_by_leaks_that_are_put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "leaks"))
    from product_leaks import CONTROLS

    bitten = {test.split("::")[0] for control in CONTROLS for test in control.tests}
    page = (DOCS / "how-it-can-be-wrong.md").read_text(encoding="utf-8")
    named = {file for file, _ in _TEST.findall(page)}
    assert named
    assert named <= bitten
