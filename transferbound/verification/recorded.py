"""Prior and data as a certificate records them, wherever they lie now."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, TypeVar

from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.errors import ArgumentError
from transferbound.priors import Prior

__all__ = ["data_as_recorded", "load_as_recorded", "notes_on", "prior_as_recorded", "recorded_corpus"]


def load_as_recorded(content: dict[str, Any], dataset: str | None, split: str) -> LabelledData:
    stated = content["dataset"]
    columns = stated["columns"]
    images = columns.get("image") or [None]
    return LabelledData.load(
        dataset or stated["id"],
        split=split,
        config=stated["config"],
        revision=None if dataset else stated["revision"],
        image_column=images[0],
        text_columns=columns.get("text"),
        label_column=columns["label"],
        group_column=columns["group"],
        num_classes=None if stated["classes_from"] == "features" else len(stated["class_names"]),
    )


def prior_as_recorded(checkpoint: Prior, stated: dict[str, Any]) -> Prior:
    """The checkpoint under its recorded name, with what its recorded card said."""
    named = copy.copy(checkpoint)
    named.name, named.revision = stated["id"], stated["revision"]
    named.provenance, named.licence = stated["provenance"], stated["licence"]
    return named


def recorded_corpus(content: dict[str, Any], elsewhere: str | None) -> Examples | None:
    """The pretraining data from where it is now, under its recorded name; None where it is still there."""
    stated = content["independence"]["checked"]["pretraining_data"]
    if elsewhere is None or (stated is not None and elsewhere == stated.get("id")):
        return None
    if stated is None:
        raise ArgumentError(
            f"pretraining data {elsewhere!r} is given, but the certificate states none; leave it out"
        )
    found = Examples.open(elsewhere, split=str(stated.get("split")))
    return replace(found, name=str(stated.get("id")))


_Data = TypeVar("_Data", LabelledData, None, LabelledData | None)


def data_as_recorded(data: _Data, stated: dict[str, Any]) -> _Data:
    if data is None:
        return data
    named = copy.copy(data)
    for here, there in (("name", "id"), ("revision", "revision"), ("config", "config")):
        object.__setattr__(named, here, stated[there])
    return named


def notes_on(
    checkpoint: Prior, content: dict[str, Any], prior_elsewhere: bool, data_elsewhere: bool
) -> list[str]:
    """What was taken on the certificate's word."""
    notes = []
    if prior_elsewhere:
        notes.append(
            f"the checkpoint was read from {checkpoint.name}; that {content['prior']['id']} holds the same "
            "tensors was not checked"
        )
        if checkpoint.provenance != content["prior"]["provenance"]:
            notes.append("the card of that checkpoint says other things than prior.provenance")
    if data_elsewhere:
        notes.append(
            f"the data was read from another place; that {content['dataset']['id']} holds the same rows was "
            "not checked"
        )
    return notes
