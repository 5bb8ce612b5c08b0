"""What a recipe leaves for others: its card with the certificate, and its row in the results table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from transferbound import Certificate
from transferbound.storage.files import write_json
from transferbound.storage.folders import new_folder
from transferbound.verification.recorded import PRIOR_BESIDE

ROOT = Path(__file__).resolve().parents[2]
CARDS = ROOT / "model_cards"
TABLE = "results.json"
FEW_ROWS, LANGUAGE = "few_rows.json", "language.json"
_LARGEST_PRIOR = 2 * 10**6  # bytes
_FILES = ("certificate.json", "offset.bin", "README.md")


def figures(folder: Path) -> dict[str, Any]:
    """The columns of the results table that a certificate fills; errors and bounds as fractions."""
    content = Certificate.from_pretrained(folder).content
    test = content["evaluation"]["test"]
    return {
        "risk_bound": content["risk_bound"],
        "train_error": content["train_error"],
        "test_error": test["error"] if test else None,
        "message_bits": content["message_bits"],
        "n": content["n"],
        "dim": content["decoder"]["dim"],
        "kind": content["decoder"]["kind"],
        "holdout_tenth": content["comparison"]["holdout_tenth"]["bound"],
        "majority_class_error": content["comparison"]["majority_class_error"],
    }


def publish(
    out: Path, cards: Path, row: dict[str, Any], prior: Path | None = None, table: str = TABLE
) -> None:
    """Copies the certificate in ``out`` to the folder of the row's name below ``cards``, and enters the row.

    ``prior``, where it was made here, goes with it if it is small: nobody else can have the same.

    ``table``: of the results that the row belongs to.
    A later run of the same recipe takes the place of an earlier one.
    """
    target, fresh = cards / row["name"], cards / f"{row['name']}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    with new_folder(fresh) as partial:
        for name in _FILES:
            shutil.copy2(out / name, partial / name)
        shutil.copytree(out / "figures", partial / "figures")
        if prior is not None and sum(file.stat().st_size for file in prior.rglob("*")) <= _LARGEST_PRIOR:
            shutil.copytree(prior, partial / PRIOR_BESIDE)
    if target.exists():
        shutil.rmtree(target)
    fresh.rename(target)
    _enter(cards / table, row)


def _enter(table: Path, row: dict[str, Any]) -> None:
    rows = json.loads(table.read_text(encoding="utf-8")) if table.exists() else []
    rows = [old for old in rows if old["name"] != row["name"]] + [row]
    write_json(table, sorted(rows, key=lambda one: one["name"]))
