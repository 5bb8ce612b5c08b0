"""``Documents``: texts without labels, as ``datasets`` reads them, whose every document is a draw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from transferbound.data._columns import choose_inputs, find_label, read_groups
from transferbound.data._source import open_split
from transferbound.data.pool import Pool, drawn_rows
from transferbound.data.sample import Sample
from transferbound.errors import ArgumentError, DataError

__all__ = ["Documents", "has_label"]


@dataclass(frozen=True)
class Documents(Sample):
    """One split of a data set of texts. Make one with :meth:`load`.

    Attributes:
        pool: what these were drawn from at random, see :meth:`drawn`; None where they are the split itself.
    """

    pool: Pool | None = None

    @classmethod
    def load(
        cls,
        data: Any,
        *,
        split: str = "train",
        config: str | None = None,
        revision: str | None = None,
        text_column: str | None = None,
        group_column: str | None = None,
    ) -> Documents:
        """Load one split, or slices as in ``train[:50%]``, by ``datasets.load_dataset``.

        ``data`` is what :meth:`transferbound.LabelledData.load` takes; labels, where there are any, are not read.

        Raises:
            DataError: unknown data set, configuration, split or column; no rows; no text, or pairs of texts.
            ArgumentError: ``data`` is none of these.
        """
        source = open_split(data, config=config, split=split, revision=revision)
        name = source.name
        modality, inputs = choose_inputs(source.table, name, None, text_column, {group_column})
        if modality != "text" or len(inputs) != 1:
            raise DataError(
                f"the data set {name} gives {modality}s of the columns {', '.join(inputs)}, and task text-generation "
                "reads one column of texts; name it with --text-column"
            )
        if group_column is not None and group_column not in source.table.features:
            raise DataError(f"the data set {name} has no column {group_column!r} (--group-column)")
        groups = None if group_column is None else read_groups(source.table, group_column, name)
        return cls(
            name=name,
            config=source.config,
            revision=source.revision,
            split=source.split,
            modality=modality,
            columns={"text": list(inputs), "label": None, "group": group_column},
            groups=groups,
            ranges=source.ranges,
            files_left_out=source.left_out,
            _table=source.table,
            _places=source.places,
            _given=source.given,
        )

    def drawn(self, count: int, seed: int) -> Documents:
        """``count`` documents drawn at random from these, which are the pool from then on.

        A bound is then about the mean over the pool; nothing need be known of how the pool came about.

        Raises:
            ArgumentError: so many cannot be drawn, documents stand in groups, or these were drawn themselves.
        """
        if self.groups is not None or self.pool is not None:
            what = "drawn already" if self.pool is not None else "in groups (--group-column)"
            raise ArgumentError(f"pool is {count}, and the documents are {what}; leave one of the two out")
        rows = drawn_rows(self.n, count, seed)
        return replace(self, pool=Pool(self.n, seed), _table=self._table.select(rows))

    def other_split(self, split: str) -> Documents:
        """Another split, or slices, of the same data set, read by the same columns. Raises DataError."""
        return Documents.load(
            self._given or self.name,
            split=split,
            config=self.config,
            revision=self.revision,
            text_column=self.columns["text"][0],
            group_column=self.columns["group"],
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the sorted hashes of the units: order does not matter."""
        return self.digest_of((row.tobytes() for row in self.row_hashes), f"documents\0{self.n}\0")


def has_label(name: str, split: str, config: str | None, revision: str | None) -> bool:
    """Whether a column of the data set looks like classes. Raises DataError: unknown data set or split."""
    table = open_split(name, config=config, split=split, revision=revision).table
    try:
        find_label(table.features, name)
    except DataError:
        return False
    return True
