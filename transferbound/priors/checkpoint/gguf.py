"""Checkpoints in one GGUF file: read by transformers, and from then on a checkpoint in Hub layout like any other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
import transformers

from transferbound.errors import PriorError
from transferbound.priors.backends.quiet import quiet_transformers
from transferbound.priors.checkpoint.resolve import Checkpoint, resolve
from transferbound.priors.checkpoint.write import write_checkpoint
from transferbound.storage.folders import scratch_folder

__all__ = ["gguf_file", "opened_gguf"]

_CARD = "A checkpoint that was read from a GGUF file.\n"
_CHUNK = 2**20


def gguf_file(name: str) -> Path | None:
    """The file that ``name`` means where it is a GGUF checkpoint: itself, or the only one in a folder without config.

    Raises:
        PriorError: a folder holds several.
    """
    path = Path(name).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        return path
    if not path.is_dir() or (path / "config.json").exists():
        return None
    found = sorted(path.glob("*.gguf"))
    if len(found) > 1:
        listed = ", ".join(one.name for one in found[:8])
        raise PriorError(f"the prior {name} holds several GGUF files ({listed}); name the file itself")
    return found[0] if found else None


@contextmanager
def opened_gguf(path: Path, name: str) -> Iterator[Checkpoint]:
    """The checkpoint in ``path`` under ``name``, its tensors made float32; the files last as long as the context.

    Its fingerprint of files is that of the GGUF file, whole: configuration and tokenizer stand in it.

    Raises:
        PriorError: the package gguf is missing, or the file cannot be read as a causal language model.
    """
    with scratch_folder("transferbound-gguf-") as place:
        folder = place / "prior"
        _convert(path, folder, name)
        checkpoint = resolve(str(folder))
        checkpoint.read.sha256 = {path.name: _sha256(path)}
        # A card lies beside the file.
        yield replace(checkpoint, name=name, source=path.parent, called=(path.name,))


def _convert(path: Path, folder: Path, name: str) -> None:
    try:
        import gguf  # noqa: F401  (transformers reads with it)
    except ImportError as error:
        raise PriorError(
            f"the prior {name} is a GGUF file, which the package gguf reads: pip install 'transferbound[gguf]'"
        ) from error
    try:
        with quiet_transformers():
            where = {"gguf_file": path.name, "local_files_only": True, "trust_remote_code": False}
            tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, **where)
            network = transformers.AutoModelForCausalLM.from_pretrained(
                path.parent, dtype=torch.float32, **where
            )
        config = network.config.to_dict() | {"architectures": [type(network).__name__], "dtype": "float32"}
        for key in ("quantization_config", "_name_or_path"):  # the tensors are float32 now, and lie elsewhere
            config.pop(key, None)
        write_checkpoint(folder, dict(network.named_parameters()), config, _CARD)  # each tied tensor once
        with quiet_transformers():
            tokenizer.save_pretrained(folder)
    except Exception as error:  # a reader of foreign files: whatever it meets, the file is at fault
        reason = str(error).strip().splitlines()
        raise PriorError(
            f"the prior {name} cannot be read as a GGUF language model: {reason[0] if reason else error!r}"
        ) from error


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
