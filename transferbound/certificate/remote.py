"""``hf://OWNER/NAME[@REVISION]``: a certificate on the Hub, as a folder of the local Hub cache.

Only the files of a certificate are fetched, and only up to their limits: their sizes are asked for before anything is
downloaded. What is in them is checked as any certificate's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from transferbound.certificate.certificate import CERTIFICATE_FILE
from transferbound.certificate.schema import EXPORT_FILE, MESSAGE_FILE
from transferbound.errors import CertificateError
from transferbound.message.stream import MAX_BYTES
from transferbound.storage.files import MAX_JSON_BYTES

__all__ = ["SCHEME", "certificate_folder", "certificate_limit"]

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://(?:models/)?([\w.-]{1,96}/[\w.-]{1,96})(?:@([\w./-]{1,200}))?", re.ASCII)
_LIMITS = {
    CERTIFICATE_FILE: MAX_JSON_BYTES,
    MESSAGE_FILE: MAX_BYTES,
    EXPORT_FILE: MAX_JSON_BYTES,
    "README.md": 2**20,
    "figures/bound.png": 8 * 2**20,
}
_PRIOR = re.compile(
    r"prior/(([0-9]{1,3}_[A-Za-z0-9_-]+/)?[\w-][\w.-]*\.(json|safetensors)"
    r"|[\w-][\w.-]*\.(txt|md|model|spm|codes))",
    re.ASCII,
)
_PRIOR_BYTES, _PRIOR_FILES = 4 * 2**30, 100


def certificate_folder(place: str | os.PathLike[str]) -> Path:
    """The folder that ``place`` names: itself, or what was fetched of ``hf://OWNER/NAME[@REVISION]``.

    Raises:
        CertificateError: nothing like a certificate is there, it is larger than one, or the Hub cannot be reached.
    """
    name = os.fspath(place)
    if not name.startswith(SCHEME):
        return Path(name)
    match = _ADDRESS.fullmatch(name)
    if match is None:
        raise CertificateError(
            f"{name[:200]!r} is no address on the Hub; give hf://OWNER/NAME or hf://OWNER/NAME@REVISION"
        )
    return _fetched(match.group(1), match.group(2), name)


def certificate_limit(path: str) -> int | None:
    """The most bytes of a file that belongs to a certificate, by its path in the folder; None: it does not.

    >>> certificate_limit("offset.bin"), certificate_limit("prior/config.json") is None, certificate_limit("model.py")
    (1048576, False, None)
    """
    return _PRIOR_BYTES if _PRIOR.fullmatch(path) else _LIMITS.get(path)


def _fetched(repo_id: str, revision: str | None, name: str) -> Path:
    try:
        info = HfApi().model_info(repo_id, revision=revision, files_metadata=True)
        sizes = {one.rfilename: int(one.size or 0) for one in info.siblings or ()}
        wanted = _wanted(sizes, name)
        return Path(snapshot_download(repo_id, revision=info.sha, allow_patterns=wanted))
    except OfflineModeIsEnabled:
        return _kept(repo_id, revision, name)
    except RevisionNotFoundError as error:
        raise CertificateError(f"{name} has no revision {revision}") from error
    except RepositoryNotFoundError as error:
        raise CertificateError(
            f"the Hub has no {repo_id} that you may read; `hf auth login` for one that is private"
        ) from error
    except HFValidationError as error:
        raise CertificateError(f"{name} is no address on the Hub: {str(error).splitlines()[0]}") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CertificateError(
            f"{name} cannot be fetched from the Hub: {str(error).splitlines()[0]}"
        ) from error


def _wanted(sizes: Mapping[str, int], name: str) -> list[str]:
    """The files of a certificate among those of a repository.

    Raises:
        CertificateError: it holds none, or one that is too large.
    """
    known = {path: certificate_limit(path) for path in sizes}
    wanted = [path for path, limit in known.items() if limit is not None]
    if CERTIFICATE_FILE not in wanted or MESSAGE_FILE not in wanted:
        raise CertificateError(
            f"{name} holds no certificate: {CERTIFICATE_FILE} and {MESSAGE_FILE} are not both there"
        )
    for path in wanted:
        limit = known[path]
        if limit is not None and sizes[path] > limit:
            raise CertificateError(
                f"{name}: {path} has {sizes[path]:,} bytes; {limit:,} are the most that is read"
            )
    prior = [path for path in wanted if path.startswith("prior/")]
    if sum(sizes[path] for path in prior) > _PRIOR_BYTES or len(prior) > _PRIOR_FILES:
        raise CertificateError(
            f"{name}: the folder prior is larger than {_PRIOR_BYTES // 2**30} GiB or {_PRIOR_FILES} files; fetch it "
            "yourself, and name it with --prior"
        )
    return wanted  # none of their characters has a meaning in a pattern


def _kept(repo_id: str, revision: str | None, name: str) -> Path:
    """What an earlier call has left in the cache."""
    try:
        return Path(
            snapshot_download(repo_id, revision=revision, local_files_only=True, allow_patterns=[*_LIMITS])
        )
    except (LocalEntryNotFoundError, OSError, ValueError) as error:
        raise CertificateError(
            f"{name} is not in the local Hub cache, and HF_HUB_OFFLINE is set; unset it to fetch the certificate"
        ) from error
