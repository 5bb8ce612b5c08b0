"""Writes the page of the studies and its figures from stored rows: ``python recipes/studies/report.py``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bits
import data_dependent
import equivariance
import optimization
import size
import structure
import transfer
from _run.publish import CARDS
from _run.study.page import Section
from _run.study.points import Row, read_rows

from transferbound.storage.files import write_text

SECTIONS: tuple[Section, ...] = (
    structure.SECTION,
    transfer.SECTION,
    data_dependent.SECTION,
    optimization.SECTION,
    size.SECTION,
    equivariance.SECTION,
    bits.SECTION,
)

_INTRODUCTION = """Written by `python recipes/studies/report.py` from the rows beside it (`NAME.jsonl`, a row a
certificate), which `python recipes/studies/NAME.py` writes and goes on with. The paper is Lotfi et al. 2022, "PAC-Bayes
Compression Bounds So Tight That They Can Explain Generalization" (arXiv 2211.13609).

These are small runs, of minutes on one core, for differences and not for small bounds; every script has a size for a
larger machine (`--full`), whose results are not here. Every point is a certificate whose errors were counted with the
decoded message. Each pays 14 bits for its place on the list of the study's points, and says that the list was written
with the data sets in view. Bounds hold at 95 % confidence each. Numbers in brackets are 95 % intervals of a mean over
seeds (Student's t), of differences seed by seed; a seed draws the sample of rows as well. Verdicts are made by rule
from these intervals, with no correction for how many there are: of twenty that say nothing, one will seem to.

Certificates in the folders `NAME/` were kept and verified in a fresh process. To check one, write the rows that it
counts (`python recipes/studies/NAME.py --inputs-only`, from the top folder), then
`transferbound verify model_cards/studies/NAME/POINT`.
"""


def page(found: Sequence[tuple[Section, list[Row]]]) -> str:
    """The page as Markdown, of the studies that have rows."""
    lines = ["# Why does it generalize", "", _INTRODUCTION]
    for section, rows in found:
        lines += section.markdown(rows)
    missing = [section.title for section in SECTIONS if section not in [one for one, _ in found]]
    if missing:
        lines += [f"Not run yet: {', '.join(missing)}.", ""]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the rows, writes README.md and the figures beside them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=Path, default=CARDS, help="folder of the results page [model_cards]")
    folder = parser.parse_args(argv).cards / "studies"
    tables = [(section, read_rows(folder / f"{section.name}.jsonl")) for section in SECTIONS]
    found = [(section, rows) for section, rows in tables if rows]
    if not found:
        print(f"error: {folder} holds no rows; run a study first", file=sys.stderr)
        return 2
    for section, rows in found:
        section.write_figure(rows, folder)
    write_text(folder / "README.md", page(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
