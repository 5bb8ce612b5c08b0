"""The card's figure: what the bound is made of, and how it would move with the size of the message."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transferbound.bounds import occam_kl
from transferbound.bounds.confidence import failure_probability
from transferbound.certificate.content import Content
from transferbound.certificate.language_content import is_language, language_content
from transferbound.report.language_figure import draw_language
from transferbound.report.markup import in_figure
from transferbound.risks import risk_of
from transferbound.storage.files import replacing
from transferbound.wording import confidence_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FIGURE", "draw_certificate"]

FIGURE = "figures/bound.png"
_INK, _BLUE, _GREY, _ORANGE = "#222222", "#2b6cb0", "#b8bec6", "#c05621"


def draw_certificate(content: Content, path: Path) -> None:
    """Writes the figure as PNG. ``content`` is that of ``certificate.json``."""
    import matplotlib  # here: it reads settings from the folder that it is imported in, and only a figure needs it
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(matplotlib.rcParamsDefault), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name's letters that the font does not have
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        if is_language(content):
            draw_language(figure.subplots(1, 1), language_content(content))
        else:
            left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
            _bars(left, content)
            _curve(right, content)
        with replacing(path) as partial:
            figure.savefig(partial, dpi=144, format="png", metadata={"Software": None})


def _bars(axes: Axes, content: Content) -> None:
    risk, test = risk_of(content), content["evaluation"]["test"]
    what = risk.words.quantity
    rows = [
        ("bound on new data", content["risk_bound"], risk.value_up, _BLUE),
        (f"training {what}", content["train_error"], risk.value, _BLUE),
    ]
    if test:
        rows.append((f"test {what} ({in_figure(test['split'])})", test["error"], risk.value, _GREY))
    rows += [
        ("held-out tenth, bound", content["comparison"]["holdout_tenth"]["bound"], risk.value_up, _GREY),
        (risk.words.constant, risk.constant(content)[1], risk.value, _GREY),
    ]
    places = np.arange(len(rows))[::-1]
    values = [risk.words.scale * value for _, value, _, _ in rows]
    axes.barh(places, values, color=[colour for *_, colour in rows], height=0.62)
    axes.set_yticks(places, [name for name, *_ in rows])
    for place, value, (_, fraction, form, _) in zip(places, values, rows, strict=True):
        text = form(fraction).removesuffix(" %")
        axes.text(value + 0.012 * max(values), place, text, va="center", color=_INK, fontsize=9)
    axes.set_xlim(0, 1.14 * max(values))
    axes.set_xlabel(risk.words.axis)
    axes.set_title(f"{confidence_text(content['confidence'])} confidence, n = {content['n']:,}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _curve(axes: Axes, content: Content) -> None:
    """The kl form over message sizes: it needs the risk alone, so it serves rows and groups."""
    words = risk_of(content).words
    delta, bits = failure_probability(content["confidence"]), content["message_bits"]
    sizes = np.linspace(0.0, 2.2 * bits, 120)
    bounds = occam_kl(np.array(content["train_error"]), np.array(content["n"]), sizes, np.array(delta))
    training = f"training {words.quantity}"
    axes.plot(
        sizes, words.scale * np.asarray(bounds), color=_INK, lw=1.2, label=f"kl form at this {training}"
    )
    axes.axhline(words.scale * content["train_error"], color=_GREY, lw=1, ls="--", label=training)
    axes.plot([bits], [words.scale * content["risk_bound"]], "o", color=_ORANGE, label="this certificate")
    axes.set_xlabel("message (bits)")
    axes.set_ylabel(f"bound on the {words.axis}")
    axes.set_ylim(0, words.scale * min(1.0, 1.15 * float(np.max(bounds))))
    axes.set_xlim(0, float(sizes[-1]))
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
