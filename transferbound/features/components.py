"""The components of every row, for all places on the list of features, in one pass of the network."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from tqdm import tqdm

from transferbound.data.batches import LARGE_BATCH, evaluation_batches, evaluation_order
from transferbound.data.encoded import EncodedData
from transferbound.priors import Prior
from transferbound.priors.components.basis import POWER, Basis
from transferbound.priors.components.classifier import pooled
from transferbound.priors.components.taps import seen_at
from transferbound.storage.arrays import NewArray, default_cache_dir, open_array

__all__ = ["ComponentTable", "component_table"]

_FORMAT = 1
_LARGEST_BYTES = 3 * 10**9
_LARGEST_ROOM = 0.5  # of the disk's free room

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComponentTable:
    """What the network holds of every row, along the leading directions of each place on the list.

    Attributes:
        basis: the directions.
        columns: for each place the columns of ``values`` that are its own.
        values: float32 [n, columns], memory-mapped where it could be kept: projections on directions of length one,
            with the mean of the reference inputs taken away.
        own: float32 [n, classes], the checkpoint's own answers; no columns where its head does not fit.
    """

    basis: Basis
    columns: dict[int, slice]
    values: npt.NDArray[np.float32]
    own: npt.NDArray[np.float32]

    def most(self, place: int) -> int:
        """The largest number of components of a place that are kept here."""
        columns = self.columns[place]
        return int(columns.stop - columns.start)

    def components(self, place: int, count: int) -> torch.Tensor:
        """[n, count], scaled as the decoder scales them, up to float32 rounding."""
        directions = self.basis.directions[place]
        wanted = directions.scaled(count, POWER)
        first = self.columns[place].start
        kept = torch.from_numpy(np.array(self.values[:, first : first + count]))
        return kept * (wanted / directions.deviations[:count]).float()


def component_table(
    prior: Prior,
    basis: Basis,
    data: EncodedData,
    key: str,
    *,
    classes: int,
    class_names: Sequence[str] | None,
    most: int,
    device: torch.device,
    progress: bool = False,
    cache_dir: Path | None = None,
) -> ComponentTable:
    """One pass of the checkpoint's network over all rows of ``data``, or what an earlier one has left in the cache.

    Args:
        prior, basis: the checkpoint, and the directions of its places.
        data: the encoded training rows.
        key: :func:`transferbound.features.features_key` of checkpoint and data.
        classes, class_names: of the task, for the checkpoint's own answers.
        most: components of one place at most; fewer where they would take too much room.
        device: where the network runs.
        progress: show a progress bar.
        cache_dir: default: :func:`transferbound.storage.arrays.default_cache_dir`.
    """
    columns, start = _columns(basis, most, data.n)
    own = classes if prior.keeps_own_head(classes, class_names) else 0
    spans = [[place, own.start, own.stop] for place, own in columns.items()]
    what = [_FORMAT, key, basis.fingerprint, classes, list(class_names or ()), spans]
    name = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:40]
    path = (default_cache_dir() if cache_dir is None else cache_dir) / f"components-{name}.npy"
    shape = (data.n, start + own)
    found = open_array(path, np.float32, shape)
    if found is None:
        body = prior.build(classes, input_size=basis.input_size, class_names=class_names).to(device)
        found = _kept(
            path, shape, lambda into: _fill(into, body, prior, basis, columns, own, data, device, progress)
        )
    return ComponentTable(basis, columns, found[:, :start], found[:, start:])


def _columns(basis: Basis, most: int, n: int) -> tuple[dict[int, slice], int]:
    """Columns of each place, and how many there are; places that look at the same have the same ones."""
    alike: dict[int, list[int]] = {}
    for place, found in basis.directions.items():
        alike.setdefault(id(found), []).append(place)
    while len(alike) * most > _LARGEST_BYTES // (4 * n) and most > 16:
        most //= 2
    columns: dict[int, slice] = {}
    start = 0
    for together in alike.values():
        count = min(most, len(basis.directions[together[0]].deviations))
        columns |= dict.fromkeys(together, slice(start, start + count))
        start += count
    return columns, start


def _kept(
    path: Path, shape: tuple[int, ...], fill: Callable[[npt.NDArray[np.float32]], None]
) -> npt.NDArray[np.float32]:
    """An array filled by ``fill``, kept at ``path`` where the disk allows it."""
    try:
        new = NewArray(path, np.float32, shape, room=_LARGEST_ROOM)
    except OSError as error:
        _log.warning("components cannot be kept (%s); they are held in memory", error)
        values = np.empty(shape, dtype=np.float32)
        fill(values)
        return values
    try:
        fill(new.values)
        new.commit()
    finally:
        new.discard()
    kept = open_array(path, np.float32, shape)
    if kept is None:
        raise OSError(f"{path} cannot be read back")
    return kept


@torch.inference_mode()
def _fill(
    into: npt.NDArray[np.float32],
    body: nn.Module,
    prior: Prior,
    basis: Basis,
    columns: dict[int, slice],
    own: int,
    data: EncodedData,
    device: torch.device,
    progress: bool,
) -> None:
    maps = {
        place: (
            found.vectors[: columns[place].stop - columns[place].start].float().to(device),
            found.mean.to(device),
        )
        for place, found in {
            columns[place].start: (place, found) for place, found in basis.directions.items()
        }.values()
    }
    order = evaluation_order(data)
    with tqdm(total=data.n, desc="components", unit="ex", disable=not progress, leave=False) as bar:
        for rows in evaluation_batches(data, order, LARGE_BATCH, device):
            batch = data.batch(rows, device)
            seen, answer = seen_at(body, basis.every_tap, basis.head, batch, whole=own > 0)
            for place, (vectors, mean) in maps.items():
                features = pooled(seen, basis.taps[place], basis.places[place], batch)
                values = (features.double() - mean).float() @ vectors.T
                into[rows, columns[place]] = values.cpu().numpy()
            if own:
                assert answer is not None
                into[rows, into.shape[1] - own :] = answer.float().cpu().numpy()
            bar.update(len(rows))
