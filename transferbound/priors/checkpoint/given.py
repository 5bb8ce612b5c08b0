"""A model that is given as an object: saved by its own library, and read as any checkpoint is read."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import timm.models
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from torch import nn

from transferbound.errors import PriorError
from transferbound.in_memory import in_memory
from transferbound.priors.backends.quiet import quiet_transformers
from transferbound.storage.claims import claim_folder
from transferbound.wording import shortened

__all__ = ["SavedModel", "class_of"]

_SAVES_ITSELF = ("transformers", "sentence_transformers", "peft")
_OF_TIMM = ("timm", "transferbound")
_CARD = "README.md"
_PATH = re.compile(r"^[/~.]|\\")


class SavedModel:
    """The files of a model in memory, as its library writes them.

    Args:
        model: of a class of transformers, sentence-transformers or timm, also compiled or wrapped for several devices.
        processor: the tokenizer or image processor of a transformers model, or one that holds it.

    Attributes:
        name: what a certificate calls it: what it was loaded from by its own account, and that it is in memory.
        folder: in Hub layout; there as long as this object.

    Raises:
        PriorError: it is of another class, its processor is missing, or it cannot be saved.
    """

    def __init__(self, model: Any, processor: Any = None) -> None:
        model = _unwrapped(model)
        _check(model, processor)
        own = _own_name(model)
        self.name = in_memory(_last_part(own) if _is_path(own) else own)
        claim = claim_folder(Path(tempfile.gettempdir()), "transferbound-given-")
        self.folder = claim.path
        weakref.finalize(self, claim.discard)
        try:
            with quiet_transformers():
                _save(model, processor, self.folder)
        except Exception as error:  # whatever the library's own saving raises
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise PriorError(f"the prior {self.name} cannot be saved to be read: {reason}") from error
        card = _card_of(own)
        if card is not None and not (self.folder / _CARD).exists():
            shutil.copyfile(card, self.folder / _CARD)


def class_of(model: Any) -> str:
    """Name of the class of a model, whatever it is wrapped in."""
    return type(_unwrapped(model)).__name__


def _unwrapped(model: Any) -> Any:
    """Without what torch.compile and DataParallel put around it."""
    while isinstance(model, nn.Module):
        inner = getattr(model, "_orig_mod", None)
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            break
        model = inner
    return model


def _library(model: Any) -> str:
    return type(model).__module__.split(".")[0]


def _check(model: Any, processor: Any) -> None:
    library = _library(model)
    is_timm = library in _OF_TIMM and hasattr(model, "pretrained_cfg")
    kind = shortened(f"{type(model).__module__}.{type(model).__qualname__}", 120)
    if not isinstance(model, nn.Module) or not (is_timm or library in _SAVES_ITSELF):
        raise PriorError(
            f"prior is a {kind}; give a Hub id, a folder, a model of timm or sentence-transformers, or (model, "
            "processor) of transformers. A network of another class, whose code nobody else has, can be put into a "
            "subspace (SubspaceModel), and not be certified"
        )
    if library == "transformers" and processor is None:
        raise PriorError(
            f"prior is a {kind} without what prepares its inputs; give (model, tokenizer) or (model, image_processor)"
        )
    if library != "transformers" and processor is not None:
        raise PriorError(f"prior is a {kind}, which prepares its inputs by itself; leave the processor out")
    if processor is not None and not hasattr(processor, "save_pretrained"):
        found = shortened(f"{type(processor).__module__}.{type(processor).__qualname__}", 120)
        raise PriorError(
            f"processor is a {found}; give the tokenizer or image processor that AutoTokenizer or AutoImageProcessor "
            "loads for the model"
        )
    if is_timm:
        _check_side(model)


def _check_side(model: Any) -> None:
    """What timm saves names one size of pictures; of another, positions would be resampled without a word."""
    made = getattr(getattr(model, "patch_embed", None), "img_size", None)
    said = tuple(model.pretrained_cfg.get("input_size") or ())
    if made is not None and len(said) == 3 and tuple(made) != said[1:]:
        raise PriorError(
            f"prior is a model for pictures of {made[0]} x {made[1]} pixels, and its pretrained_cfg says {said[1]} x "
            f"{said[2]}: set model.pretrained_cfg['input_size'] = {(said[0], *made)}, or make it without img_size"
        )


def _save(model: Any, processor: Any, folder: Path) -> None:
    if _library(model) in _OF_TIMM:
        timm.models.save_for_hf(model, str(folder), safe_serialization=True)
        return
    with _as_loaded(processor if processor is not None else getattr(model, "tokenizer", None)):
        model.save_pretrained(str(folder))
        if processor is not None:
            processor.save_pretrained(str(folder))


@contextmanager
def _as_loaded(processor: Any) -> Iterator[None]:
    """Without the truncation and padding of its last call, which a tokenizer keeps and would write down."""
    backend = getattr(getattr(processor, "tokenizer", processor), "backend_tokenizer", None)
    if backend is None:
        yield
        return
    truncation, padding = backend.truncation, backend.padding
    backend.no_truncation()
    backend.no_padding()
    try:
        yield
    finally:
        if truncation is not None:
            backend.enable_truncation(**truncation)
        if padding is not None:
            backend.enable_padding(**padding)


def _own_name(model: Any) -> str | None:
    """What it was loaded from, or its architecture."""
    if _library(model) in _OF_TIMM:
        name = model.pretrained_cfg.get("architecture")
    elif _library(model) == "sentence_transformers":
        name = getattr(getattr(model[0], "auto_model", None), "name_or_path", None)
    else:
        name = getattr(model, "name_or_path", None)
    return name if isinstance(name, str) and name.strip() else None


def _is_path(name: str | None) -> bool:
    return name is not None and (bool(_PATH.search(name)) or Path(name).exists())


def _last_part(name: str | None) -> str | None:
    """Of a path what names the thing: where it lies is nobody's business."""
    return None if name is None else re.split(r"[/\\]", name.rstrip("/\\"))[-1]


def _card_of(name: str | None) -> Path | None:
    """The card of what the model says that it was loaded from, where it is at hand."""
    if name is None:
        return None
    if Path(name, _CARD).is_file():
        return Path(name, _CARD)
    try:
        found = try_to_load_from_cache(name, _CARD)
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None
