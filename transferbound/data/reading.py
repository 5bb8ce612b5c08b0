"""How a data set is read, apart from its name: what must be the same where another split of it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transferbound.data.declared import files_by_split, names_of_classes, parsed_label_map
from transferbound.errors import ArgumentError

__all__ = ["DataReading"]


@dataclass(frozen=True)
class DataReading:
    """How a data set is read: which split and columns, and how many classes.

    What each field is stands beside its default, and in ``transferbound bound --help``; together they are the
    keywords of :meth:`transferbound.data.labelled.LabelledData.load`.

    Raises:
        ArgumentError: a value that cannot be.
    """

    split: str = field(
        default="train",
        metadata={"help": "Split to finetune on and to bound, or slices of it: train[30000:], train[50%:]."},
    )
    config: str | None = field(
        default=None, metadata={"help": "Configuration of the data set.", "option": "dataset_config"}
    )
    revision: str | None = field(
        default=None,
        metadata={"help": "Commit, tag or branch of the data set.", "option": "dataset_revision"},
    )
    image_column: str | None = field(
        default=None, metadata={"help": "Image column, where it cannot be guessed."}
    )
    text_columns: list[str] | None = field(
        default=None,
        metadata={
            "help": "Text column; give it twice for pairs, more often for texts that are put together line by line.",
            "option": "text_column",
        },
    )
    label_column: str | None = field(
        default=None, metadata={"help": "Label column, where it cannot be guessed."}
    )
    group_column: str | None = field(
        default=None,
        metadata={
            "help": "Column that names the independent unit (patient, document, track): n counts its values."
        },
    )
    num_classes: int | None = field(
        default=None, metadata={"help": "Where the data set does not declare its classes."}
    )
    class_names: str | None = field(
        default=None,
        metadata={
            "help": "All classes of the task, in the order in which they are numbered: where the labels are strings, "
            "or to name those of bare integers. Names with commas: a JSON list.",
            "metavar": "NAME,NAME,...",
        },
    )
    label_map: str | None = field(
        default=None,
        metadata={
            "help": "Names of classes for the labels as they stand in the data: 1=bad,2=bad,3=good. Two labels with "
            "one name are one class; no row is left out. Also a JSON object, or a file of one.",
            "metavar": "OLD=NEW,...",
        },
    )
    data_files: list[str] | None = field(
        default=None,
        metadata={
            "help": "File, or pattern of files, of the data set whose rows are the split train; test=FILE is the split "
            "test. Give it several times for several.",
            "metavar": "[SPLIT=]FILE",
        },
    )
    shuffle_seed: int | None = field(
        default=None,
        metadata={
            "help": "Put the rows of each split in an order that this number gives, before slices are cut: sorted data "
            "is to be shuffled before some of it is taken."
        },
    )
    max_rows: int | None = field(
        default=None,
        metadata={
            "help": "Draw so many rows of the split (groups, with --group-column), by the shuffle seed or else by 0, "
            "before anything is trained; the test split stays whole."
        },
    )
    image_bits: int = field(
        default=8,
        metadata={
            "help": "Bits of a grey value in images of more than 8 bits, which are refused otherwise: 16, or 12 for "
            "many scans; the first 8 of them are read."
        },
    )

    def __post_init__(self) -> None:
        names_of_classes(self.class_names)
        parsed_label_map(self.label_map)
        files_by_split(self.data_files)
        if self.shuffle_seed is not None and not 0 <= self.shuffle_seed < 2**63:
            raise ArgumentError(
                f"--shuffle-seed is {self.shuffle_seed}; it must be 0 or more, and below 2^63"
            )
        if self.max_rows is not None and self.max_rows < 2:
            raise ArgumentError(f"--max-rows is {self.max_rows}; it must be at least 2")
        if not 8 <= self.image_bits <= 16:
            raise ArgumentError(f"--image-bits is {self.image_bits}; it must be 8 to 16")

    @classmethod
    def by_columns(cls, columns: Mapping[str, Any], **others: Any) -> DataReading:
        """Reads the very columns that were read before.

        Args:
            columns: as :attr:`transferbound.data.labelled.LabelledData.columns`, and so a certificate, names them.
            others: the other fields.
        """
        image, text = columns.get("image"), columns.get("text")
        return cls(
            image_column=image[0] if image else None,
            text_columns=text or None,
            label_column=columns["label"],
            group_column=columns["group"],
            **others,
        )
