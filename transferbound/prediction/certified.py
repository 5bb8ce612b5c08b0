"""From a certificate to the predictor that it is about: checkpoint and reference inputs found, held to it, decoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.content import Content
from transferbound.certificate.language_content import is_language
from transferbound.errors import CertificateError, DataError, MessageError, PriorError
from transferbound.predictor import DecodedPredictor, decode_predictor
from transferbound.priors import Prior
from transferbound.priors.components import FAMILY
from transferbound.priors.components.basis import reference_of
from transferbound.priors.reference import Reference
from transferbound.verification.compare import compare, differs
from transferbound.verification.recorded import Places, load_own_reference, load_prior, message_problems

__all__ = ["certified_predictor", "decoded_with_prior"]


def certified_predictor(
    certificate: Certificate,
    folder: Path | None,
    prior: Any,
    reference: Any,
    dataset: Any = None,
) -> DecodedPredictor:
    """Decodes the certificate's message against what it names.

    Args:
        certificate: its form is checked already.
        folder: where it lies, and its checkpoint perhaps beside it.
        prior, reference, dataset: the checkpoint, or where it, the reference inputs, and the data set of which rows
            are set aside, are now.

    Raises:
        MessageError: the message is another, or does not decode.
        PriorError: the checkpoint cannot be had, or is another.
        DataError: the reference inputs cannot be had, or are others.
        CertificateError: it is about a language model; or what it states of its decoder is not what the message says.
        ArgumentError: reference inputs are named, and the certificate states none.
    """
    return decoded_with_prior(certificate, folder, prior, reference, dataset)[2]


def decoded_with_prior(
    certificate: Certificate,
    folder: Path | None,
    prior: Any,
    reference: Any,
    dataset: Any = None,
) -> tuple[Prior, Reference | None, DecodedPredictor]:
    """:func:`certified_predictor`, with the checkpoint and the reference inputs that it was decoded against."""
    content = certificate.content
    if is_language(content):
        raise CertificateError(
            "the certificate is about a language model, which names no class: there is no label to predict. "
            "`transferbound verify` scores its documents anew"
        )
    problems = message_problems(certificate)
    if problems:
        raise MessageError(f"{problems[0]}: offset.bin is not this certificate's; get both files again")
    checkpoint, own = _found(content, folder, prior, Places(reference=reference, dataset=dataset))
    _check_prior(content, checkpoint)
    _check_reference(content, checkpoint, own)
    names = content["dataset"]["class_names"]
    if len(set(names)) < len(names):
        raise CertificateError("dataset.class_names has a name twice, so labels cannot be told apart by name")
    decoded = decode_predictor(
        checkpoint,
        len(names),
        certificate.message,
        class_names=names,
        candidates=content["decoder"]["candidates"],
        reference=own,
    )
    _check_decoder(content, decoded)
    return checkpoint, own, decoded


def _found(
    content: Content, folder: Path | None, prior: Any, places: Places
) -> tuple[Prior, Reference | None]:
    """The checkpoint and the reference inputs, where the certificate states others than the default ones."""
    places = replace(places, prior=prior)
    if folder is not None:
        places = places.beside(folder, content)
    places = places.elsewhere(content)
    modality = content["dataset"]["modality"]
    checkpoint = load_prior(content["prior"], places.prior)
    try:
        return checkpoint, load_own_reference(content, places.reference, modality, places.dataset)
    except DataError as error:
        if (places.reference, places.dataset) != (None, None) or "set_aside" in content["dataset"]:
            raise
        raise DataError(f"{error}; name where the certificate's {_option(content)}") from error


def _option(content: Content) -> str:
    """By which the place of reference inputs is named."""
    if "set_aside" in content["dataset"]:
        return "data set, of which they are rows, is now with dataset (--dataset)"
    return "reference inputs are now with reference (--reference)"


def _check_prior(content: Content, checkpoint: Prior) -> None:
    """Tensors, and every file that the checkpoint's preprocessing is read of."""
    stated = content["prior"]
    remedy = f"name a copy of {stated['id']} with prior (--prior)"
    if stated["revision"] is not None:
        remedy += f", of revision {stated['revision']}"
    if checkpoint.fingerprint != stated["sha256"]:
        what = differs("prior.sha256", stated["sha256"], checkpoint.fingerprint)
        raise PriorError(f"the prior {checkpoint.name} is not the certificate's checkpoint: {what}; {remedy}")
    names = sorted({*stated["files"], *checkpoint.files})
    others = [name for name in names if stated["files"].get(name) != checkpoint.files.get(name)]
    if others:
        raise PriorError(
            f"the prior {checkpoint.name} has the certificate's tensors, but {', '.join(others[:8])} beside them "
            f"differs from what prior.files states: it may read its inputs otherwise; {remedy}"
        )


def _check_reference(content: Content, checkpoint: Prior, own: Reference | None) -> None:
    """The inputs that components are taken of; the default ones are those of this release."""
    stated, features = content["decoder"].get("reference"), content["decoder"].get("features", 0)
    if stated is None:
        return
    if not 0 <= features < len(FAMILY[checkpoint.modality]):
        raise CertificateError(f"decoder.features is {features}, a place that is on no list")
    used = reference_of(checkpoint, features, own)
    found = {"id": used.name, "sha256": used.fingerprint, "rows": len(used.rows)}
    problems = compare({key: stated[key] for key in ("id", "sha256", "rows")}, found, "decoder.reference")
    if problems:
        remedy = (
            "use the release of transferbound that unverified.versions names"
            if own is None
            else f"name where the certificate's {_option(content)}"
        )
        raise DataError(
            f"the reference inputs {used.name} are not the certificate's: {problems[0]}; {remedy}"
        )


def _check_decoder(content: Content, decoded: DecodedPredictor) -> None:
    """The fields that this room has relied on, and the preprocessing as this release and its libraries do it."""
    stated, header = content["decoder"], decoded.header
    said: dict[str, object] = {"kind": header.kind}
    if header.kind == "sparse":
        said |= {"features": header.features, "components": header.components}
    problems = compare({key: stated.get(key) for key in said}, said, "decoder")
    if not problems and ("reference" in stated) != (header.kind == "sparse" and header.components > 0):
        problems = ["decoder.reference is not what the message needs"]
    if problems:
        raise CertificateError(f"{problems[0]}: the certificate contradicts its message; `verify` says more")
    problems = compare(stated["preprocessing"], decoded.preprocessing.to_dict(), "decoder.preprocessing")
    if problems:
        raise CertificateError(f"{problems[0]}: inputs would be read otherwise than they were certified")
