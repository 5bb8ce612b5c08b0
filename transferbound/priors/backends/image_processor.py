"""The preprocessing of transformers image classifiers, by the checkpoint's own image processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import transformers
from PIL import Image

from transferbound.errors import PriorError
from transferbound.priors.backends.preprocessing import ImagePreprocessing, check_side
from transferbound.priors.checkpoint.reading import ReadFiles

__all__ = ["image_preprocessing"]

_DESCRIBED = ("do_resize", "size", "resample", "do_center_crop", "crop_size", "crop_pct", "do_rescale")


def image_preprocessing(files: ReadFiles, name: str, config: Any, input_size: int) -> ImagePreprocessing:
    """Read ``preprocessor_config.json``; at another ``input_size`` the whole image is resized to it."""
    processor = _read_processor(files.folder, name)
    for side in [input_size] if input_size else _sides_of(processor):
        check_side(side)
    geometry = _ProcessorGeometry(processor, input_size)
    sides = {geometry(Image.new("RGB", size)).size for size in ((64, 48), (48, 64), (300, 200))}
    if len(sides) != 1 or len(set(next(iter(sides)))) != 1:
        raise PriorError(
            f"the prior {name} gives images of differing or oblong size; only squares are supported"
        )
    channels = int(getattr(config, "num_channels", 3) or 3)
    if channels != 3:
        raise PriorError(f"the prior {name} reads {channels} channels; transformers priors must read 3")
    normalize = bool(getattr(processor, "do_normalize", False))
    rescale = bool(getattr(processor, "do_rescale", True))
    described = {key: _plain(getattr(processor, key, None)) for key in _DESCRIBED}
    if input_size:
        described = {
            "do_resize": True,
            "size": input_size,
            "resample": described["resample"],
            "crop": "squash",
        }
    return ImagePreprocessing(
        input_size=int(next(iter(sides))[0]),
        channels=3,
        mean=tuple(float(v) for v in processor.image_mean) if normalize else (0.0, 0.0, 0.0),
        std=tuple(float(v) for v in processor.image_std) if normalize else (1.0, 1.0, 1.0),
        description={"source": "transformers", "processor": type(processor).__name__, **described},
        files=files.fingerprint,
        geometry=geometry,
        scale=float(getattr(processor, "rescale_factor", 1 / 255)) if rescale else 1.0,
    )


class _ProcessorGeometry:
    """The processor's resizing and cropping alone; its arithmetic on values comes later, batch by batch."""

    def __init__(self, processor: Any, input_size: int) -> None:
        self._processor = processor
        self._size = input_size
        self._resample = getattr(processor, "resample", None)

    def __call__(self, image: Image.Image) -> Image.Image:
        if self._size:
            resample = (
                Image.Resampling.BILINEAR if self._resample is None else Image.Resampling(self._resample)
            )
            return image.resize((self._size, self._size), resample)
        greyscale = image.mode == "L"
        output = self._processor(
            images=image.convert("RGB"),
            do_rescale=False,
            do_normalize=False,
            return_tensors="np",
            input_data_format="channels_last",
        )
        pixels = np.asarray(output["pixel_values"])[0]
        array = np.clip(np.rint(pixels), 0, 255).astype(np.uint8).transpose(1, 2, 0)
        return Image.fromarray(array[:, :, 0]) if greyscale else Image.fromarray(array)


def _read_processor(folder: Path, name: str) -> Any:
    major = int(transformers.__version__.split(".", 1)[0])
    # The PIL path: the same pixels whatever torchvision does.
    backend: dict[str, Any] = {"backend": "pil"} if major >= 5 else {"use_fast": False}
    try:
        return transformers.AutoImageProcessor.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, **backend
        )
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise PriorError(
            f"the prior {name} has no image processor that can be read ({str(error).splitlines()[0]}); "
            "preprocessor_config.json belongs beside its weights"
        ) from error


def _sides_of(processor: Any) -> list[int]:
    """The sides in pixels that a processor's config names: an image is made so large before anything is cut from it."""
    sizes = [_plain(getattr(processor, key, None)) for key in ("size", "crop_size", "pad_size")]
    values = [value for size in sizes for value in (size.values() if isinstance(size, dict) else [size])]
    return [value for value in values if type(value) is int]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in sorted(value.items())}
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in sorted(dict(value).items())}
    return (
        {k: _plain(v) for k, v in sorted(vars(value).items()) if v is not None}
        if hasattr(value, "__dict__")
        else str(value)
    )
