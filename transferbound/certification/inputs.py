"""What a certificate is made from: prior and data, found to go together before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from transferbound.data.labelled import LabelledData
from transferbound.errors import ArgumentError, DataError, PriorError
from transferbound.independence.check import check_independence
from transferbound.independence.record import IndependenceRecord
from transferbound.independence.reference import SearchedReference, searched_reference, set_aside_reference
from transferbound.priors import Prior
from transferbound.tasks import CLASSIFICATION

__all__ = ["Inputs", "check_modality"]


@dataclass(frozen=True)
class Inputs:
    """Prior and data, loaded and checked once for all that is done with them. Make them with :meth:`resolve`.

    Attributes:
        prior: the checkpoint.
        data: the training examples; rows that it has set aside are the reference inputs.
        test: examples for reporting only, or None.
        reference: inputs, not the training data, of which components are taken; None: the default ones.
        independence: the record of :func:`transferbound.independence.check.check_independence`.
        check: makes that record of other rows of the same data set.
    """

    prior: Prior
    data: LabelledData
    test: LabelledData | None
    independence: IndependenceRecord = field(repr=False)
    reference: SearchedReference | None = None
    check: Callable[[LabelledData], IndependenceRecord] | None = field(default=None, repr=False)

    def on_all_rows(self) -> Inputs:
        """The same with the rows that were set aside among the training examples, and no reference inputs."""
        whole = self.data.whole
        if whole is None or self.check is None:
            return self
        return replace(self, data=whole, independence=self.check(whole), reference=None)

    @classmethod
    def resolve(
        cls,
        prior: Any,
        data: Any,
        *,
        test: LabelledData | None = None,
        pretraining: Any = None,
        prior_split: LabelledData | str | None = None,
        reference: Any = None,
        reference_split: str = "train",
        allow_dependence: bool = False,
    ) -> Inputs:
        """Loads what is given by name, and refuses what does not go together.

        Args:
            prior, data, test, pretraining, prior_split, reference, reference_split, allow_dependence: as for
                :func:`transferbound.certification.certify.certify`.

        Raises:
            PriorError, DataError: one of them is unknown or malformed; the prior reads the other modality; the test
                split has other classes, or rows that were trained on.
            ArgumentError: reference inputs are named, and rows are set aside too.
            PriorIndependenceError, ArgumentError: as :func:`transferbound.independence.check.check_independence`.
        """
        prior = Prior.of(prior, task=CLASSIFICATION)
        data = data if isinstance(data, LabelledData) else LabelledData.load(data, modality=prior.modality)
        part = data.other_split(prior_split) if isinstance(prior_split, str) else prior_split
        check_modality(prior, data)
        if test is not None:
            _check_test(test, data, part)
        check = partial(
            check_independence,
            prior,
            pretraining_data=pretraining,
            override=allow_dependence,
            prior_split=part,
        )
        independence = check(data)
        searched = set_aside_reference(data)
        if reference is not None and searched is not None:
            raise ArgumentError(
                f"set-aside is {data.units_aside} and reference inputs are named too; one of the two gives components: "
                "name no reference, or set 0 aside"
            )
        if reference is not None:
            searched = searched_reference(reference, data, split=reference_split, override=allow_dependence)
        return cls(prior, data, test, independence, searched, check)


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


def _check_test(test: LabelledData, data: LabelledData, part: LabelledData | None) -> None:
    """Refuses a test split that is no test. Raises DataError."""
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
