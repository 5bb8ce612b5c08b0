"""``Control``: one leak, where in the package it is put in, and the tests that must fail with it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Control", "tests_in"]


@dataclass(frozen=True)
class Control:
    """A leak put into the product itself.

    Attributes:
        name: what the command line calls it.
        trap: the way to a false bound that it opens, in words.
        file: the file that is changed, from the repository's root.
        old: stands exactly once in that file.
        new: what takes its place.
        tests: pytest node ids. With the leak in, each of them fails; of one that has parameters and names none, a case.
    """

    name: str
    trap: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def tests_in(file: str, *names: str) -> tuple[str, ...]:
    """Node ids of the tests ``names`` of ``tests/FILE``."""
    return tuple(f"tests/{file}::{name}" for name in names)
