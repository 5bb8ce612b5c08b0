"""Writes the results page and its figure from the results table: ``python recipes/results.py``.

The rows that the README shows, between two marks, are written anew with them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.figure
from _run.few_rows_page import draw_few_rows, few_rows_section
from _run.language_page import language_section
from _run.publish import CARDS, FEW_ROWS, LANGUAGE, TABLE

from transferbound.storage.files import write_text
from transferbound.wording import percent, percent_up

Row = dict[str, Any]

_FIGURE = "figures/bound_vs_bits.png"
_FEW_FIGURE = "figures/few_rows.png"
_MARKS = ("<!-- rows of model_cards/results.json -->\n", "\n<!-- end of rows -->")

_CELLS: dict[str, Callable[[Row], str]] = {
    "bound": lambda row: f"**{percent_up(row['risk_bound'])}**",
    "published": lambda row: "none known" if row["published"] is None else f"{row['published']:.1f} %",
    "train error": lambda row: percent(row["train_error"]),
    "test error": lambda row: "" if row["test_error"] is None else percent(row["test_error"]),
    "bits": lambda row: f"{row['message_bits']:,.0f}",
    "n": lambda row: f"{row['n']:,}",
    "d": lambda row: f"{row['dim']:,}",
    "kind": lambda row: row["kind"],
    "held-out tenth": lambda row: percent_up(row["holdout_tenth"]),
    "minutes x cores": lambda row: "" if row["minutes"] is None else f"{row['minutes']:.0f} x {row['cores']}",
}
_SHORT = ("bound", "published", "train error", "test error", "bits", "minutes x cores")

_INTRODUCTION = """Written by `python recipes/results.py` from `results.json`, to which every recipe adds its row.
Each bound holds with 95 % confidence and was verified in a fresh process; its certificate and card lie in the folder
of its name. n is the number of rows that are counted. Kind "sparse" sets up to 1,500 others aside: the components
are those of their inputs, their labels are read by nobody, and the bound does not count them.
"Published" is the 2022 paper (Lotfi et al., arXiv 2211.13609), data-independent prior. "Held-out tenth" is what
counting errors on a tenth of the same data would certify if the error there were the training error: usually less,
and it costs that tenth. Test errors are for the report; nothing was chosen by them. Where the minutes are missing
they were not measured in one run of the recipe."""


def page(rows: list[Row], ablations: list[Row], few: list[Row], language: Sequence[Row] = ()) -> str:
    """The page as Markdown."""
    lines = ["# Results", "", _INTRODUCTION, "", *_table(rows, tuple(_CELLS), ""), ""]
    lines += [f"![Bound against bits]({_FIGURE})", ""]
    notes = [f"- [{row['name']}]({row['name']}/README.md): {row['note']}" for row in rows if row["note"]]
    lines += ["## Notes", "", *notes, ""] if notes else []
    if language:
        lines += language_section(list(language))
    if few:
        lines += few_rows_section(few, _FEW_FIGURE)
    if ablations:
        lines += _ablation(ablations)
    return "\n".join(lines)


def with_rows(readme: str, rows: list[Row], cards: str) -> str:
    """``readme`` with the table between its marks written anew; as it is where it has none.

    Args:
        readme: Markdown.
        rows: of the results table.
        cards: folder of cards, as seen from the page.
    """
    before, first, after = readme.partition(_MARKS[0])
    _, last, behind = after.partition(_MARKS[1])
    if not first or not last:
        return readme
    return before + first + "\n".join(_table(rows, _SHORT, f"{cards}/")) + last + behind


def _table(rows: list[Row], columns: Sequence[str], cards: str) -> list[str]:
    lines = [("task", *columns), ("---",) * (1 + len(columns))]
    for row in rows:
        task = f"[{row['task']}]({cards}{row['name']}/README.md)"
        lines.append((task, *(_CELLS[column](row) for column in columns)))
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _ablation(rows: list[Row]) -> list[str]:
    """One table a task: each variant against the full method of the same length of training."""
    lines = ["## What each idea buys", ""]
    lines += [
        "Written by `python recipes/studies/ablation.py`; each line changes one thing (the way to the grid goes "
        "with its number of levels). All runs have four epochs and four trials of polish, fewer than those above.",
        "",
    ]
    for task in sorted({row["task"] for row in rows}):
        ours = [row for row in rows if row["task"] == task]
        full = ours[0]
        lines += [
            f"### {task}",
            "",
            "| variant | bound | points lost | bits | train error |",
            "|" + " --- |" * 5,
        ]
        lines += [
            f"| {row['variant']} | {percent_up(row['risk_bound'])} | "
            f"{100 * (row['risk_bound'] - full['risk_bound']):+.2f} | {row['message_bits']:,.0f} | "
            f"{percent(row['train_error'])} |"
            for row in ours
        ]
        lines += [""]
    return lines


def draw(rows: list[Row], path: Path) -> None:
    """Bound against bits for each task; the published figure as a line at its height."""
    figure = matplotlib.figure.Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, row in enumerate(rows):
        colour = f"C{number % 10}"
        bits = row["message_bits"]
        axes.plot(bits, 100 * row["risk_bound"], "o", color=colour)
        axes.plot(bits, 100 * row["train_error"], "_", color=colour, markersize=9)
        axes.vlines(bits, 100 * row["train_error"], 100 * row["risk_bound"], color=colour, linewidth=1)
        if row["published"] is not None:
            axes.plot(bits, row["published"], "x", color=colour)
        axes.annotate(
            row["task"],
            (bits, 100 * row["risk_bound"]),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=7,
        )
    axes.plot([], [], "o", color="grey", label="error bound, 95 %")
    axes.plot([], [], "_", color="grey", label="training error")
    axes.plot([], [], "x", color="grey", label="published bound (2022), drawn at our bits")
    widest = max(row["message_bits"] for row in rows)
    axes.set(xlabel="message, bits", ylabel="error, %", ylim=(0, None), xlim=(0, 1.4 * widest))
    axes.legend(fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def _rows(table: Path) -> list[Row]:
    """The rows of a study's table; none where it was not run."""
    found: list[Row] = json.loads(table.read_text(encoding="utf-8")) if table.exists() else []
    return found


def main(argv: list[str] | None = None) -> int:
    """Reads the tables, writes README.md and the figure beside them, and the rows of the README above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=Path, default=CARDS, help="folder of results.json")
    cards = parser.parse_args(argv).cards
    table = cards / TABLE
    if not table.exists():
        print(f"error: {table} is not there; run a recipe first", file=sys.stderr)
        return 2
    rows = json.loads(table.read_text(encoding="utf-8"))
    changes, few = _rows(cards / "ablation.json"), _rows(cards / FEW_ROWS)
    draw(rows, cards / _FIGURE)
    if few:
        draw_few_rows(few, cards / _FEW_FIGURE)
    write_text(cards / "README.md", page(rows, changes, few, _rows(cards / LANGUAGE)))
    readme = cards.resolve().parent / "README.md"
    if readme.exists():
        write_text(readme, with_rows(readme.read_text(encoding="utf-8"), rows, cards.name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
