"""The examples in docstrings and in README run, and print what they say."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

import transferbound

ROOT = Path(transferbound.__file__).parent
WITH_EXAMPLES = sorted(path for path in ROOT.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstring_examples(path: Path) -> None:
    found = doctest.testmod(importlib.import_module(module_name(path)))
    assert found.attempted > 0
    assert found.failed == 0


def test_every_bound_has_an_example() -> None:
    from transferbound import bounds

    headline = (bounds.occam_binomial, bounds.occam_kl, bounds.occam_betting, bounds.holdout, bounds.max_bits)
    assert all(">>> " in (function.__doc__ or "") for function in headline)


def test_the_bound_in_the_readme() -> None:
    text = (ROOT.parent / "README.md").read_text(encoding="utf-8")
    call, value = re.search(
        r"^(bounds\.occam_binomial\(.*\))  # ([\d.]+)\.\.\.$", text, re.MULTILINE
    ).groups()
    found = eval(call, {"bounds": transferbound.bounds})  # noqa: S307 - our own README
    assert str(found).startswith(value)
