"""``LabelledData``: the training examples, as ``datasets`` reads them from the Hub or from a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np

from transferbound.data._columns import choose_columns, read_groups, read_labels
from transferbound.data._source import open_split
from transferbound.data.examples import Examples
from transferbound.data.reading import DataReading
from transferbound.data.sample import Sample
from transferbound.data.set_aside import units_set_aside
from transferbound.errors import ArgumentError

__all__ = ["LabelledData"]


@dataclass(frozen=True)
class LabelledData(Sample):
    """One split of a labelled data set. Make one with :meth:`load`.

    Attributes:
        labels: int64 [n], each in [0, num_classes).
        class_names: one name a class, in the declared order.
        classes_from: ``features`` (declared by the data set), ``folders`` (the names of its folders) or ``user``
            (declared by ``num_classes=``).
        aside: rows of the same split that are none of these, see :meth:`setting_aside`; None: there are none.
        units_aside: how many units they are.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    classes_from: str
    aside: Examples | None = field(default=None, repr=False)
    units_aside: int = 0

    @classmethod
    def load(
        cls,
        name: str,
        *,
        split: str = "train",
        config: str | None = None,
        revision: str | None = None,
        image_column: str | None = None,
        text_columns: str | Sequence[str] | None = None,
        label_column: str | None = None,
        group_column: str | None = None,
        num_classes: int | None = None,
    ) -> LabelledData:
        """Load one split, or slices as in ``train[:50%]``, by ``datasets.load_dataset``.

        ``name`` is a Hub id, a folder that ``load_dataset`` reads, one that ``save_to_disk`` wrote, or a file of rows
        (csv, tsv, json, jsonl, parquet, arrow), which is the split ``train``.
        Columns that are not named are found where there is only one candidate. The number of classes comes
        from the declared features; a label column of bare integers wants ``num_classes``, because a number
        read off the training labels would be a choice made with the data in view.

        Raises:
            DataError: unknown data set, configuration, split or column; labels missing, not integers or
                outside the declared classes; no rows; one class only.
        """
        source = open_split(name, config=config, split=split, revision=revision)
        columns = choose_columns(source.table, name, image_column, text_columns, label_column, group_column)
        labels, names, origin = read_labels(source.table, columns.label, name, num_classes)
        groups = None if columns.group is None else read_groups(source.table, columns.group, name)
        return cls(
            name=name,
            config=source.config,
            revision=source.revision,
            split=split,
            labels=labels,
            class_names=names,
            classes_from=origin,
            modality=columns.modality,
            columns=columns.to_dict(),
            groups=groups,
            ranges=source.ranges,
            files_left_out=source.left_out,
            _table=source.table,
            _places=source.places,
        )

    def other_split(self, split: str) -> LabelledData:
        """Another split, or slices, of the same data set, read by the same columns and classes.

        Raises:
            DataError: as :meth:`load`.
        """
        reading = DataReading.by_columns(
            self.columns,
            split=split,
            config=self.config,
            revision=self.revision,
            num_classes=self.num_classes if self.classes_from == "user" else None,
        )
        return LabelledData.load(self.name, **vars(reading))

    def setting_aside(self, units: int) -> LabelledData:
        """The rows without those of ``units`` units, whose inputs can then serve as reference inputs: ``aside``.

        Which units is a function of their numbers in the split (:func:`units_set_aside`), so those that stay are as
        good a sample as all were. With 0 units it is the data itself.

        Raises:
            ArgumentError: fewer than two units would stay, or some are set aside already.
        """
        if units == 0:
            return self
        if self.aside is not None or units > self.n_units - 2:
            raise ArgumentError(
                f"set-aside is {units}, and the data set {self.name} has {self.n_units:,} units"
                f"{', of which some are set aside already' if self.aside is not None else ''}; "
                "set fewer aside, or none with 0"
            )
        chosen = units_set_aside(self.n_units, units)
        rows = chosen if self.groups is None else chosen[self.groups]
        groups = None if self.groups is None else np.unique(self.groups[~rows], return_inverse=True)[1]
        table, away = (self._table.select(np.flatnonzero(which)) for which in (~rows, rows))
        aside = Examples(
            **{one.name: getattr(self, one.name) for one in fields(Examples) if one.name != "_table"},
            _table=away,
        )
        return replace(
            self, labels=self.labels[~rows], groups=groups, aside=aside, units_aside=units, _table=table
        )

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the sorted hashes of the units (the content and label of their rows): order does not matter."""
        rows = [
            hashlib.sha256(content.tobytes() + f"{label}\0".encode()).digest()
            for content, label in zip(self.row_hashes, self.labels, strict=True)
        ]
        return self.digest_of(rows, f"{self.modality}\0{self.num_classes}\0{self.n}\0")
