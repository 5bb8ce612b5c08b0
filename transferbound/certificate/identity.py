"""Which checkpoint and which rows: what a certificate says of both, so that anyone can find them again."""

from __future__ import annotations

from transferbound.certificate.content import DatasetContent, ImageColumns, PriorContent, TextColumns
from transferbound.data.labelled import LabelledData
from transferbound.independence.rows import dependent_rows
from transferbound.priors import Prior

__all__ = ["dataset_content", "prior_content"]


def prior_content(prior: Prior) -> PriorContent:
    """The checkpoint, by name and by what was read of it."""
    return {
        "id": prior.name,
        "revision": prior.revision,
        "source": prior.source,
        "modality": prior.modality,
        "architecture": prior.architecture,
        "num_parameters": prior.num_parameters,
        "sha256": prior.fingerprint,
        "files": prior.files,
        "licence": prior.licence,
        "input_size": prior.input_size,
        "unused_tensors": list(prior.unused),
        "provenance": prior.provenance,
    }


def dataset_content(data: LabelledData) -> DatasetContent:
    """Raises DataError: a row cannot be read."""
    content: DatasetContent = {
        "id": data.name,
        "config": data.config,
        "revision": data.revision,
        "split": data.split,
        "sha256": data.fingerprint,
        "rows": data.n,
        "units": data.n_units,
        "modality": data.modality,
        "columns": _columns(data),
        "class_names": list(data.class_names),
        "classes_from": data.classes_from,
        "overlap": dependent_rows(data),
    }
    cut = data.cut
    if cut.kind != "whole":
        content["cut"] = {"kind": cut.kind, "pieces": cut.pieces, "rows_left_out": cut.rows_left_out}
    if data.aside is not None:
        content["set_aside"] = {"units": data.units_aside, "rows": data.aside.n}
    if data.files_left_out is not None:
        content["files_left_out"] = {
            "files": data.files_left_out.files,
            "left_out": data.files_left_out.left_out,
        }
    return content


def _columns(data: LabelledData) -> ImageColumns | TextColumns:
    inputs, label, group = data.columns[data.modality], data.columns["label"], data.columns["group"]
    if data.modality == "image":
        return {"image": inputs, "label": label, "group": group}
    return {"text": inputs, "label": label, "group": group}
