"""``preprocess.json``: in plain data, how a row becomes what an ONNX graph reads; and an interpreter of it.

docs/export.md says what each step means. The interpreter follows that page and not the code that the certified
predictor uses: where the two differ, the check of an export says so.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from PIL import Image

from transferbound.errors import ExportError
from transferbound.export.subject import Subject
from transferbound.priors import ImagePreprocessing

__all__ = ["describe_image", "pixel_values"]

_RESAMPLE = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
_NAMES = {number: name for name, number in _RESAMPLE.items()}


def describe_image(subject: Subject, folder: Path) -> dict[str, Any]:
    """The steps from a picture to ``pixel_values``; a processor's files are copied into ``folder`` where it needs them.

    Raises:
        ExportError: the checkpoint crops in a way that has no step.
    """
    preprocessing = subject.preprocessing
    assert isinstance(preprocessing, ImagePreprocessing)
    said = preprocessing.description
    if said["source"] == "timm":
        steps = _timm_steps(said, preprocessing.input_size)
    elif said.get("crop") == "squash":
        resample = said["resample"]
        name = "bilinear" if resample is None else _NAMES[int(resample)]
        steps = [_resize(preprocessing.input_size, preprocessing.input_size, name)]
    else:
        for own in subject.prior.folder.glob("*processor_config.json"):
            shutil.copyfile(own, folder / own.name)
        steps = [{"op": "image_processor", "backend": "pil"}]
    return {
        "bits": subject.image_bits,
        "mode": "L" if preprocessing.channels == 1 else "RGB",
        "steps": steps,
        "scale": preprocessing.scale,
        "mean": list(preprocessing.mean),
        "std": list(preprocessing.std),
    }


def _timm_steps(said: Mapping[str, Any], side: int) -> list[dict[str, Any]]:
    crop, mode, name = said["crop_pct"], said["crop_mode"], said["interpolation"]
    larger = math.floor(side / crop)
    if name not in _RESAMPLE:
        raise ExportError(f"the checkpoint resizes by {name!r}, which preprocess.json has no name for")
    if mode == "squash":
        steps = [_resize(larger, larger, name)]
    elif mode == "center":
        steps = [{"op": "resize_shortest_edge", "size": larger, "interpolation": name}]
    else:
        raise ExportError(f"the checkpoint crops by {mode!r}, which preprocess.json has no step for")
    return [*steps, {"op": "center_crop", "size": side}]


def _resize(height: int, width: int, name: str) -> dict[str, Any]:
    return {"op": "resize", "height": height, "width": width, "interpolation": name}


def pixel_values(images: Sequence[Image.Image], described: Mapping[str, Any], folder: Path) -> np.ndarray:
    """float32 [B, C, S, S], as ``described`` says, with Pillow and NumPy."""
    rows = []
    for image in images:
        picture = image.convert(described["mode"])
        for step in described["steps"]:
            picture = _step(picture, step, folder)
        pixels = np.asarray(picture, dtype=np.float32)
        pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
        mean, std = (np.array(described[key], dtype=np.float32) for key in ("mean", "std"))
        rows.append(((pixels * np.float32(described["scale"]) - mean) / std).transpose(2, 0, 1))
    return np.stack(rows)


def _step(image: Image.Image, step: Mapping[str, Any], folder: Path) -> Image.Image:
    if step["op"] == "center_crop":
        return _centre(image, step["size"])
    if step["op"] == "image_processor":
        return _processed(image, folder)
    resample = Image.Resampling(_RESAMPLE[step["interpolation"]])
    if step["op"] == "resize":
        return image.resize((step["width"], step["height"]), resample)
    short, size = min(image.size), step["size"]
    wanted = [size if side == short else int(size * side / short) for side in image.size]
    return image.resize((wanted[0], wanted[1]), resample)


def _centre(image: Image.Image, size: int) -> Image.Image:
    left, top = (round((side - size) / 2) for side in image.size)
    return image.crop((left, top, left + size, top + size))


def _processed(image: Image.Image, folder: Path) -> Image.Image:
    major = int(transformers.__version__.split(".", 1)[0])
    backend: dict[str, Any] = {"backend": "pil"} if major >= 5 else {"use_fast": False}
    processor = transformers.AutoImageProcessor.from_pretrained(folder, trust_remote_code=False, **backend)
    made = processor(images=image, do_rescale=False, do_normalize=False, return_tensors="np")
    pixels = np.asarray(made["pixel_values"])[0].transpose(1, 2, 0)
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
