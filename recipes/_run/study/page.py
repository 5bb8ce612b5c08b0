"""A study's section of the page: claim, scale, table, figure and verdict, all of it from stored rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.figure
from matplotlib.axes import Axes

from _run.study.intervals import Interval, interval
from _run.study.points import Row

Setting = Mapping[str, object]


@dataclass(frozen=True)
class Section:
    """What a study says of itself.

    Attributes:
        name: of its rows and file.
        title: of the section.
        claim: what the paper says.
        scale: what was run, in words; numbers that rows hold are read off them.
        columns: head of the table.
        lines: the table's lines from rows.
        draw: draws into axes from rows.
        verdict: one sentence or two from rows: agrees or not, with its interval, and how sure.
    """

    name: str
    title: str
    claim: str
    scale: str
    columns: tuple[str, ...]
    lines: Callable[[list[Row]], list[tuple[str, ...]]]
    draw: Callable[[list[Row], Axes], None]
    verdict: Callable[[list[Row]], str]

    def markdown(self, rows: list[Row]) -> list[str]:
        """Its lines on the page."""
        table = [self.columns, ("---",) * len(self.columns), *self.lines(rows)]
        return [
            f"## {self.title}",
            "",
            f"*The paper*: {self.claim}",
            "",
            f"*Here* (`python recipes/studies/{self.name}.py`, {len(rows)} certificates): {self.scale}",
            "",
            *("| " + " | ".join(cells) + " |" for cells in table),
            "",
            f"![{self.title}]({self.figure})",
            "",
            f"**Verdict.** {self.verdict(rows)}",
            "",
        ]

    @property
    def figure(self) -> str:
        return f"figures/{self.name}.png"

    def write_figure(self, rows: list[Row], folder: Path) -> None:
        """Its figure below ``folder``."""
        figure = matplotlib.figure.Figure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        self.draw(rows, axes)
        axes.spines[["top", "right"]].set_visible(False)
        path = folder / self.figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120, metadata={"Software": None})


def where(rows: Sequence[Row], **setting: object) -> list[Row]:
    """Rows of this setting, by seed."""
    found = [row for row in rows if all(row.get(key) == value for key, value in setting.items())]
    return sorted(found, key=lambda row: int(row["seed"]))


def of(rows: Sequence[Row], column: str, scale: float = 1.0) -> Interval:
    """The interval of a column's mean."""
    return interval([scale * float(row[column]) for row in rows])


def paired(rows: Sequence[Row], others: Sequence[Row], column: str, scale: float = 1.0) -> Interval:
    """Of the mean difference, seed by seed, of ``others`` over ``rows``; of seeds that both have."""
    mine = {row["seed"]: float(row[column]) for row in rows}
    theirs = {row["seed"]: float(row[column]) for row in others}
    return interval([scale * (theirs[seed] - mine[seed]) for seed in sorted(mine.keys() & theirs.keys())])


def bits(rows: Sequence[Row]) -> str:
    return of(rows, "bits").text()


def percents(rows: Sequence[Row], column: str) -> str:
    return of(rows, column, 100).text(1, " %")


def bars(
    axes: Axes, names: Sequence[str], groups: Sequence[Sequence[Row]], column: str, scale: float = 1.0
) -> None:
    """Points of each seed, and the mean as a line, by setting."""
    for place, rows in enumerate(groups):
        values = [scale * float(row[column]) for row in rows]
        axes.plot([place] * len(values), values, "o", color="C0", markersize=4)
        axes.plot([place - 0.25, place + 0.25], [sum(values) / len(values)] * 2, color="C1", linewidth=2)
    axes.set_xticks(range(len(names)), names, fontsize=7, rotation=25, ha="right")
    axes.set_ylim(0, None)
