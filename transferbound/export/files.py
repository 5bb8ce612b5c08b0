"""The files beside the weights: tokenizer and image processor, at the size that was certified."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from transferbound.export.subject import Subject
from transferbound.priors import ImagePreprocessing
from transferbound.priors.checkpoint.json_files import read_object
from transferbound.storage.files import write_json

__all__ = ["copy_tokenizer", "encoder_config", "write_image_processor"]

_NOT_THE_TOKENIZERS = ("config.json", "modules.json", "sentence_bert_config.json", "preprocessor_config.json")
_PROCESSOR = "preprocessor_config.json"
_BILINEAR = 2


def copy_tokenizer(subject: Subject, folder: Path) -> None:
    """The checkpoint's own tokenizer files, byte for byte, but for the number of tokens at which rows are cut."""
    source = subject.prior.folder
    for path in sorted(source.iterdir()):
        if path.is_file() and path.name not in _NOT_THE_TOKENIZERS:
            shutil.copyfile(path, folder / path.name)
    config = read_object(source / "tokenizer_config.json", subject.prior.name)
    config |= {
        "model_max_length": subject.preprocessing.input_size,
        "padding_side": "right",
        "truncation_side": "right",
    }
    for private in ("name_or_path", "auto_map"):
        config.pop(private, None)
    write_json(folder / "tokenizer_config.json", config)


def encoder_config(subject: Subject) -> dict[str, Any]:
    """The checkpoint's ``config.json`` with the names of the classes."""
    config = read_object(subject.prior.folder / "config.json", subject.prior.name)
    labels = subject.labels
    config |= {"id2label": {str(key): name for key, name in labels["id2label"].items()}}
    config["label2id"] = labels["label2id"]
    config.pop("_name_or_path", None)
    return config


def write_image_processor(subject: Subject, folder: Path) -> None:
    """The checkpoint's own image processor; at another size one that resizes the whole image to it."""
    preprocessing = subject.preprocessing
    assert isinstance(preprocessing, ImagePreprocessing)
    if preprocessing.input_size == subject.prior.input_size:
        for own in subject.prior.folder.glob("*processor_config.json"):
            shutil.copyfile(own, folder / own.name)
        return
    resample = preprocessing.description.get("resample")
    side = preprocessing.input_size
    write_json(
        folder / _PROCESSOR,
        {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": True,
            "size": {"height": side, "width": side},
            "resample": _BILINEAR if resample is None else resample,
            "do_rescale": True,
            "rescale_factor": preprocessing.scale,
            "do_normalize": True,
            "image_mean": list(preprocessing.mean),
            "image_std": list(preprocessing.std),
        },
    )
