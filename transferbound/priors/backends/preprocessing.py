"""Preprocessing: from an image or a text to the numbers that a prior reads.

Fixed by the checkpoint's own configuration and, where the user names one, an input size. Nothing here is
ever fitted to the training data.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from transferbound.errors import PriorError

__all__ = [
    "MAX_SIDE",
    "ImagePreprocessing",
    "Preprocessing",
    "TextPreprocessing",
    "check_side",
    "images_at_once",
]

MAX_SIDE = 1024
"""Pixels: as many as any network at hand was made for. A message or a config that names more asks for memory alone."""


_AT_ONCE, _LARGE_SIDE = 64, 256


def check_side(side: int) -> None:
    """Raises PriorError unless an image side, in pixels, is 8 to ``MAX_SIDE``."""
    if not 8 <= side <= MAX_SIDE:
        raise PriorError(f"input size {side} is out of range; an image side is 8 to {MAX_SIDE} pixels")


def images_at_once(side: int) -> int:
    """How many pictures of ``side`` pixels a CPU takes at a time: large ones would fill the memory.

    >>> images_at_once(224), images_at_once(512), images_at_once(1024)
    (64, 16, 4)
    """
    return max(1, _AT_ONCE * _LARGE_SIDE**2 // max(side, _LARGE_SIDE) ** 2)


class Preprocessing(ABC):
    """What ``encode`` applies. ``to_dict`` describes it in plain data; ``fingerprint`` hashes that and ``files``.

    Attributes:
        modality: ``image`` or ``text``.
        input_size: image side in pixels, or most tokens.
        files: fingerprint of the checkpoint's files: the description is in words, these are the thing itself.
    """

    modality: str
    input_size: int
    files: str

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain JSON that determines the preprocessing."""

    @property
    def fingerprint(self) -> str:
        text = json.dumps([self.files, self.to_dict()], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class ImagePreprocessing(Preprocessing):
    """PIL image -> uint8 pixels [side, side, channels] -> (x / 255 - mean) / std in float32.

    ``geometry`` takes a PIL image in mode ``L`` or ``RGB`` and returns it resized and cropped in the same
    mode. Where it is ``channelwise`` (no coloured borders) a greyscale image may be kept as one channel.
    """

    input_size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    description: dict[str, Any]
    files: str
    geometry: Callable[[Image.Image], Image.Image] = field(repr=False, compare=False)
    scale: float = 1 / 255
    channelwise: bool = True
    modality: str = field(default="image", init=False)

    def pixels(self, image: Image.Image, greyscale: bool) -> np.ndarray:
        """uint8 [side, side, 1 or 3]; the mode is ``L`` if ``greyscale``, else ``RGB``."""
        mode = "L" if greyscale else "RGB"
        image = self.geometry(image if image.mode == mode else image.convert(mode))
        array = np.asarray(image, dtype=np.uint8)
        return array[:, :, None] if array.ndim == 2 else array

    def to_dict(self) -> dict[str, Any]:
        """What a certificate says of it: size, channels, scaling, and how a picture comes to that size."""
        return {
            "modality": "image",
            "input_size": self.input_size,
            "channels": self.channels,
            "mean": list(self.mean),
            "std": list(self.std),
            "scale": self.scale,
            **self.description,
        }


@dataclass(frozen=True)
class TextPreprocessing(Preprocessing):
    """Texts -> token ids, cut to ``input_size`` tokens; a pair is cut from its longer half first."""

    input_size: int
    tokenizer: Any = field(repr=False, compare=False)
    description: dict[str, Any]
    files: str
    token_types: bool
    pad_id: int
    empty_id: int
    modality: str = field(default="text", init=False)

    def tokens(
        self, texts: Sequence[str], pairs: Sequence[str] | None
    ) -> tuple[list[list[int]], list[list[int]] | None]:
        """Token ids of each row and, for a pair where the model reads them, the segment of each token."""
        wants_types = self.token_types and pairs is not None
        result = self.tokenizer(
            list(texts),
            None if pairs is None else list(pairs),
            truncation=True,
            max_length=self.input_size,
            return_attention_mask=False,
            return_token_type_ids=wants_types,
            verbose=False,
        )
        ids = [row or [self.empty_id] for row in result["input_ids"]]
        types = None
        if wants_types:
            types = [row or [0] for row in result["token_type_ids"]]
        return ids, types

    def to_dict(self) -> dict[str, Any]:
        return {"modality": "text", "input_size": self.input_size, **self.description}
