"""An explanation as a figure for a certificate's folder: which parts hold the message, and what less of it would do."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferbound.errors import OutputError
from transferbound.explanation.explanation import Explanation, Part
from transferbound.report.markup import in_figure
from transferbound.storage.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["EXPLAINED", "draw_explanation"]

EXPLAINED = "figures/explained.png"
_BLUE, _GREY, _ORANGE = "#2b6cb0", "#b8bec6", "#c05621"
_MOST_BARS = 24


def draw_explanation(found: Explanation, path: Path) -> None:
    """Writes the figure as PNG.

    Raises:
        OutputError: it cannot be written.
    """
    import matplotlib  # here: it reads settings from the folder that it is imported in, and only a figure needs it
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(matplotlib.rcParamsDefault), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name's letters that the font does not have
        figure = Figure(figsize=(9.6, 3.8), layout="constrained")
        FigureCanvasAgg(figure)
        groups = list(found.parts.items())[:1]
        panels = figure.subplots(1, len(groups) + 2, squeeze=False)[0]
        for axes, (name, parts) in zip(panels, groups, strict=False):
            _bars(axes, name, parts)
        _coordinates(panels[-2], found)
        _cuts(panels[-1], found)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial:
                figure.savefig(partial, dpi=144, format="png", metadata={"Software": None})
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _bars(axes: Axes, name: str, parts: tuple[Part, ...]) -> None:
    shown = sorted(parts, key=lambda part: -part.errors)[:_MOST_BARS]
    places = np.arange(len(shown))[::-1]
    axes.barh(places, [part.errors for part in shown], color=_BLUE, height=0.7)
    labels = [
        in_figure(part.name) + ("" if part.bits is None else f", {part.bits:.0f} bits") for part in shown
    ]
    axes.set_yticks(places, labels, fontsize=7)
    axes.set_xlabel(f"more errors without this {in_figure(name)}")
    axes.spines[["top", "right"]].set_visible(False)


def _coordinates(axes: Axes, found: Explanation) -> None:
    bits = [one.bits for one in found.coordinates]
    axes.plot(bits, [one.errors for one in found.coordinates], ".", color=_BLUE, markersize=5)
    axes.axhline(0, color=_GREY, linewidth=1)
    axes.set_xlabel("bits of a coordinate")
    axes.set_ylabel("errors that it buys")
    tried = f"{len(found.coordinates):,} of {found.nonzero:,} coordinates"
    axes.set_title(tried, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _cuts(axes: Axes, found: Explanation) -> None:
    bits = [cut.bits for cut in found.cuts]
    errors = [100 * cut.errors / found.rows for cut in found.cuts]
    axes.plot(bits, errors, "o-", color=_BLUE, markersize=3, label="errors")
    if all(cut.bound is not None for cut in found.cuts):
        bounds = [100 * (cut.bound or 0.0) for cut in found.cuts]
        axes.plot(bits, bounds, "--", color=_ORANGE, label="bound")
    if found.half is not None:
        axes.plot([found.half.bits], [100 * found.half.errors / found.rows], "o", color=_ORANGE, label="half")
    axes.set_xlim(0, None)
    axes.set_ylim(0, 105)
    axes.set_xlabel("message left, bits")
    axes.set_ylabel(f"of {found.rows:,} training rows, %")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
