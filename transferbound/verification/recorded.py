"""Prior and data as a certificate records them, wherever they lie now."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transferbound.certificate.certificate import CERTIFICATE_FILE, Certificate
from transferbound.certificate.content import Content, PriorContent
from transferbound.certificate.schema import MESSAGE_FILE, PRIOR_BESIDE
from transferbound.data.examples import Examples
from transferbound.data.labelled import DECLARED_BY_NAMES, LabelledData
from transferbound.data.reading import DataReading
from transferbound.data.reference import load_reference, reference_set_aside
from transferbound.errors import ArgumentError, DataError, PriorError
from transferbound.in_memory import is_in_memory, missing_path
from transferbound.independence.reference import SearchedReference, searched_reference, set_aside_reference
from transferbound.priors import Prior
from transferbound.priors.reference import Reference
from transferbound.report.card import CARD_FILE
from transferbound.tasks import CLASSIFICATION
from transferbound.verification.compare import differs
from transferbound.wording import shortened

__all__ = [
    "PRIOR_BESIDE",
    "Places",
    "RecordedRows",
    "as_recorded",
    "is_local",
    "load_corpus",
    "load_own_reference",
    "load_prior",
    "load_rows",
    "load_searched_reference",
    "message_problems",
    "notes_on",
    "other_files",
    "other_than",
    "without_set_aside",
]


_MOST_LISTED = 5


@dataclass(frozen=True)
class Places:
    """Where checkpoint, data and pretraining data are now, or they themselves; None: under their recorded names."""

    prior: Any = None
    dataset: Any = None
    pretraining_data: Any = None
    reference: Any = None

    def beside(self, folder: Path, content: Content) -> Places:
        """With what lies beside a certificate, unless another place is named: the checkpoint in the folder ``prior``,
        and what the certificate calls by a relative path that leads nowhere from here."""
        own = folder / PRIOR_BESIDE
        if self.prior is None and own.is_dir():
            return replace(self, prior=str(own)).beside(folder, content)
        corpus = content["independence"]["checked"]["pretraining_data"]
        stated = content["decoder"].get("reference", {})
        names = {
            "prior": None if content["prior"]["revision"] else content["prior"]["id"],
            "dataset": None if content["dataset"]["revision"] else content["dataset"]["id"],
            "pretraining_data": None if corpus is None else corpus["id"],
            "reference": stated["id"] if "split" in stated else None,
        }
        found = {key: _beside(folder, name) for key, name in names.items() if getattr(self, key) is None}
        return replace(self, **found)

    def elsewhere(self, content: Content) -> Places:
        """Without those that are the recorded names.

        Raises:
            ArgumentError: a place of pretraining data, and the certificate states none.
        """
        corpus = content["independence"]["checked"]["pretraining_data"]
        if self.pretraining_data is not None and corpus is None:
            raise ArgumentError(
                f"pretraining data {self.pretraining_data!r} is given, but the certificate states none; leave it out"
            )
        stated = content["decoder"].get("reference")
        own = stated is not None and "split" in stated
        if self.reference is not None and not own:
            raise ArgumentError(
                f"reference inputs {self.reference!r} are given, but the certificate states none of that kind; leave "
                "them out"
            )
        return Places(
            reference=None if stated is None else other_than(self.reference, stated["id"]),
            prior=other_than(self.prior, content["prior"]["id"]),
            dataset=other_than(self.dataset, content["dataset"]["id"]),
            pretraining_data=None if corpus is None else other_than(self.pretraining_data, corpus["id"]),
        )


def other_than(place: Any, recorded: str) -> Any:
    """``place``, a path as a string; None where it is the recorded name."""
    if isinstance(place, os.PathLike) and missing_path(place) is None:
        place = os.fspath(place)
    return None if isinstance(place, str) and place == recorded else place


def _beside(folder: Path, name: str | None) -> str | None:
    """Where a relative path leads from a certificate, if it leads nowhere from here."""
    try:
        if not name or Path(name).is_absolute() or name.startswith("~") or Path(name).exists():
            return None
        return next((str(place / name) for place in (folder, folder / "..") if (place / name).exists()), None)
    except (OSError, ValueError):  # a name that no file can have
        return None


@dataclass(frozen=True)
class RecordedRows:
    """The splits that a certificate names, under the data set's recorded name."""

    data: LabelledData
    test: LabelledData | None
    prior_split: LabelledData | None


def message_problems(certificate: Certificate) -> list[str]:
    """Whether the message is the one that the certificate names: a line that says what differs, or none."""
    stated, message = certificate.content["message"], certificate.message
    digest = hashlib.sha256(message).hexdigest()
    if digest == stated["sha256"]:
        return []
    if 8 * len(message) != stated["file_bits"]:
        return [f"offset.bin has {8 * len(message)} bits, message.file_bits says {stated['file_bits']}"]
    return [differs("message.sha256", stated["sha256"], digest)]


def load_prior(stated: PriorContent, elsewhere: Any, task: str = CLASSIFICATION) -> Prior:
    """The checkpoint as it is found, under its own name.

    Raises:
        PriorError: it cannot be had; with the option that says where it is. Or it was opened for another task.
    """
    if elsewhere is not None:
        found = Prior.of(elsewhere, task=task)
        if found.task != task:
            raise PriorError(
                f"the prior {found.name} was opened for {found.task}; open it with task={task!r}"
            )
        return found
    try:
        return Prior.from_pretrained(stated["id"], revision=stated["revision"], task=task)
    except PriorError as error:
        raise PriorError(
            f"{error}; name where the certificate's checkpoint is now with prior (--prior)"
        ) from error


def load_rows(content: Content, elsewhere: Any) -> RecordedRows:
    test, part = content["evaluation"]["test"], content["independence"]["prior_split"]
    return RecordedRows(
        data=load_counted(content, elsewhere),
        test=None if test is None else _load_split(content, elsewhere, test["split"]),
        prior_split=None if part is None else _load_split(content, elsewhere, part["split"]),
    )


def load_counted(content: Content, elsewhere: Any) -> LabelledData:
    """The training rows; those that a certificate states to be set aside are taken away."""
    return without_set_aside(_load_split(content, elsewhere, content["dataset"]["split"]), content)


def without_set_aside(data: LabelledData, content: Content) -> LabelledData:
    """The rows that are counted: those that a certificate states to be set aside are taken away, unless they are.

    Raises:
        ArgumentError: it states a number of units that cannot be.
    """
    stated = content["dataset"].get("set_aside")
    return (
        data if stated is None or data.units_aside == stated["units"] else data.setting_aside(stated["units"])
    )


def _load_split(content: Content, elsewhere: Any, split: str) -> LabelledData:
    stated = content["dataset"]
    config = stated["config"]
    if elsewhere is None:
        try:
            return _load(content, stated["id"], split, config, stated["revision"])
        except DataError as error:
            raise DataError(
                f"{error}; name where the certificate's data set is now with dataset (--dataset)"
            ) from error
    try:
        found = _load(content, elsewhere, split, config, None)
    except DataError:
        # A local folder or file may hold that one configuration alone, and know nothing of its name on the Hub.
        if config is None or not is_local(elsewhere):
            raise
        found = _load(content, elsewhere, split, None, None)
    return found.under_name(stated["id"], config=config, revision=stated["revision"])


def is_local(place: Any) -> bool:
    """Whether it is an object, or a path that leads somewhere."""
    return not isinstance(place, str | os.PathLike) or Path(place).exists()


def _load(content: Content, data: Any, split: str, config: str | None, revision: str | None) -> LabelledData:
    """A split read as the certificate says; of the training rows those that were drawn."""
    stated = content["dataset"]
    draw = stated.get("draw") if split == stated["split"] else None
    reading = DataReading.by_columns(
        stated["columns"],
        split=split,
        config=config,
        revision=revision,
        num_classes=len(stated["class_names"]) if stated["classes_from"] == "user" else None,
        class_names=json.dumps(stated["class_names"])
        if stated["classes_from"] in DECLARED_BY_NAMES
        else None,
        label_map=json.dumps(stated["label_map"]) if "label_map" in stated else None,
        data_files=stated.get("data_files"),
        shuffle_seed=stated.get("shuffle_seed"),
        max_rows=None if draw is None else draw["units"],
        image_bits=stated.get("image_bits", 8),
    )
    return LabelledData.load(data, **vars(reading))


def load_corpus(content: Content, elsewhere: Any) -> Examples | None:
    """The pretraining data from where it is now, under its recorded name; None where it is still there."""
    stated = content["independence"]["checked"]["pretraining_data"]
    if stated is None or elsewhere is None:
        return None
    return Examples.open(elsewhere, split=stated["split"]).under_name(stated["id"])


def load_searched_reference(content: Content, elsewhere: Any, data: LabelledData) -> SearchedReference | None:
    """Rows set aside, or the user's own inputs under their recorded name, searched again; None for the default ones."""
    if data.aside is not None:
        return set_aside_reference(data)
    stated = content["decoder"].get("reference")
    named = load_own_reference(content, elsewhere, data.modality)
    if named is None or stated is None:
        return None
    split = stated["split"]
    return searched_reference(named, data, split=split, override=content["independence"]["override"])


def load_own_reference(
    content: Content, elsewhere: Any, modality: str, dataset: Any = None
) -> Reference | None:
    """The reference inputs that a predictor needs and this package does not hold.

    Args:
        content: of the certificate.
        elsewhere: where the user's own inputs are now; None: under their recorded name.
        modality: what the checkpoint reads.
        dataset: where the data set is now, of which rows are set aside; None: under its recorded name.

    Returns:
        The user's own, under their recorded name, or rows set aside; None where the default ones, or none, are stated.
    """
    stated = content["decoder"].get("reference")
    if stated is not None and "set_aside" in content["dataset"]:
        return reference_set_aside(load_counted(content, dataset))
    if stated is None or "split" not in stated:
        return None
    found = load_reference(
        stated["id"] if elsewhere is None else elsewhere, modality=modality, split=stated["split"]
    )
    return replace(found, name=stated["id"])


def notes_on(content: Content, checkpoint: Prior, places: Places) -> list[str]:
    """What was taken on the certificate's word."""
    notes = [
        f"the {what} given in memory when the certificate was made: nothing tells whether {untold}"
        for what, untold, name in (
            ("checkpoint was", "it was trained after it was loaded", content["prior"]["id"]),
            ("data was", "rows were left out before", content["dataset"]["id"]),
        )
        if is_in_memory(name)
    ]
    if places.prior is not None and not is_in_memory(content["prior"]["id"]):
        notes.append(
            f"the checkpoint was read from {checkpoint.name}; that {content['prior']['id']} holds the same "
            "tensors was not checked"
        )
    if places.prior is not None and checkpoint.provenance != content["prior"]["provenance"]:
        notes.append("the card of that checkpoint says other things than prior.provenance")
    if places.dataset is not None and not is_in_memory(content["dataset"]["id"]):
        notes.append(
            f"the data was read from another place; that {content['dataset']['id']} holds the same rows was "
            "not checked"
        )
    if places.reference is not None:
        notes.append(
            f"the reference inputs were read from another place; that {content['decoder']['reference']['id']} holds "
            "the same rows was not checked"
        )
    corpus = content["independence"]["checked"]["pretraining_data"]
    if places.pretraining_data is not None and corpus is not None:
        notes.append(
            f"the pretraining data was read from another place; that {corpus['id']} holds the same rows was not "
            "checked"
        )
    return notes


def as_recorded(checkpoint: Prior, stated: PriorContent) -> Prior:
    """The checkpoint under its recorded name, with what its recorded card said."""
    return checkpoint.under_name(stated["id"], stated["revision"], stated["provenance"])


def other_files(folder: Path | None) -> list[str]:
    """A note where a folder holds more than a certificate: weights, say, that anybody can have put there."""
    if folder is None:
        return ["the certificate was given in memory: there is no card to compare with it"]
    own = {CERTIFICATE_FILE, MESSAGE_FILE, CARD_FILE, "figures", PRIOR_BESIDE}
    others = sorted(path.name for path in folder.iterdir() if path.name not in own)
    if not others:
        return []
    listed = ", ".join(shortened(name, 60) for name in others[:_MOST_LISTED])
    more = f" and {len(others) - _MOST_LISTED:,} more" if len(others) > _MOST_LISTED else ""
    return [
        f"the folder also holds {listed}{more}, of which nothing was checked: what holds is about the checkpoint moved "
        "by offset.bin, and not about an exported model beside it"
    ]
