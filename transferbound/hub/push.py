"""``push``: certificate, message, card and, where there is one, the exported model, in one commit on the Hub."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
)

from transferbound.certificate.certificate import Certificate
from transferbound.errors import ArgumentError, HubError
from transferbound.hub.listing import files_to_push
from transferbound.report.card import write_card
from transferbound.storage.folders import scratch_folder

__all__ = ["Pushed", "push", "push_certificate"]

_REPO_ID = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", re.ASCII)
_FORBIDDEN = (401, 403)


@dataclass(frozen=True)
class Pushed:
    """What was, or would be, published.

    Attributes:
        repo_id: of the repository.
        files: sizes in bytes by the names in it.
        url: of the commit; None for a dry run.
    """

    repo_id: str
    files: dict[str, int]
    url: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {"repo_id": self.repo_id, "files": self.files, "url": self.url}


def push(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    exported: str | os.PathLike[str] | None = None,
    private: bool = False,
    revision: str | None = None,
    dry_run: bool = False,
) -> Pushed:
    """Publishes a certificate's folder in one commit: the files of the certificate and of its export, and no others.

    Args:
        folder: what ``transferbound bound`` or ``transferbound export`` wrote.
        repo_id: ``OWNER/NAME``; the repository is made if there is none.
        exported: what ``transferbound export`` wrote of the same certificate, to be published with it.
        private: make a new repository that others cannot see; one that is there stays as it is.
        revision: the branch, which is made if there is none; None: the main one.
        dry_run: only say what would be published; nothing is sent.

    Raises:
        CertificateError: there is no certificate in the folder.
        HubError: its card does not agree with it, or the Hub cannot be reached or refuses.
        ArgumentError: ``repo_id`` is none.
    """
    files = files_to_push(Path(folder), None if exported is None else Path(exported))
    sizes = {name: path.stat().st_size for name, path in files.items()}
    _check_repo_id(repo_id)
    if dry_run:
        return Pushed(repo_id, sizes, None)
    certificate = Certificate.from_pretrained(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the library's own workings
            url = _committed(repo_id, files, _subject(certificate), private=private, revision=revision)
    # RuntimeError: what the library makes of a file whose upload broke off
    except (HfHubHTTPError, OfflineModeIsEnabled, ValueError, RuntimeError, OSError) as error:
        raise HubError(f"{repo_id} was not published: {_reason(error)}") from error
    return Pushed(repo_id, sizes, url)


def _committed(
    repo_id: str, files: dict[str, Path], subject: str, *, private: bool, revision: str | None
) -> str:
    """Makes repository and branch where there are none, and the commit; gives its address."""
    api = HfApi(library_name="transferbound")
    api.create_repo(repo_id, private=True if private else None, exist_ok=True)
    if revision is not None:
        api.create_branch(repo_id, branch=revision, exist_ok=True)
    operations = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
    # One commit: a reader sees certificate, message and card that belong together, or none of them.
    made = api.create_commit(repo_id, operations, commit_message=subject, revision=revision)
    return str(made.commit_url)


def push_certificate(certificate: Certificate, repo_id: str, **how: Any) -> Pushed:
    """:func:`push` for a certificate in memory: its folder is written, with its card, and published.

    Args:
        certificate: what is published.
        repo_id, how: as for :func:`push`.

    Raises:
        TransferboundError: as :func:`push`.
    """
    with scratch_folder("transferbound-push-") as scratch:
        folder = scratch / "certificate"
        certificate.save_pretrained(folder, lambda partial: write_card(partial, certificate))
        return push(folder, repo_id, **how)


def _check_repo_id(repo_id: str) -> None:
    if not _REPO_ID.fullmatch(repo_id):
        raise ArgumentError(f"REPO_ID is {repo_id[:100]!r}; give OWNER/NAME, of letters, digits, -, _ and .")


def _subject(certificate: Certificate) -> str:
    """Of the commit. A certificate's own words may hold names of others, which have no place there."""
    return f"Certificate {certificate.content['message']['sha256'][:12]}"


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it to publish"
    if isinstance(error, LocalTokenNotFoundError):
        return "you are not logged in; `hf auth login`, or set HF_TOKEN"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in _FORBIDDEN:
        return f"the Hub says {status}: `hf auth login` with a token that may write there, or set HF_TOKEN"
    return lines[0][:300]
