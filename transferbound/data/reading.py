"""How a data set is read, apart from its name: what must be the same where another split of it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["DataReading"]


@dataclass(frozen=True)
class DataReading:
    """How a data set is read: which split and columns, and how many classes.

    What each field is stands beside its default, and in ``transferbound bound --help``; together they are the
    keywords of :meth:`transferbound.data.labelled.LabelledData.load`.
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
        metadata={"help": "Text column; give it twice for sentence pairs.", "option": "text_column"},
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
