"""``export``: certificate, card and message, and beside them a checkpoint that its own library loads."""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from transferbound.certificate.certificate import CERTIFICATE_FILE, Certificate
from transferbound.certificate.schema import EXPORT_FILE, MESSAGE_FILE
from transferbound.errors import ArgumentError, ExportError
from transferbound.export.card import usage_section
from transferbound.export.check import ALL_ROWS, Checked, check_export
from transferbound.export.registry import chosen, named
from transferbound.export.subject import Subject, subject_of
from transferbound.export.target import Target
from transferbound.prediction.predictor import Predictor
from transferbound.report.card import CARD_FILE, write_card
from transferbound.report.card_check import check_card
from transferbound.storage.files import write_bytes, write_json
from transferbound.storage.folders import check_out, new_folder

__all__ = ["export", "export_predictor", "rows_to_check"]

DEFAULT_ROWS = 64
_MOST_ROWS = 2000


def export(
    certificate: str | os.PathLike[str] | Certificate,
    out: str | os.PathLike[str],
    to: str | None = None,
    *,
    prior: Any = None,
    reference: Any = None,
    dataset: Any = None,
    check: int | str = DEFAULT_ROWS,
) -> Path:
    """Writes the certified predictor as an ordinary checkpoint; see :func:`export_predictor`.

    Args:
        certificate: the folder that ``transferbound bound`` wrote, or what was read of one.
        out, to, check: as for :func:`export_predictor`.
        prior, reference, dataset: as for :meth:`Predictor.from_pretrained`.

    Raises:
        TransferboundError: as :meth:`Predictor.from_pretrained` and :func:`export_predictor`.
    """
    check_out(Path(out))
    rows_to_check(check)
    if to is not None:
        named(to)
    predictor = Predictor.from_pretrained(
        certificate, prior=prior, reference=reference, device="cpu", dataset=dataset
    )
    return export_predictor(predictor, out, to, check=check, dataset=dataset)


def export_predictor(
    predictor: Predictor,
    out: str | os.PathLike[str],
    to: str | None = None,
    *,
    check: int | str = DEFAULT_ROWS,
    dataset: Any = None,
) -> Path:
    """Writes the predictor as an ordinary checkpoint beside its certificate, and asks the library what it makes of it.

    Args:
        predictor: the certified model.
        out: the new folder; must not exist.
        to: ``timm``, ``transformers``, ``sentence-transformers``, ``peft`` or ``onnx``; None: the checkpoint's own
            library where its form can carry the predictor, else onnx.
        check: how many inputs, of those that come with the package, the export and the predictor are both asked;
            ``all``: the certificate's training rows, whose errors are counted.
        dataset: where the training rows are now; None: under their recorded name.

    Returns:
        ``out``.

    Raises:
        ExportError: the form cannot carry the predictor, or what was written answers otherwise: nothing is kept then.
        ArgumentError: ``to`` or ``check`` is not one of these, or a package is missing.
        OutputError: the folder exists, or cannot be written.
        DataError: the training rows cannot be had.
    """
    target_folder = Path(out)
    check_out(target_folder)
    rows = rows_to_check(check)
    subject = subject_of(predictor.certificate, predictor.decoded)
    target = chosen(subject, to)
    with new_folder(target_folder) as partial:
        target.write(subject, partial)
        checked = check_export(target, partial, subject, rows, dataset)
        _write_certificate(partial, subject, target, checked)
    return target_folder


def rows_to_check(check: int | str) -> int:
    """The number of rows, or ``ALL_ROWS``.

    Raises:
        ArgumentError: it is neither a number from 1 to 2,000 nor ``all``.

    >>> rows_to_check("64"), rows_to_check("all")
    (64, 0)
    """
    if check == "all":
        return ALL_ROWS
    try:
        count = int(check)
    except ValueError:
        count = -1
    # Of the inputs that come with the package there are two thousand texts, and a thousand pairs or pictures.
    if isinstance(check, bool) or not 1 <= count <= _MOST_ROWS:
        raise ArgumentError(f"--check is {str(check)[:40]!r}; give a number from 1 to {_MOST_ROWS:,}, or all")
    return count


def _write_certificate(folder: Path, subject: Subject, target: Target, checked: Checked) -> None:
    """Certificate, message and card: the folder is a certificate's, which ``verify`` checks as any other."""
    certificate = subject.certificate
    write_json(folder / CERTIFICATE_FILE, certificate.content)
    write_bytes(folder / MESSAGE_FILE, certificate.message)
    libraries = ("transferbound", "torch", *(name.replace("_", "-") for name in target.packages))
    said: dict[str, Any] = {
        "target": target.name,
        "folded": subject.changed and target.name != "onnx",
        "checked": checked.to_dict(),
        "versions": {name: _version(name) for name in dict.fromkeys(libraries)},
    }
    said["files"] = {  # before certificate and card are there: what the library needs
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (CERTIFICATE_FILE, MESSAGE_FILE, CARD_FILE)
    }
    write_json(folder / EXPORT_FILE, said)
    write_card(folder, certificate, library=target.name, more=usage_section(subject, target, checked))
    if problems := check_card(folder, certificate):
        raise ExportError(f"the card of the export does not agree with its certificate: {problems[0]}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
