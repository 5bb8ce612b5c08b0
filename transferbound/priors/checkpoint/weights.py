"""Reading a checkpoint's tensors, safely, and their fingerprint."""

from __future__ import annotations

import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file

from transferbound.errors import PriorError
from transferbound.priors.checkpoint.json_files import read_object
from transferbound.storage.files import check_no_pointer

__all__ = ["fingerprint", "read_tensors", "weight_files"]

# The order in which timm and transformers look; a safe file always goes before a pickled one.
_SINGLE_FILES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
_INDEX_FILES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_COMPILED, _PARALLEL = "_orig_mod.", "module."
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The file or shards that hold the weights of the checkpoint in ``folder``; empty if none."""
    for name in (_SINGLE_FILES[0], _INDEX_FILES[0], *_SINGLE_FILES[1:3], _INDEX_FILES[1], *_SINGLE_FILES[3:]):
        path = folder / name
        if path.is_file():
            return _shards(path) if name in _INDEX_FILES else (path,)
    for suffix in ("*.safetensors", "*.pth"):
        files = sorted(folder.glob(suffix))
        if len(files) > 1:
            raise PriorError(
                f"{folder} holds several {suffix} files ({', '.join(f.name for f in files)}) and none is "
                "named model.safetensors; name the file itself as the prior"
            )
        if files:
            return (files[0],)
    return ()


def _shards(index: Path) -> tuple[Path, ...]:
    places = read_object(index, str(index.parent)).get("weight_map")
    if not isinstance(places, dict):
        raise PriorError(f"{index} is not a weight index: it has no object weight_map")
    names = list(places.values())
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not (index.parent / name).is_file():
            raise PriorError(f"{index} names the shard {name!r}, which is not in its folder")
    return tuple(index.parent / name for name in sorted(set(names)))


def read_tensors(files: tuple[Path, ...]) -> dict[str, torch.Tensor]:
    """Every tensor of the checkpoint by name, on the CPU. Nothing is unpickled but plain tensors.

    Raises:
        PriorError: a file is truncated, is no checkpoint, or holds code.
    """
    tensors: dict[str, torch.Tensor] = {}
    for path in files:
        for name, value in _unprefixed(_read_file(path)).items():
            if name in tensors:
                raise PriorError(f"{path} holds the tensor {name} a second time")
            tensors[name] = value
    if not tensors:
        raise PriorError(f"{files[0]} holds no tensors")
    for name, value in tensors.items():
        # A stride of zero, or a view, says it is large and holds little: a copy of it would take what it says.
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise PriorError(
                f"{files[0]} holds a tensor {name} of {tuple(value.shape)} in {value.untyped_storage().nbytes()} bytes"
            )
        if value.is_floating_point() and bool(torch.isnan(value).any()):
            raise PriorError(f"{files[0]} holds a tensor {name} with values that are not numbers (NaN)")
    return tensors


def _unprefixed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Without what torch.compile and DataParallel put before the names."""
    found = {name.replace(_COMPILED, ""): value for name, value in tensors.items()}
    if all(name.startswith(_PARALLEL) for name in found):
        found = {name.removeprefix(_PARALLEL): value for name, value in found.items()}
    return found if len(found) == len(tensors) else tensors


def _read_file(path: Path) -> dict[str, torch.Tensor]:
    check_no_pointer(path, PriorError)
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(str(path), device="cpu"))
        except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:
            raise PriorError(f"{path} is truncated or not a safetensors file ({error})") from error
    return _unwrap(_torch_load(path), path)


def _torch_load(path: Path) -> object:
    try:
        with warnings.catch_warnings():
            # A pickle protocol that torch does not write: it is read as safely, or refused.
            warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if _is_pickle(path):
            raise PriorError(
                f"{path} holds objects other than tensors; reading them could run code, so it is refused. "
                "Ask for a safetensors file"
            ) from error
        raise PriorError(f"{path} is truncated or not a PyTorch checkpoint ({error})") from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise PriorError(f"{path} is truncated or not a PyTorch checkpoint ({error})") from error


def _is_pickle(path: Path) -> bool:
    """A torch archive (zip) or the older bare pickle; looks at the first bytes only."""
    with path.open("rb") as stream:
        head = stream.read(4)
    return head[:2] == b"PK" or head[:1] == b"\x80"


def _unwrap(value: object, path: Path) -> dict[str, torch.Tensor]:
    if isinstance(value, Mapping):
        for key in _WRAPPERS:
            if isinstance(value.get(key), Mapping):
                value = value[key]
                break
    if not isinstance(value, Mapping) or not all(isinstance(v, torch.Tensor) for v in value.values()):
        raise PriorError(f"{path} does not hold a state dict (names to tensors)")
    return {str(name).removeprefix("module."): tensor for name, tensor in value.items()}


def fingerprint(tensors: Mapping[str, torch.Tensor]) -> str:
    """sha256 over the tensors sorted by name: name, dtype, shape and little-endian bytes of each."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        shape = ",".join(str(side) for side in tensor.shape)
        digest.update(f"{name}\0{str(tensor.dtype).removeprefix('torch.')}\0{shape}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
