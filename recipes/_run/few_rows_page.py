"""The part of the results page, and its figure, that ``recipes/studies/few_rows.py`` fills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.figure

from transferbound.wording import percent, percent_up

Row = dict[str, Any]

_INTRODUCTION = """Written by `python recipes/studies/few_rows.py`: what the plain command certifies of samples,
beside what always giving the most common answer does (its own bits and five more) and what counting errors on a tenth
held out would, if the error there were the training error. Every certificate was verified. "Rows" are all that were
given; of images a tenth is set aside and not counted. The rows of texts are of a version that set none aside."""
_LINES = (
    ("risk_bound", "bound", "o-"),
    ("constant_bound", "one answer to everything", "s--"),
    ("holdout_tenth", "a tenth held out", "^:"),
    ("train_error", "training error", "_-"),
)


def few_rows_section(rows: list[Row], figure: str) -> list[str]:
    """Lines of Markdown: a table, a line a sample, and the figure."""
    lines = ["## Few rows", "", _INTRODUCTION, ""]
    lines += [
        "| task | rows | bound | one answer | tenth held out | train error | bits | kind |",
        "|" + " --- |" * 8,
    ]
    lines += [_line(row) for row in rows]
    return [*lines, "", f"![Bound against rows]({figure})", ""]


def _line(row: Row) -> str:
    bounds = f"**{percent_up(row['risk_bound'])}** | {percent_up(row['constant_bound'])}"
    held = f"{percent_up(row['holdout_tenth'])} | {percent(row['train_error'])}"
    return f"| {row['task']} | {row['rows']:,} | {bounds} | {held} | {row['bits']:,.0f} | {row['kind']} |"


def draw_few_rows(rows: list[Row], path: Path) -> None:
    """Errors and bounds against the number of rows, a panel a task."""
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    figure = matplotlib.figure.Figure(figsize=(3.2 * len(tasks), 3.4), layout="constrained")
    panels = figure.subplots(1, len(tasks), sharey=True, squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=True):
        ours = [row for row in rows if row["task"] == task]
        for place, (key, label, style) in enumerate(_LINES):
            values = [100 * row[key] for row in ours]
            axes.plot(
                [row["rows"] for row in ours], values, style, color=f"C{place}", label=label, markersize=5
            )
        axes.set(title=task, xlabel="rows", xscale="log", ylim=(0, 100))
        axes.set_xticks([row["rows"] for row in ours], [f"{row['rows']:,}" for row in ours])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("error, %")
    panels[0].legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
