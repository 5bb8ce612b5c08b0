"""Folders that look like a checkpoint and are none: said in one line, with what to do."""

from __future__ import annotations

from pathlib import Path

from transferbound.errors import PriorError
from transferbound.priors.checkpoint.json_files import read_object
from transferbound.wording import shortened

__all__ = ["check_no_adapter", "no_config"]

_MOST_NAME = 80
_OTHERS = (
    ("model_index.json", "a pipeline of diffusers; name the folder of one of its networks"),
    ("open_clip_config.json", "a checkpoint of open_clip; name its copy for transformers or timm"),
    ("tf_model.h5", "a checkpoint of TensorFlow; save it with PyTorch"),
    ("flax_model.msgpack", "a checkpoint of Flax; save it with PyTorch"),
)


def no_config(folder: Path, name: str) -> PriorError:
    """The error for a folder without ``config.json``."""
    if any(folder.glob("*.gguf")):
        return PriorError(
            f"the prior {name} is a GGUF file, whose weights are quantized; name the checkpoint that it was made from"
        )
    for file, what in _OTHERS:
        if (folder / file).is_file():
            return PriorError(f"the prior {name} is {what}")
    return PriorError(
        f"the prior {name} has no config.json in {folder}; a local prior is a folder in Hub layout: "
        "config.json (timm's, with an architecture, or transformers') beside the weights"
    )


def check_no_adapter(folder: Path, name: str) -> None:
    """Refuses a folder that holds an adapter of peft and no network.

    Raises:
        PriorError: names the base, and how the two are made one.
    """
    if not (folder / "adapter_config.json").is_file():
        return
    own = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
    if any((folder / file).is_file() for file in own):
        return
    config = read_object(folder / "adapter_config.json", name)
    kind = shortened(str(config.get("peft_type", "")), _MOST_NAME)
    base = shortened(repr(config.get("base_model_name_or_path", "a base that it does not name")), _MOST_NAME)
    raise PriorError(
        f"the prior {name} is an adapter (peft {kind}) of {base} and no checkpoint: save both as one "
        "(PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(FOLDER), with the tokenizer or "
        "image processor) and name that folder. An adapter that was trained on this data is no prior for it: name the "
        "base itself"
    )
