"""``encode``: a data set as the tensors that a prior reads, computed once and kept on disk where large."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL
from tqdm import tqdm

from transferbound.data.encoded import EncodedData, EncodedImages, EncodedTexts
from transferbound.data.labelled import LabelledData
from transferbound.errors import DataError, OutputError, PriorError
from transferbound.priors import ImagePreprocessing, Preprocessing, TextPreprocessing

__all__ = ["IN_MEMORY_BYTES", "default_cache_dir", "encode"]

#: Pixels up to this many bytes stay in memory; more go to a memory-mapped file in the cache folder.
IN_MEMORY_BYTES = 512 * 2**20


_FORMAT = 1


def default_cache_dir() -> Path:
    """``$TRANSFERBOUND_CACHE``, else ``transferbound`` under ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    named = os.environ.get("TRANSFERBOUND_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "transferbound"


def encode(
    preprocessing: Preprocessing,
    data: LabelledData,
    cache_dir: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> EncodedData:
    """Apply ``preprocessing`` to every row of ``data`` once.

    Pixels of more than 512 MB are kept in a memory-mapped file under ``cache_dir`` (default:
    :func:`default_cache_dir`), named by the fingerprints of the data and of the preprocessing, and found
    again by the next run if its sha256 is still the same; it appears under its name only when complete.

    Raises:
        PriorError: a text prior's preprocessing on images, or the reverse.
        DataError: a row that cannot be decoded.
        OutputError: the cache folder cannot be written.
    """
    if preprocessing.modality != data.modality:
        raise PriorError(
            f"the preprocessing is for {preprocessing.modality}s and the data set {data.name} holds "
            f"{data.modality}s; choose a prior for {data.modality}s"
        )
    if isinstance(preprocessing, ImagePreprocessing):
        return EncodedImages(_pixels(preprocessing, data, cache_dir, progress), data.labels, preprocessing)
    assert isinstance(preprocessing, TextPreprocessing)
    return _encode_texts(preprocessing, data, progress)


def _encode_texts(preprocessing: TextPreprocessing, data: LabelledData, progress: bool) -> EncodedTexts:
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


def _pixels(
    preprocessing: ImagePreprocessing,
    data: LabelledData,
    cache_dir: str | os.PathLike[str] | None,
    progress: bool,
) -> np.ndarray:
    greyscale = _is_greyscale(preprocessing, data)
    side = preprocessing.input_size
    shape = (data.n, 1 if greyscale else 3, side, side)
    if int(np.prod(shape, dtype=np.int64)) <= IN_MEMORY_BYTES:
        pixels = np.empty(shape, dtype=np.uint8)
        _fill(pixels, preprocessing, data, greyscale, progress)
        return pixels
    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    # Row order is part of the key (the data's fingerprint leaves it out), and so is the resizing code.
    order = hashlib.sha256(data.row_hashes.tobytes()).hexdigest()
    key = hashlib.sha256(
        f"{_FORMAT}\0{PIL.__version__}\0{order}\0{preprocessing.fingerprint}\0{shape}".encode()
    ).hexdigest()
    path = folder / f"pixels-{key[:40]}.npy"
    kept = _open_cached(path, shape)
    return kept if kept is not None else _write_cached(path, shape, preprocessing, data, greyscale, progress)


def _is_greyscale(preprocessing: ImagePreprocessing, data: LabelledData) -> bool:
    if preprocessing.channels == 1:
        return True
    return preprocessing.channelwise and data.is_greyscale


def _fill(
    pixels: np.ndarray, preprocessing: ImagePreprocessing, data: LabelledData, greyscale: bool, progress: bool
) -> None:
    rows = tqdm(data.images(), total=data.n, desc="encode", unit="image", disable=not progress, leave=False)
    for row, image in enumerate(rows):
        pixels[row] = preprocessing.pixels(image, greyscale).transpose(2, 0, 1)


def _open_cached(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The file, if it is whole: its sha256 stands beside it. A damaged file is encoded anew."""
    try:
        stated = path.with_suffix(".sha256").read_text(encoding="ascii").strip()
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != stated:
                return None
        kept = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return kept if kept.shape == shape and kept.dtype == np.uint8 else None


def _write_cached(
    path: Path,
    shape: tuple[int, ...],
    preprocessing: ImagePreprocessing,
    data: LabelledData,
    greyscale: bool,
    progress: bool,
) -> np.ndarray:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    beside = path.with_name(f"{path.stem}.sha256.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _require_room(path.parent, math.prod(shape))
        pixels = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        _fill(pixels, preprocessing, data, greyscale, progress)
        pixels.flush()
        del pixels
        with partial.open("rb") as stream:
            beside.write_text(hashlib.file_digest(stream, "sha256").hexdigest() + "\n", encoding="ascii")
        partial.replace(path)
        beside.replace(path.with_suffix(".sha256"))
    except OSError as error:
        raise OutputError(
            f"the cache folder {path.parent} cannot be written ({error}); name another"
        ) from error
    finally:
        for leftover in (partial, beside):
            with suppress(OSError):
                leftover.unlink()
    kept = _open_cached(path, shape)
    if kept is None:
        raise DataError(f"the cache file {path} cannot be read back; remove it and run again")
    return kept


def _require_room(folder: Path, size: int) -> None:
    """A memory map is sparse: a full disk would end the process, not raise. So the room is asked for first."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OutputError(
            f"the pixels take {size / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB free; choose a smaller "
            "--input-size, or name another folder in TRANSFERBOUND_CACHE"
        )
