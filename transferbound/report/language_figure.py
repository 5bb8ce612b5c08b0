"""The figure of a card on a language model: losses and bounds beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transferbound.certificate.language_content import LanguageContent
from transferbound.report.markup import in_figure
from transferbound.wording import confidence_text, round_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_language"]

_INK, _BLUE, _GREY = "#222222", "#2b6cb0", "#b8bec6"


def draw_language(axes: Axes, content: LanguageContent) -> None:
    """Bars of bits per token: the bound, what it is made of, and what it is to be compared with."""
    test, compared = content["evaluation"]["test"], content["comparison"]
    rows = [
        ("bound on new documents", content["risk_bound"], True, _BLUE),
        ("training loss", content["train_risk"], False, _BLUE),
        ("checkpoint, bound", content["prior_risk_bound"], True, _GREY),
        ("checkpoint, training documents", content["prior_train_risk"], False, _GREY),
    ]
    if test:
        rows.append((f"test loss ({in_figure(test['split'])})", test["loss"], False, _GREY))
    rows += [
        ("held-out tenth, by the excess", compared["holdout_tenth"]["by_excess"], True, _GREY),
        ("SubLoRA's form", content["bounds"]["smoothed_hoeffding"], True, _GREY),
        ("uniform guess", compared["uniform_guess"], False, _GREY),
    ]
    places, values = np.arange(len(rows))[::-1], [value for _, value, _, _ in rows]
    axes.barh(places, values, color=[colour for *_, colour in rows], height=0.62)
    axes.set_yticks(places, [name for name, *_ in rows])
    for place, (_, value, is_bound, _) in zip(places, rows, strict=True):
        shown = f"{round_up(value, 3):.3f}" if is_bound else f"{value:.3f}"
        axes.text(value + 0.012 * max(values), place, shown, va="center", color=_INK, fontsize=9)
    axes.set_xlim(0, 1.14 * max(values))
    axes.set_xlabel("loss (bits per token)")
    axes.set_title(
        f"{confidence_text(content['confidence'])} confidence, n = {content['n']:,}; excess over the "
        f"checkpoint at most "
        f"{round_up(content['excess_bound'], 3):.3f}",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
