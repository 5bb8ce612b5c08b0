"""``encode``: a data set as the tensors that a prior reads, computed once and kept on disk where large."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import PIL
from PIL import Image
from tqdm import tqdm

from transferbound.data.encoded import EncodedData, EncodedImages, EncodedTexts
from transferbound.data.labelled import LabelledData
from transferbound.errors import DataError, OutputError, PriorError
from transferbound.priors import ImagePreprocessing, Preprocessing, TextPreprocessing
from transferbound.storage.arrays import NewArray, default_cache_dir, open_array

__all__ = ["IN_MEMORY_BYTES", "Rows", "encode", "encode_in_memory"]

#: Pixels up to this many bytes stay in memory; more go to a memory-mapped file in the cache folder.
IN_MEMORY_BYTES = 512 * 2**20

_FORMAT = 1


class Rows(Protocol):
    """What is encoded: the rows of a data set, or some that were given by hand."""

    @property
    def name(self) -> str:
        """What errors call them."""

    @property
    def modality(self) -> str:
        """``image`` or ``text``."""

    @property
    def n(self) -> int:
        """Their number."""

    @property
    def labels(self) -> np.ndarray:
        """int64 [n]."""

    @property
    def is_greyscale(self) -> bool:
        """Whether every image is of one channel."""

    def texts(self) -> Iterator[tuple[list[str], list[str] | None]]:
        """Batches of rows in order: the texts and, for pairs, the second texts."""

    def images(self) -> Iterator[Image.Image]:
        """The images in order, mode ``L`` or ``RGB``."""


def encode(
    preprocessing: Preprocessing,
    data: LabelledData,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> EncodedData:
    """Apply ``preprocessing`` to every row of ``data`` once.

    Pixels of more than 512 MB are kept in a memory-mapped file under ``cache_dir`` (default:
    :func:`transferbound.storage.arrays.default_cache_dir`), named by the fingerprints of the data and of the
    preprocessing, and found again by the next run if its sha256 is still the same.

    Raises:
        PriorError: a text prior's preprocessing on images, or the reverse.
        DataError: a row that cannot be decoded.
        OutputError: the cache folder cannot be written.
    """
    if isinstance(preprocessing, ImagePreprocessing) and data.modality == "image":
        shape = _shape(preprocessing, data)
        if int(np.prod(shape, dtype=np.int64)) > IN_MEMORY_BYTES:
            pixels = _kept_pixels(shape, preprocessing, data, cache_dir, progress)
            return EncodedImages(pixels, data.labels, preprocessing)
    return encode_in_memory(preprocessing, data, progress)


def encode_in_memory(preprocessing: Preprocessing, rows: Rows, progress: bool = False) -> EncodedData:
    """:func:`encode` for rows of any origin; nothing is written.

    Raises:
        PriorError: a text prior's preprocessing on images, or the reverse.
        DataError: a row that cannot be decoded.
    """
    if preprocessing.modality != rows.modality:
        raise PriorError(
            f"the preprocessing is for {preprocessing.modality}s and the data set {rows.name} holds "
            f"{rows.modality}s; choose a prior for {rows.modality}s"
        )
    if isinstance(preprocessing, ImagePreprocessing):
        pixels = np.empty(_shape(preprocessing, rows), dtype=np.uint8)
        _fill(pixels, preprocessing, rows, progress)
        return EncodedImages(pixels, rows.labels, preprocessing)
    assert isinstance(preprocessing, TextPreprocessing)
    return _encode_texts(preprocessing, rows, progress)


def _encode_texts(preprocessing: TextPreprocessing, data: Rows, progress: bool) -> EncodedTexts:
    tokens: list[np.ndarray] = []
    types: list[np.ndarray] = []
    lengths: list[int] = []
    with tqdm(total=data.n, desc="tokenize", unit="row", disable=not progress, leave=False) as bar:
        for first, second in data.texts():
            ids, segments = preprocessing.tokens(first, second)
            lengths += [len(row) for row in ids]
            tokens.append(np.concatenate([np.asarray(row, dtype=np.uint32) for row in ids]))
            if segments is not None:
                types.append(np.concatenate([np.asarray(row, dtype=np.uint8) for row in segments]))
            bar.update(len(first))
    offsets = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    flat_types = np.concatenate(types) if types else None
    return EncodedTexts(np.concatenate(tokens), offsets, flat_types, data.labels, preprocessing)


def _shape(preprocessing: ImagePreprocessing, rows: Rows) -> tuple[int, ...]:
    """Rows, channels, height, width."""
    side = preprocessing.input_size
    return (rows.n, 1 if _is_greyscale(preprocessing, rows) else 3, side, side)


def _kept_pixels(
    shape: tuple[int, ...],
    preprocessing: ImagePreprocessing,
    data: LabelledData,
    cache_dir: str | os.PathLike[str] | None,
    progress: bool,
) -> np.ndarray:
    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    path = folder / f"pixels-{_key(preprocessing, data, shape)[:40]}.npy"
    kept = open_array(path, np.uint8, shape)
    if kept is None:
        _write_pixels(path, shape, preprocessing, data, progress)
        kept = open_array(path, np.uint8, shape)
    if kept is None:
        raise DataError(f"the cache file {path} cannot be read back; remove it and run again")
    return kept


def _key(preprocessing: ImagePreprocessing, data: LabelledData, shape: tuple[int, ...]) -> str:
    """sha256 of all that pixels depend on: also the rows' order, which the data's fingerprint leaves out, and the
    resizing code."""
    order = hashlib.sha256(data.row_hashes.tobytes()).hexdigest()
    parts = (str(_FORMAT), PIL.__version__, order, preprocessing.fingerprint, str(shape))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _write_pixels(
    path: Path, shape: tuple[int, ...], preprocessing: ImagePreprocessing, data: LabelledData, progress: bool
) -> None:
    try:
        new = NewArray(path, np.uint8, shape)
        try:
            _fill(new.values, preprocessing, data, progress)
            new.commit()
        finally:
            new.discard()
    except OSError as error:
        raise OutputError(
            f"the cache folder {path.parent} cannot be written ({error.strerror or error}); name another in "
            "TRANSFERBOUND_CACHE, or choose a smaller --input-size"
        ) from error


def _is_greyscale(preprocessing: ImagePreprocessing, data: Rows) -> bool:
    if preprocessing.channels == 1:
        return True
    return preprocessing.channelwise and data.is_greyscale


def _fill(pixels: np.ndarray, preprocessing: ImagePreprocessing, data: Rows, progress: bool) -> None:
    """Row after row into ``pixels``, uint8 [n, channels, side, side]."""
    greyscale = pixels.shape[1] == 1
    rows = tqdm(data.images(), total=data.n, desc="encode", unit="image", disable=not progress, leave=False)
    for row, image in enumerate(rows):
        pixels[row] = preprocessing.pixels(image, greyscale).transpose(2, 0, 1)
