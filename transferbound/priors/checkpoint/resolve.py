"""From the name of a checkpoint to a local folder in Hub layout and the commit it stands for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from transferbound.errors import PriorError
from transferbound.in_memory import is_in_memory, missing_path
from transferbound.priors.checkpoint.json_files import read_object
from transferbound.priors.checkpoint.reading import ReadFiles
from transferbound.priors.checkpoint.strangers import check_no_adapter, no_config
from transferbound.priors.checkpoint.weights import weight_files

__all__ = ["Checkpoint", "open_folder", "resolve"]

# Everything a checkpoint needs but its weights; never a .py file.
_TEXT_FILES = ["*.json", "*.txt", "*.md", "*.model", "*/config.json"]
# The dense layers of a sentence-transformers checkpoint, with their weights.
_DENSE = "*_Dense/*"
# Tried in turn until there are weights: one set is enough, and a repository may hold many.
_WEIGHTS = (
    ["model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json", _DENSE],
    ["pytorch_model*.bin", "pytorch_model.bin.index.json", _DENSE],
    ["*.safetensors", "*.pth"],
)
# Weights of other frameworks, optimizer states and duplicates that no prior reads.
_IGNORED = ["onnx/*", "openvino/*", "*.h5", "*.msgpack", "*.ot", "coreml/*", "optimizer*", "training_args*"]
_COMMIT = re.compile(r"^[0-9a-f]{40}$")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk.

    Attributes:
        name: what the user called it.
        source: its folder, in Hub layout: weights and card.
        read: copies of all else that is read of it, with their hashes.
        revision: a commit of the Hub, where one is known.
        config: ``config.json``.
        weights: the files of its tensors.
        called: names of the files that those were made from, where they are not the checkpoint's own.
    """

    name: str
    source: Path
    read: ReadFiles
    revision: str | None
    config: dict[str, Any]
    weights: tuple[Path, ...]
    called: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the libraries read configuration, tokenizer and processor."""
        return self.read.folder

    @property
    def is_timm(self) -> bool:
        """Whether timm, and not transformers, reads it."""
        return "architecture" in self.config and self.config.get("model_type") in (None, "timm_wrapper")

    @property
    def model_class(self) -> str:
        """The transformers class that it was written by, as its config says, or ""."""
        named = self.config.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else ""


def open_folder(folder: Path, name: str) -> Checkpoint:
    """The checkpoint in a local folder, called ``name``. Raises PriorError, as :func:`resolve`."""
    return _open(name, folder, None, ())


def resolve(name: str | os.PathLike[str], revision: str | None = None) -> Checkpoint:
    """Find or download the checkpoint ``name``.

    ``name`` is ``timm/NAME`` or ``timm:NAME`` (a timm model; without a tag, timm's default one), a Hub
    id, a local folder in Hub layout, or a weight file with a ``config.json`` beside it.

    Raises:
        PriorError: nothing of that name, no ``config.json``, no weights, or code in the checkpoint.
    """
    if (missing := missing_path(name)) is not None:
        raise PriorError(f"the prior {missing} is a path, and nothing is there; give a Hub id as a string")
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if isinstance(name, str) and is_in_memory(name):
        raise PriorError(
            f"the prior {name!r} was given in memory, and no name leads to it: give the model again, or the folder "
            "that its save_pretrained wrote"
        )
    if not isinstance(name, str) or not name.strip():
        raise PriorError(f"the prior's name is {name!r}; give timm/NAME, a Hub id or a local folder")
    path = Path(name).expanduser()
    if path.exists():
        if revision is not None:
            raise PriorError(
                f"--revision {revision} was given, but the prior {name} is a local path; leave it out"
            )
        folder, files = (path, ()) if path.is_dir() else (path.parent, (path,))
        return _open(name, folder, None, files)
    folder = _download(_hub_id(name), name, revision)
    commit = folder.name if _COMMIT.match(folder.name) else revision
    return _open(name, folder, commit, ())


def _open(name: str, folder: Path, revision: str | None, files: tuple[Path, ...]) -> Checkpoint:
    check_no_adapter(folder, name)
    if not (folder / "config.json").is_file():
        raise no_config(folder, name)
    read = ReadFiles(folder, name)
    config = read_object(read.folder / "config.json", name)
    for remote in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        found = config if remote == "config.json" else read_object(read.folder / remote, name)
        if "auto_map" in found or "custom_pipelines" in found:
            raise PriorError(
                f"the prior {name} needs remote code ({remote} has an auto_map entry), and transferbound "
                "runs none; choose a checkpoint whose architecture is part of timm or transformers"
            )
    files = files or weight_files(folder)
    if not files:
        raise PriorError(
            f"the prior {name} has no weights in {folder}: expected model.safetensors, "
            "pytorch_model.bin or a .pth file"
        )
    return Checkpoint(name, folder, read, revision, config, files)


def _hub_id(name: str) -> str:
    """``timm:NAME`` and ``timm/NAME`` to the Hub repository that timm itself names for it."""
    match = re.match(r"^timm[:/](.+)$", name)
    if match is None:
        return name
    from timm.models import get_pretrained_cfg, is_model, list_models

    bare = match.group(1)
    architecture = bare.split(".", 1)[0]
    if not is_model(architecture):
        near = ", ".join(list_models(f"*{architecture[:8]}*")[:5])
        hint = f"; timm has {near}" if near else ""
        raise PriorError(f"unknown prior {name}: timm has no architecture {architecture!r}{hint}")
    try:
        config = get_pretrained_cfg(bare, allow_unregistered=False)
    except RuntimeError as error:
        raise PriorError(f"unknown prior {name}: {error}") from error
    if config is None or not config.hf_hub_id:
        raise PriorError(f"the prior {name} has no pretrained weights on the Hub; choose another timm model")
    return str(config.hf_hub_id)


def _download(repo_id: str, name: str, revision: str | None) -> Path:
    """Snapshot of the repository in the Hub cache: metadata and one set of weights."""
    try:
        for weights in _WEIGHTS:
            folder = _snapshot(repo_id, revision, _TEXT_FILES + weights)
            if weight_files(folder):
                break
    except HFValidationError as error:
        raise PriorError(
            f"unknown prior {name}: no such local folder, and not a Hub id (OWNER/NAME) either"
        ) from error
    except RevisionNotFoundError as error:
        raise PriorError(f"the prior {name} has no revision {revision}") from error
    except LocalEntryNotFoundError as error:
        at = f" at revision {revision}" if revision else ""
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the Hub cannot be reached"
        raise PriorError(
            f"unknown prior {name}: no such local folder, {repo_id}{at} is not in the local Hub cache, "
            f"and {why}"
        ) from error
    except RepositoryNotFoundError as error:
        raise PriorError(f"unknown prior {name}: the Hub has no model {repo_id} that you may read") from error
    except (EntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise PriorError(f"the prior {name} cannot be downloaded from the Hub: {error}") from error
    return folder


def _snapshot(repo_id: str, revision: str | None, patterns: list[str]) -> Path:
    return Path(
        snapshot_download(repo_id, revision=revision, allow_patterns=patterns, ignore_patterns=_IGNORED)
    )
