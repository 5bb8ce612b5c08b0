"""What the bits are for: ``transferbound explain`` of the certificates that the studies kept.

    python recipes/studies/bits.py

Rows and priors lie below ``runs/studies``, where the studies write them (``--inputs-only`` writes them anew). No claim
of the paper: nobody has looked. A row a certificate; those that have one are left alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _run.publish import CARDS
from _run.study.page import Section
from _run.study.points import Row, read_rows, write_rows

from transferbound.errors import TransferboundError
from transferbound.explanation import Explanation, explain

NAME = "bits"


def row_of(study: str, point: str, found: Explanation) -> Row:
    """What the page tells of an explanation; lengths in bits, errors as fractions of the rows looked at."""
    worth = np.sort([one.errors for one in found.coordinates])[::-1]
    tenth = worth[: max(1, len(worth) // 10)].sum() if len(worth) else 0
    gained = np.clip(worth, 0, None).sum()
    half = found.half
    return {
        "study": study,
        "point": point,
        "kind": found.kind,
        "bits": found.bits,
        "header_bits": found.header_bits,
        "nonzero": found.nonzero,
        "rows": found.rows,
        "error": found.errors / found.rows,
        "tried": len(found.coordinates),
        "idle": int((worth <= 0).sum()),
        "best_tenth": float(tenth / gained) if gained > 0 else None,
        "half_bits": None if half is None else half.bits,
        "half_error": None if half is None else half.errors / found.rows,
        "half_changed": None if half is None else half.changed / found.rows,
        "agreement": found.agreement,
    }


def _lines(rows: list[Row]) -> list[tuple[str, ...]]:
    lines = []
    for row in rows:
        half = "" if row["half_bits"] is None else f"{100 * row['half_error']:.1f} %"
        changed = "" if row["half_bits"] is None else f"{100 * row['half_changed']:.1f} %"
        best = "" if row["best_tenth"] is None else f"{100 * row['best_tenth']:.0f} %"
        where = f"[{row['study']}, {row['point']}]({row['study']}/{row['point']}/README.md)"
        size = (row["kind"], f"{row['bits']:,.0f}", f"{row['nonzero']:,}")
        idle = f"{row['idle']} of {row['tried']}"
        lines.append((where, *size, f"{100 * row['error']:.1f} %", idle, best, half, changed))
    return lines


def _draw(rows: list[Row], axes: Axes) -> None:
    for kind, colour in (("sparse", "C0"), ("hashed", "C1")):
        own = [row for row in rows if row["kind"] == kind and row["half_error"] is not None]
        if own:
            whole, half = ([100 * row[key] for row in own] for key in ("error", "half_error"))
            axes.plot(whole, half, "o", color=colour, label=kind)
    axes.plot([0, 100], [0, 100], "--", color="grey", linewidth=1)
    axes.set(
        xlabel="train error, whole message, %", ylabel="with half of it, %", xlim=(0, 100), ylim=(0, 100)
    )
    axes.legend(frameon=False)


def _verdict(rows: list[Row]) -> str:
    said = []
    for kind in ("sparse", "hashed"):
        own = [row for row in rows if row["kind"] == kind and row["half_error"] is not None]
        if not own:
            continue
        rises = [100 * (row["half_error"] - row["error"]) for row in own]
        idle = sum(row["idle"] for row in own) / max(1, sum(row["tried"] for row in own))
        said.append(
            f"of kind {kind} ({len(own)} certificates) half of the message costs {min(rises):.1f} to "
            f"{max(rises):.1f} points of "
            f"train error, {np.median(rises):.1f} in the middle, and {100 * idle:.0f} % of the numbers that "
            "were tried buy "
            "no error by themselves"
        )
        agreements = [row["agreement"] for row in own if row["agreement"] is not None]
        if agreements:
            said[-1] += (
                f" (the order of their cuts is an estimate: rank correlation {min(agreements):.2f} to "
                f"{max(agreements):.2f})"
            )
    text = "; ".join(said)
    return (
        text[:1].upper() + text[1:] + ". No interval: the certificates are of different tasks."
        if said
        else "None yet."
    )


SECTION = Section(
    NAME,
    "What the bits are for",
    "nothing; nobody has looked.",
    "`transferbound explain` of the certificates that the studies above kept. A number's worth is the errors "
    "that the training "
    "rows have more with a zero in its place; half is the longest message of at most half of the bits that "
    "is left when those "
    "that buy least go first. Exact for kind sparse; of kind hashed 24 numbers were tried, and the order is "
    "an estimate.",
    (
        "certificate",
        "kind",
        "bits",
        "numbers",
        "train error",
        "buy nothing",
        "best tenth buys",
        "half: error",
        "half: other answers",
    ),
    _lines,
    _draw,
    _verdict,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Explains the kept certificates that have no row; 2 where none can be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cards", type=Path, default=CARDS, help="folder of the results page [model_cards]")
    parser.add_argument(
        "--coordinates", type=int, default=24, help="most to try where they move many weights"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    given = parser.parse_args(argv)
    torch.set_num_threads(given.threads)
    folder = given.cards / "studies"
    table = folder / f"{NAME}.jsonl"
    for path in sorted(folder.glob("*/*/certificate.json")):
        study, point = path.parts[-3:-1]
        rows = read_rows(table)
        if any((row["study"], row["point"]) == (study, point) for row in rows):
            continue
        try:
            found = explain(path.parent, coordinates=given.coordinates, progress=False)
        except TransferboundError as error:
            print(f"{study}/{point}: {error}", file=sys.stderr)
            continue
        write_rows(table, [*rows, row_of(study, point, found)])
        print(f"{study}/{point}: {found.bits:.0f} bits", flush=True)
    return 0 if table.exists() else 2


if __name__ == "__main__":
    sys.exit(main())
