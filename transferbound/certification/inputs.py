"""Prior and data, found to go together before anything is trained."""

from __future__ import annotations

from transferbound.data.labelled import LabelledData
from transferbound.errors import DataError, PriorError
from transferbound.priors import Prior

__all__ = ["check_modality", "check_together"]


def check_together(
    prior: Prior, data: LabelledData, test: LabelledData | None, part: LabelledData | None
) -> None:
    """Refuses a prior that cannot read the data, and a test split that is no test. Raises TransferboundError."""
    check_modality(prior, data)
    if test is None:
        return
    if test.class_names != data.class_names:
        raise DataError(
            f"the split {test.split} declares the classes {list(test.class_names)[:8]}, the training split "
            f"{list(data.class_names)[:8]}; name another test split, or none"
        )
    for other, what in ((data, "the model is trained on"), (part, "the prior was trained on")):
        if other is not None and (test.name, test.config) == (other.name, other.config):
            shared = other.shared_rows(test)
            if shared:
                raise DataError(
                    f"the test split {test.split} holds the rows {shared[0]}, which {what}; name another, or none"
                )


def check_modality(prior: Prior, data: LabelledData) -> None:
    """Refuse a text model on images and an image model on text.

    Raises:
        PriorError: the two do not go together.
    """
    if prior.modality != data.modality:
        raise PriorError(
            f"the prior {prior.name} reads {prior.modality}s and the data set {data.name} holds "
            f"{data.modality}s (column {data.columns[data.modality][0]}); choose a prior for {data.modality}s"
        )
