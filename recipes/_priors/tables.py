"""Rows that a recipe makes, written as a data set that ``datasets.load_dataset`` reads."""

from __future__ import annotations

import shutil
from pathlib import Path

from datasets import Dataset

from transferbound.storage.folders import new_folder


def write_table(folder: Path, table: Dataset) -> None:
    """The split ``train`` of a data set in Hub layout; what an earlier run left in ``folder`` goes."""
    shutil.rmtree(folder, ignore_errors=True)
    with new_folder(folder) as partial:
        (partial / "data").mkdir()
        table.to_parquet(str(partial / "data" / "train-00000-of-00001.parquet"))
