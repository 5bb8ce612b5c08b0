"""The section on language models of the results page, from ``language.json``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transferbound.wording import round_up

__all__ = ["language_section"]

_INTRODUCTION = """Written by the recipes of these names. Losses in bits per token, the mean over documents of a
document's mean; each bound holds with 95 % confidence and was verified in a fresh process. "Excess" is what the loss
on new documents exceeds the checkpoint's own by, at most: below zero, finetuning provably helped. "SubLoRA form" is
what Lotfi et al. 2024 (arXiv 2312.17173) would state for the same message, with documents for units. "Held-out tenth":
what a tenth of the documents, kept out of training, would certify by way of the excess at the same losses."""

_CELLS: dict[str, Callable[[dict[str, Any]], str]] = {
    "bound": lambda row: f"**{round_up(row['risk_bound'], 3):.3f}**",
    "excess": lambda row: f"**{round_up(row['excess_bound'], 3):.3f}**",
    "SubLoRA form": lambda row: f"{round_up(row['sublora'], 3):.3f}",
    "training loss": lambda row: f"{row['train_risk']:.3f}",
    "checkpoint's": lambda row: f"{row['prior_train_risk']:.3f}",
    "bits": lambda row: f"{row['message_bits']:,.0f}",
    "stages": lambda row: ", ".join(
        f"{stage:,}" if isinstance(stage, int) else stage for stage in row["stages"]
    ),
    "n": lambda row: f"{row['n']:,}",
    "held-out tenth": lambda row: f"{round_up(row['holdout_tenth'], 3):.3f}",
    "minutes x cores": lambda row: f"{row['minutes']:.0f} x {row['cores']}",
}


def language_section(rows: list[dict[str, Any]]) -> list[str]:
    """The lines of the section."""
    lines = ["## Language models", "", _INTRODUCTION, ""]
    cells = [("task", *_CELLS), ("---",) * (1 + len(_CELLS))]
    for row in rows:
        task = f"[{row['task']}]({row['name']}/README.md)"
        cells.append((task, *(cell(row) for cell in _CELLS.values())))
    lines += ["| " + " | ".join(line) + " |" for line in cells]
    notes = [f"- [{row['name']}]({row['name']}/README.md): {row['note']}" for row in rows if row["note"]]
    return [*lines, "", *notes, ""]
