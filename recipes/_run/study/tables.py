"""Rows of studies: samples of a data set, and what is done to them, by a seed and written once as a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
from _priors.tables import write_table
from PIL import Image

Change = Callable[[datasets.Dataset, np.random.Generator], datasets.Dataset]


def made(folder: Path, name: str, make: Callable[[], datasets.Dataset]) -> str:
    """The path of the data set ``folder/name``, made where it is not there."""
    target = folder / name
    if not target.exists():
        write_table(target, make())
    return str(target)


def sampled(
    folder: Path,
    called: str,
    source: str,
    rows: int,
    seed: int,
    change: Change | None = None,
    name: str = "as_it_is",
) -> str:
    """``rows`` rows of the training split of ``source``, drawn by ``seed``, after ``change``; the path.

    Two changes of one source, size and seed are of the same rows. ``called`` and ``name`` name source and change in
    the path.
    """

    def make() -> datasets.Dataset:
        table = datasets.load_dataset(source, split="train")
        random = np.random.default_rng([seed, 0])
        chosen = table.select(random.permutation(table.num_rows)[:rows])
        return chosen if change is None else change(chosen, np.random.default_rng([seed, 1]))

    return made(folder, f"{called}-{rows}-{name}-{seed}", make)


def relabelled(share: float) -> Change:
    """A share of the rows gets a label drawn from all classes alike."""

    def change(table: datasets.Dataset, random: np.random.Generator) -> datasets.Dataset:
        labels, classes = np.asarray(table["label"]), table.features["label"].num_classes
        chosen = random.permutation(len(labels))[: round(share * len(labels))]
        labels[chosen] = random.integers(classes, size=len(chosen))
        feature = table.features["label"]
        return (
            table.remove_columns("label").add_column("label", labels.tolist()).cast_column("label", feature)
        )

    return change


def pixels_permuted(table: datasets.Dataset, random: np.random.Generator) -> datasets.Dataset:
    """One permutation of the pixels, for all pictures."""
    order: list[np.ndarray] = []

    def permuted(row: dict[str, Image.Image]) -> dict[str, Image.Image]:
        pixels = np.asarray(row["image"])
        if not order:
            order.append(random.permutation(pixels.size))
        return {"image": Image.fromarray(pixels.ravel()[order[0]].reshape(pixels.shape))}

    return with_images(table, permuted)


def with_images(
    table: datasets.Dataset, change: Callable[[dict[str, Image.Image]], dict[str, Image.Image]]
) -> datasets.Dataset:
    """Every picture of column ``image`` changed."""
    rows = [{**row, **change(row)} for row in table]
    return datasets.Dataset.from_list(rows, features=table.features)


def words_shuffled(table: datasets.Dataset, random: np.random.Generator) -> datasets.Dataset:
    """The words of each text in an order of its own; their characters and the label stay."""
    column = "text" if "text" in table.column_names else "sentence"

    def shuffled(text: str) -> str:
        words = text.split()
        return " ".join(words[place] for place in random.permutation(len(words)))

    texts = [shuffled(text) for text in table[column]]
    return table.remove_columns(column).add_column(column, texts)
