"""The features of a data set: found in the cache folder, or computed in one pass and put there."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm import tqdm

from transferbound.data.batches import LARGE_BATCH, evaluation_batches, evaluation_order
from transferbound.data.encoded import EncodedData
from transferbound.data.examples import Examples
from transferbound.distributed import all_agree, gathered, same_everywhere
from transferbound.features.find_tail import find_tail
from transferbound.features.head import find_head
from transferbound.features.part import Part, close, first_inputs_of
from transferbound.priors import Prior
from transferbound.storage.arrays import NewArray, default_cache_dir, open_array
from transferbound.subspace import SubspaceModel

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["CachedFeatures", "cached_features", "features_key"]

_FORMAT = 1
_CHECKED = 32  # rows
_STALE = 1e-3  # of features kept on disk, against fresh ones; another batch size moves them by about 1e-6
_TIMED_ROUNDS = 3
_LARGEST_SHARE = 0.5  # of the time that is left, which computing features may take
_LARGEST_ROOM = 0.5  # of the disk's free room

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedFeatures:
    """Features of every training example, and the part of the model that reads them.

    Attributes:
        values: float32, memory-mapped, in the data set's order: [n, F], or [tokens, F] where each token of a
            text is kept.
        seconds_per_row: wall time of the whole model's forward pass for one example, over all processes.
    """

    model: SubspaceModel
    part: Part
    values: npt.NDArray[np.float32]
    seconds_per_row: float

    def logits(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """[B, C], differentiable: ``backward()`` reaches the coordinates as it does from the model."""
        features = self.part.layout.read(self.values, rows)
        self.model.sync()
        return self.part.run(features.to(self.model.coordinates.device), rows)


def features_key(prior: Prior, data: Examples, input_size: int) -> str:
    """sha256 of all that features depend on: checkpoint, preprocessing, the rows and their order, libraries."""
    libraries = {name: version(name) for name in ("pillow", "timm", "tokenizers", "transformers")}
    what = {
        "format": _FORMAT,
        "prior": [prior.fingerprint, prior.files, prior.architecture],
        "preprocessing": prior.preprocessing(input_size).fingerprint,
        "input_size": input_size,
        # The data's own fingerprint leaves the order out.
        "rows": hashlib.sha256(data.row_hashes.tobytes()).hexdigest(),
        "libraries": libraries,
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def cached_features(
    model: SubspaceModel,
    data: EncodedData,
    key: str,
    *,
    accelerator: Accelerator,
    cache_dir: Path | None = None,
    progress: bool = False,
    deadline: float | None = None,
) -> CachedFeatures | None:
    """The features of ``data`` from the cache, else computed and put there; None where this does not apply.

    It applies where the subspace trains a last module alone that reads one vector an example, and where
    the model can be cut before all that it trains: see :mod:`transferbound.features.find_tail`. Either is
    tried out on some rows, with other values in what is trainable.

    Args:
        model: on the accelerator's device; put into eval mode.
        data: the encoded training examples.
        key: :func:`features_key` of checkpoint and data.
        accelerator: its processes share the work; the first one on each machine writes.
        cache_dir: default: :func:`transferbound.storage.arrays.default_cache_dir`.
        progress: show a progress bar.
        deadline: ``time.monotonic()`` by which finetuning should end: None is returned if the features would
            take more than half of what is left.
    """
    model.eval()
    model.sync()  # so that nothing is written in inference mode below
    few = np.arange(min(_CHECKED, data.n))
    part = find_head(model, data, few, accelerator.device) or find_tail(model, data, few, accelerator.device)
    if not same_everywhere("" if part is None else part.name, accelerator) or part is None:
        _log.info("no features are cached: the model cannot be cut well before what the subspace trains")
        return None
    layout = part.layout
    folder = default_cache_dir() if cache_dir is None else cache_dir
    full_key = hashlib.sha256(f"{key}\0{part.name}".encode()).hexdigest()
    path = folder / f"features-{full_key[:40]}.npy"
    seconds = part.seconds / accelerator.num_processes
    kept = open_array(path, np.float32, layout.file_shape)
    if not all_agree(kept is not None and _is_fresh(kept, part, few), accelerator):
        measured = _Pass(model.model, part, data, accelerator, progress, deadline).write(path)
        if measured is None:
            return None
        seconds = measured
        kept = open_array(path, np.float32, layout.file_shape)
        if not all_agree(kept is not None, accelerator):
            _log.warning("the cached features %s cannot be read back; training goes on without them", path)
            return None
    assert kept is not None
    return CachedFeatures(model, part, kept, seconds)


def _is_fresh(kept: np.ndarray, part: Part, few: npt.NDArray[np.int64]) -> bool:
    places, values = part.layout.lines_of(part.fresh, few)
    return close(torch.from_numpy(kept[places]), torch.from_numpy(values), _STALE)


@dataclass
class _Pass:
    """One pass of all examples through the network, each process taking its share of every round."""

    network: nn.Module
    part: Part
    data: EncodedData
    accelerator: Accelerator
    progress: bool
    deadline: float | None

    def write(self, path: Path) -> float | None:
        """Writes the features of all rows; wall seconds for each, or None if it was given up."""
        started, layout = time.monotonic(), self.part.layout
        new, problem = None, ""
        try:
            # The other processes of this machine read what the first one writes.
            if self.accelerator.is_local_main_process:
                new = NewArray(path, np.float32, layout.file_shape, room=_LARGEST_ROOM)
        except OSError as error:
            problem = str(error)
        # All agree on it before each step in which they wait for each other.
        done = all_agree(not problem, self.accelerator)
        try:
            done = done and self._fill(None if new is None else new.values)
            if new is not None and done:
                new.commit()
        except OSError as error:
            problem = str(error)
        finally:
            if new is not None:
                new.discard()
        if problem:
            _log.warning("features cannot be cached (%s); training goes on without them", problem)
        if not all_agree(done and not problem, self.accelerator):
            return None
        return (time.monotonic() - started) / self.data.n

    @torch.inference_mode()
    def _fill(self, array: np.ndarray | None) -> bool:
        """Whether all rounds were made; False: there is too little time."""
        count, index = self.accelerator.num_processes, self.accelerator.process_index
        rounds = self._rounds()
        shown = self.progress and self.accelerator.is_main_process
        started = time.monotonic()
        bar = tqdm(total=self.data.n, desc="features", unit="ex", disable=not shown, leave=False)
        with bar, first_inputs_of(self.part.module) as seen:
            for turn, rows in enumerate(rounds, start=1):
                # Shares of equal length, the last ones repeated, so that they can be gathered.
                padded = np.resize(rows, -(-len(rows) // count) * count)
                self.network(**self.data.batch(padded.reshape(count, -1)[index], self.accelerator.device))
                features = gathered(self.part.layout.even(seen[0], padded), self.accelerator)
                seen.clear()
                if array is not None:
                    places, values = self.part.layout.lines_of(features[: len(rows)], rows)
                    array[places] = values
                bar.update(len(rows))
                each = (time.monotonic() - started) / turn
                if turn == _TIMED_ROUNDS and self._too_slow(each * (len(rounds) - turn)):
                    return False
        return True

    def _rounds(self) -> list[npt.NDArray[np.int64]]:
        """The rows of each round: a batch for every process, all of one size but for the last."""
        order, count = evaluation_order(self.data), self.accelerator.num_processes
        batches = evaluation_batches(self.data, order[::count], LARGE_BATCH, self.accelerator.device)
        ends = np.cumsum([count * len(batch) for batch in batches])
        return np.split(order, ends[:-1])

    def _too_slow(self, needed: float) -> bool:
        """Whether ``needed`` seconds are too many of those that are left."""
        if self.deadline is None:
            return False
        allowed = _LARGEST_SHARE * (self.deadline - time.monotonic())
        if all_agree(needed <= allowed, self.accelerator):
            return False
        _log.warning("no features are cached: they would take %.0f s of the time that is left", needed)
        return True
