"""The files that a decoder may read beside the weights: copied to a place of their own, and hashed whole.

A list of keys that matter would miss one: the order of an image's channels, the case of a tokenizer. So the libraries
are given these copies and nothing else, and what is hashed is what is read.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import weakref
from pathlib import Path

from transferbound.errors import PriorError
from transferbound.storage.claims import claim_folder
from transferbound.storage.files import check_no_pointer

__all__ = ["ReadFiles"]

_READ = re.compile(
    r"config\.json|(preprocessor|processor|image_processor|tokenizer|sentence_bert)_config\.json|modules\.json"
    r"|tokenizer[\w.-]*\.(json|model|txt)|[\w.-]*vocab[\w.-]*|merges\.txt|[\w.-]+\.(model|spm|codes)"
    r"|special_tokens_map\.json|added_tokens\.json|dict\.txt|[0-9]{1,3}_[A-Za-z0-9_-]+/config\.json"
)
_MOST_BYTES = 64 * 2**20
_MOST_FILES = 64


class ReadFiles:
    """Copies of the files of ``source`` that configure a network and prepare its inputs.

    Args:
        source: a checkpoint's folder, in Hub layout.
        name: the prior's, for errors.

    Attributes:
        folder: where the copies are, as long as this object lives.
        sha256: of each file, by its name relative to the folder.

    Raises:
        PriorError: a file cannot be read, is no regular file, or is larger than 64 MiB; or there are too many.
    """

    def __init__(self, source: Path, name: str) -> None:
        claim = claim_folder(Path(tempfile.gettempdir()), "transferbound-prior-")
        self.folder = claim.path
        weakref.finalize(self, claim.discard)
        self.sha256: dict[str, str] = {}
        paths = sorted(path for path in (*source.glob("*"), *source.glob("*/config.json")))
        read = {str(path.relative_to(source)): path for path in paths}
        read = {inner: path for inner, path in read.items() if _READ.fullmatch(inner) and not path.is_dir()}
        if len(read) > _MOST_FILES:
            raise PriorError(f"the prior {name} has {len(read)} files to read; {_MOST_FILES} are the most")
        for inner, path in read.items():
            data = _bytes(path, inner, name)
            (self.folder / inner).parent.mkdir(exist_ok=True)
            (self.folder / inner).write_bytes(data)
            self.sha256[inner] = hashlib.sha256(data).hexdigest()

    @property
    def fingerprint(self) -> str:
        """One sha256 over the names and hashes of all files."""
        return hashlib.sha256(json.dumps(self.sha256, sort_keys=True).encode()).hexdigest()


def _bytes(path: Path, inner: str, name: str) -> bytes:
    try:
        if not path.is_file():
            raise PriorError(f"the prior {name}: {inner} is no regular file")
        check_no_pointer(path, PriorError)
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise PriorError(f"the prior {name}: {inner} cannot be read ({error.strerror or error})") from error
    if len(data) > _MOST_BYTES:
        raise PriorError(f"the prior {name}: {inner} is larger than {_MOST_BYTES // 2**20} MiB")
    return data
