"""Writes docs/reference.md: the public names of transferbound, as their docstrings say.

python docs/reference.py            writes the page anew
python docs/reference.py --check    exit code 1 where the page is not what the docstrings say
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import transferbound

PAGE = Path(__file__).with_name("reference.md")
_HEAD = """# Python reference

The public names, made from their docstrings by `python docs/reference.py`. Errors are those of `transferbound.errors`;
errors and bounds are fractions, lengths of messages are bits.
"""
_ROLE = re.compile(r":(?:func|class|meth|mod|data|attr):`~?([^`]+)`")
_SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")
_ENTRY = re.compile(r"([\w`*, ]+): (.*)")
_MOST_DEFAULT = 60


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for name in sorted(transferbound.__all__, key=str.lower):
        value = getattr(transferbound, name)
        if inspect.ismodule(value):
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            parts += _described(name, value, 2)
    parts.append("## transferbound.bounds\n\nPure functions; [bounds](bounds.md) says which is for what.\n")
    for name, value in sorted(vars(transferbound.bounds).items()):
        if inspect.isfunction(value) or inspect.isclass(value):
            parts += _described(name, value, 3)
    return "\n".join(parts).rstrip("\n") + "\n"


def _described(name: str, value: Any, level: int) -> Iterator[str]:
    yield f"{'#' * level} {name}\n"
    yield f"```text\n{_signature(name, value)}\n```\n"
    yield _markdown(inspect.getdoc(value) or "")
    if inspect.isclass(value):
        for inner, raw in vars(value).items():
            if not inner.startswith("_") and (text := _member(inner, raw)):
                yield text


def _member(name: str, raw: Any) -> str:
    """A public method or property with a docstring of its own; "" for others."""
    function = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
    if isinstance(raw, property):
        return f"**`{name}`**: {_markdown(inspect.getdoc(raw) or '')}" if raw.__doc__ else ""
    if not inspect.isfunction(function) or not function.__doc__:
        return ""
    return f"**`{_signature(name, function)}`**\n\n{_markdown(inspect.getdoc(function) or '')}"


def _signature(name: str, value: Any) -> str:
    """As one calls it: without annotations, and without what ``self`` is."""
    if inspect.isclass(value) and not dataclasses.is_dataclass(value) and "__init__" not in vars(value):
        return name
    parameters = [
        one.replace(annotation=inspect.Parameter.empty, default=_short(one.default))
        for one in inspect.signature(value).parameters.values()
        if one.name not in ("self", "cls") and not one.name.startswith("_")
    ]
    return f"{name}{inspect.Signature(parameters)}"


def _short(default: Any) -> Any:
    """What does not move from machine to machine, and fits on a line."""
    text = repr(default)
    if default is inspect.Parameter.empty or (len(text) <= _MOST_DEFAULT and " at 0x" not in text):
        return default
    return inspect.Parameter.empty if " at 0x" in text else type(default)


def _markdown(text: str) -> str:
    """A docstring as Markdown: sections as lists, examples and indented lines as code."""
    lines = [_ROLE.sub(_name, line).replace("``", "`") for line in text.splitlines()]
    out: list[str] = []
    in_list = False
    for line in lines:
        if match := _SECTION.fullmatch(line):
            in_list = True
            out.append(f"*{match.group(1)}*\n")
        elif (
            in_list
            and line.startswith("    ")
            and not line.startswith("     ")
            and (found := _ENTRY.match(line[4:]))
        ):
            out.append(f"- `{found.group(1).strip('`')}`: {found.group(2)}")
        elif in_list and line.startswith("    "):
            out.append(f"  {line.strip()}")
        else:
            in_list = in_list and not line.strip()
            out.append(line)
    return _examples("\n".join(out)) + "\n"


def _name(match: re.Match[str]) -> str:
    return f"`{match.group(1).split('.')[-1]}`"


def _examples(text: str) -> str:
    """Blocks that begin with >>> between fences."""
    return re.sub(r"(?m)(^>>> (?:.|\n)*?)(?=\n\n|\Z)", r"```pycon\n\1\n```", text)


def main(arguments: list[str]) -> int:
    made = page()
    if arguments == ["--check"]:
        return int(not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
