"""``LabelledData``: the training examples, as ``datasets`` reads them from the Hub or from a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from transferbound.data._columns import choose_columns, read_groups
from transferbound.data._draw import Draw, drawn_units
from transferbound.data._labels import DECLARED_BY_NAMES, read_labels
from transferbound.data._source import open_split
from transferbound.data.declared import files_by_split, names_of_classes, parsed_label_map
from transferbound.data.examples import Examples
from transferbound.data.reading import DataReading
from transferbound.data.sample import Sample
from transferbound.data.set_aside import units_set_aside
from transferbound.errors import ArgumentError

__all__ = ["DECLARED_BY_NAMES", "LabelledData"]


@dataclass(frozen=True)
class LabelledData(Sample):
    """One split of a labelled data set. Make one with :meth:`load`.

    Attributes:
        labels: int64 [n], each in [0, num_classes).
        class_names: one name a class, in the declared order.
        classes_from: where they are from, see :class:`transferbound.data._labels.Labels`.
        aside: rows of the same split that are none of these, see :meth:`setting_aside`; None: there are none.
        units_aside: how many units they are.
        whole: the same split with these rows; None where none are set aside.
        label_map: from the labels as they stand in the data to class names; None where they stand as they are.
        data_files: the files that were named; None: those that the data set is of.
        shuffle_seed: gave the order of each split's rows; None: they stand as they are.
        draw: of the rows of the split; None: all of them are here.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    classes_from: str
    aside: Examples | None = field(default=None, repr=False)
    units_aside: int = 0
    whole: LabelledData | None = field(default=None, repr=False)
    label_map: dict[str, str] | None = None
    data_files: tuple[str, ...] | None = None
    shuffle_seed: int | None = None
    draw: Draw | None = None

    @classmethod
    def load(
        cls,
        data: Any,
        *,
        split: str = "train",
        config: str | None = None,
        revision: str | None = None,
        image_column: str | None = None,
        text_columns: str | Sequence[str] | None = None,
        label_column: str | None = None,
        group_column: str | None = None,
        num_classes: int | None = None,
        class_names: str | Sequence[str] | None = None,
        label_map: str | Mapping[str, str] | None = None,
        data_files: str | Sequence[str] | None = None,
        shuffle_seed: int | None = None,
        max_rows: int | None = None,
        image_bits: int = 8,
        modality: str | None = None,
    ) -> LabelledData:
        """Load one split, or slices as in ``train[:50%]``, by ``datasets.load_dataset``.

        ``data`` is a Hub id, a folder that ``load_dataset`` reads, one that ``save_to_disk`` wrote, or a file of rows
        (csv, tsv, json, jsonl, parquet, arrow), which is the split ``train``; or an object: a ``datasets.Dataset``,
        whose own split is taken, or a ``DatasetDict``. Formats and transforms that are set on an object are not
        applied.
        Columns that are not named are found where there is only one candidate, or two texts, which are a pair. The
        classes come from the declared features; a label column of bare integers wants ``num_classes`` or
        ``class_names``, one of strings ``class_names`` or ``label_map``, because what is read off the training labels
        would be a choice made with the data in view. What each keyword means stands with :class:`DataReading`.

        Args:
            modality: what a prior reads, ``image`` or ``text``: which column is taken of a data set of both.

        Raises:
            DataError: unknown data set, configuration, split or column; labels missing, of no kind that classes have
                or outside the declared classes; no rows; one class only.
            ArgumentError: as :class:`DataReading`; or ``data`` is none of these.
        """
        DataReading(
            split=split, shuffle_seed=shuffle_seed, max_rows=max_rows, image_bits=image_bits
        )  # in range?
        names, renamed = names_of_classes(class_names), parsed_label_map(label_map)
        files = files_by_split(data_files)
        source = open_split(
            data, config=config, split=split, revision=revision, data_files=files, shuffle_seed=shuffle_seed
        )
        name = source.name
        columns = choose_columns(
            source.table, name, image_column, text_columns, label_column, group_column, modality
        )
        labels = read_labels(source.table, columns.label, name, num_classes, names, renamed)
        groups = None if columns.group is None else read_groups(source.table, columns.group, name)
        found = cls(
            name=name,
            config=source.config,
            revision=source.revision,
            split=source.split,
            labels=labels.numbers,
            class_names=labels.names,
            classes_from=labels.origin,
            modality=columns.modality,
            columns=columns.to_dict(),
            groups=groups,
            ranges=source.ranges,
            files_left_out=source.left_out,
            _table=source.table,
            _places=source.places,
            _given=source.given,
            image_bits=image_bits,
            label_map=renamed,
            data_files=None if data_files is None else _as_tuple(data_files),
            shuffle_seed=shuffle_seed,
        )
        return found if max_rows is None else found._drawing(max_rows)

    def other_split(self, split: str) -> LabelledData:
        """Another split, or slices, of the same data set, read by the same columns and classes; nothing is drawn of it.

        Raises:
            DataError: as :meth:`load`.
        """
        by_names = self.classes_from in DECLARED_BY_NAMES
        reading = DataReading.by_columns(
            self.columns,
            split=split,
            config=self.config,
            revision=self.revision,
            num_classes=self.num_classes if self.classes_from == "user" else None,
            class_names=json.dumps(self.class_names) if by_names else None,
            label_map=None if self.label_map is None else json.dumps(self.label_map),
            data_files=None if self.data_files is None else list(self.data_files),
            shuffle_seed=self.shuffle_seed,
            image_bits=self.image_bits,
        )
        return LabelledData.load(self._given or self.name, **vars(reading))

    def _drawing(self, units: int) -> LabelledData:
        """``units`` of the units, by their numbers and the seed alone."""
        seed, of = self.shuffle_seed or 0, self.n_units
        chosen = drawn_units(of, units, seed)
        drawn = self._keeping(chosen if self.groups is None else chosen[self.groups])
        if len(np.unique(drawn.labels)) < 2:
            raise ArgumentError(
                f"--max-rows is {units}, and the {units} that are drawn of the data set {self.name} are of one class; "
                "draw more"
            )
        return replace(drawn, draw=Draw(seed, units, of))

    def _keeping(self, rows: np.ndarray) -> LabelledData:
        """The data with the rows for which bool [n] ``rows`` holds."""
        groups = None if self.groups is None else np.unique(self.groups[rows], return_inverse=True)[1]
        table = self._table.select(np.flatnonzero(rows))
        return replace(self, labels=self.labels[rows], groups=groups, _table=table)

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
        aside = Examples(
            **{one.name: getattr(self, one.name) for one in fields(Examples) if one.name != "_table"},
            _table=self._table.select(np.flatnonzero(rows)),
        )
        return replace(self._keeping(~rows), aside=aside, units_aside=units, whole=self)

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


def _as_tuple(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
