"""A plan as a figure: the bound against the message size and against n."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferbound.errors import OutputError
from transferbound.plan import Plan, sweep
from transferbound.storage.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plan_figure"]


def plan_figure(plan: Plan, path: str | Path) -> Path:
    """Draw the bound of ``plan`` against the message size and against n, and save it (PNG, PDF or SVG by
    suffix).

    Returns the path written. Raises OutputError where the folder does not exist or the suffix is unknown.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    if path.suffix.lower() not in {".png", ".pdf", ".svg"}:
        raise OutputError(f"a figure is written as .png, .pdf or .svg, got {path.name!r}")
    if not path.parent.is_dir():
        raise OutputError(f"the folder {str(path.parent)!r} does not exist: create it first")
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    by_bits, by_n = figure.subplots(1, 2, sharey=True)
    _draw_bits(by_bits, plan)
    _draw_n(by_n, plan)
    try:
        with replacing(path) as partial:
            figure.savefig(partial, dpi=150, format=path.suffix[1:].lower())
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error}") from error
    return path


def _draw_bits(axes: Axes, plan: Plan) -> None:
    most = max(plan.bits, plan.n / 8.0, *(item.break_even_bits or 0.0 for item in plan.holdouts), 16.0)
    lengths = np.geomspace(1.0, 4.0 * most, 80)
    curve = sweep(plan.n, plan.train_error, lengths, plan.confidence, plan.grouped).bounds[0]
    axes.plot(lengths, 100.0 * curve, label="compression bound")
    axes.plot([max(plan.bits, 1.0)], [100.0 * plan.risk_bound], "o", color="C0", label="this plan")
    for item, style in zip(plan.holdouts, ("--", ":"), strict=True):
        label = f"{item.share:.0%} held out ({item.m:,})"
        axes.axhline(100.0 * item.bound, color="C1", linestyle=style, label=label)
    axes.axhline(100.0 * plan.train_error, color="0.5", linewidth=1.0, label="train error")
    if plan.target is not None:
        axes.axhline(100.0 * plan.target, color="C2", linewidth=1.0, label="target")
    axes.set_xscale("log")
    axes.set_xlabel("message size (bits)")
    axes.set_ylabel(f"error bound at {plan.confidence:.4g} confidence (%)")
    axes.set_title(f"n = {plan.n:,}")
    axes.set_ylim(0.0, 100.0)
    axes.legend(fontsize="small")


def _draw_n(axes: Axes, plan: Plan) -> None:
    low, high = max(10.0, plan.n / 30.0), max(30.0 * plan.n, 3.0 * (plan.n_needed or 1))
    sizes = np.unique(np.round(np.geomspace(low, high, 60)).astype(np.int64))
    curves = sweep(sizes, plan.train_error, plan.bits, plan.confidence, plan.grouped)
    axes.plot(sizes, 100.0 * curves.bounds[:, 0], label="compression bound")
    axes.plot([plan.n], [100.0 * plan.risk_bound], "o", color="C0")
    axes.plot(sizes, 100.0 * curves.holdout_tenth, "--", color="C1", label="10% held out")
    axes.axhline(100.0 * plan.train_error, color="0.5", linewidth=1.0, label="train error")
    if plan.target is not None:
        axes.axhline(100.0 * plan.target, color="C2", linewidth=1.0, label="target")
    axes.set_xscale("log")
    axes.set_xlabel("n (independent groups)" if plan.grouped else "n (independent training examples)")
    axes.set_title(f"{plan.bits:,.0f} bits")
    axes.legend(fontsize="small")
