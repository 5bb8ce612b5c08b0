"""Which checkpoint and which rows: what a certificate says of both, so that anyone can find them again."""

from __future__ import annotations

from transferbound.certificate.content import (
    CutContent,
    DatasetContent,
    FilesLeftOutContent,
    ImageColumns,
    PriorContent,
    TextColumns,
)
from transferbound.certificate.language_content import DocumentsContent
from transferbound.data._folder import FilesLeftOut
from transferbound.data.documents import Documents
from transferbound.data.encoded_documents import EncodedDocuments
from transferbound.data.labelled import LabelledData
from transferbound.data.sample import Sample
from transferbound.independence.rows import dependent_rows
from transferbound.priors import Prior

__all__ = ["dataset_content", "documents_content", "prior_content"]

_USUAL_BITS = 8


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
    if data.cut.kind != "whole":
        content["cut"] = _cut(data)
    if data.aside is not None:
        content["set_aside"] = {"units": data.units_aside, "rows": data.aside.n}
    if data.files_left_out is not None:
        content["files_left_out"] = _files_left_out(data.files_left_out)
    if data.label_map is not None:
        content["label_map"] = data.label_map
    if data.data_files is not None:
        content["data_files"] = list(data.data_files)
    if data.shuffle_seed is not None:
        content["shuffle_seed"] = data.shuffle_seed
    if data.draw is not None:
        content["draw"] = {"seed": data.draw.seed, "units": data.draw.units, "of": data.draw.of}
    if data.image_bits != _USUAL_BITS:
        content["image_bits"] = data.image_bits
    return content


def documents_content(data: Documents, encoded: EncodedDocuments) -> DocumentsContent:
    """The documents, and which of them are counted. Raises DataError: a row cannot be read."""
    content: DocumentsContent = {
        "id": data.name,
        "config": data.config,
        "revision": data.revision,
        "split": data.split,
        "sha256": data.fingerprint,
        "rows": data.n,
        "left_out": encoded.left_out,
        "units": encoded.n if encoded.groups is None else int(encoded.groups.max()) + 1,
        "tokens": int(encoded.lengths.sum()),
        "modality": data.modality,
        "columns": {"text": data.columns["text"], "label": None, "group": data.columns["group"]},
        "overlap": dependent_rows(data),
    }
    if data.pool is not None:
        content["pool"] = {"rows": data.pool.rows, "seed": data.pool.seed}
    if data.cut.kind != "whole":
        content["cut"] = _cut(data)
    if data.files_left_out is not None:
        content["files_left_out"] = _files_left_out(data.files_left_out)
    return content


def _cut(data: Sample) -> CutContent:
    cut = data.cut
    return {"kind": cut.kind, "pieces": cut.pieces, "rows_left_out": cut.rows_left_out}


def _files_left_out(found: FilesLeftOut) -> FilesLeftOutContent:
    return {"files": found.files, "left_out": found.left_out}


def _columns(data: LabelledData) -> ImageColumns | TextColumns:
    inputs, label, group = data.columns[data.modality], data.columns["label"], data.columns["group"]
    if data.modality == "image":
        return {"image": inputs, "label": label, "group": group}
    return {"text": inputs, "label": label, "group": group}
