"""Which files of a folder are published: those of a certificate, and those that an export has written. No others."""

from __future__ import annotations

import hashlib
from pathlib import Path

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.remote import certificate_limit
from transferbound.certificate.schema import EXPORT_FILE
from transferbound.errors import HubError
from transferbound.report.card import CARD_FILE
from transferbound.report.card_check import check_card
from transferbound.storage.files import read_json
from transferbound.verification.recorded import message_problems

__all__ = ["files_to_push"]

_CHUNK = 2**20


def files_to_push(folder: Path, exported: Path | None = None) -> dict[str, Path]:
    """Files by the name that they get in the repository; what both folders have is taken of the export.

    Args:
        folder: a certificate's. If ``transferbound export`` wrote it, its checkpoint is published too.
        exported: what ``transferbound export`` wrote of the same certificate.

    Raises:
        HubError: a card does not agree with its certificate, or the folders are of different certificates.
        CertificateError: there is none.
    """
    certificate = _checked(folder)
    found = _own_files(folder) | _exported_files(folder)
    if exported is None:
        return dict(sorted(found.items()))
    if not (exported / EXPORT_FILE).is_file():
        raise HubError(
            f"{exported} (--exported) has no {EXPORT_FILE}; give a folder that `transferbound export` wrote"
        )
    if _checked(exported) != certificate:
        raise HubError(
            f"{exported} (--exported) is of another certificate than {folder}; export this one again"
        )
    return dict(sorted((found | _own_files(exported) | _exported_files(exported)).items()))


def _checked(folder: Path) -> Certificate:
    """The certificate, whose message is its own and whose card says what it says."""
    certificate = Certificate.from_pretrained(folder)
    remedy = f"`transferbound card {folder}` writes it anew"
    if problems := message_problems(certificate):
        raise HubError(f"{folder} is not published: {problems[0]}")
    if not (folder / CARD_FILE).is_file():
        raise HubError(f"{folder} has no card ({CARD_FILE}), and is not published without; {remedy}")
    if problems := check_card(folder, certificate):
        raise HubError(f"{folder} is not published: {problems[0]}; {remedy}")
    return certificate


def _own_files(folder: Path) -> dict[str, Path]:
    """Those that a certificate's folder may hold, the checkpoint in ``prior`` among them."""
    paths = [*folder.iterdir(), *folder.glob("figures/*"), *folder.glob("prior/*"), *folder.glob("prior/*/*")]
    found = {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}
    files = {}
    for name, path in found.items():
        limit = certificate_limit(name)
        if limit is None:
            continue
        if path.stat().st_size > limit:
            raise HubError(
                f"{path} has {path.stat().st_size:,} bytes; {limit:,} are the most that a reader takes"
            )
        files[name] = path
    return files


def _exported_files(folder: Path) -> dict[str, Path]:
    """Those that ``export.json`` lists, as they were when it was written."""
    if not (folder / EXPORT_FILE).is_file():
        return {}
    said = read_json(folder / EXPORT_FILE, HubError)
    listed = said.get("files") if isinstance(said, dict) else None
    if not isinstance(listed, dict):
        raise HubError(f"{folder / EXPORT_FILE} lists no files; export anew")
    files = {EXPORT_FILE: folder / EXPORT_FILE}
    for name, digest in listed.items():
        path = folder / name
        if (
            not path.resolve().is_relative_to(folder.resolve())
            or not path.is_file()
            or _sha256(path) != digest
        ):
            raise HubError(f"{path} is not what `transferbound export` wrote; export anew")
        files[name] = path
    return files


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            digest.update(part)
    return digest.hexdigest()
