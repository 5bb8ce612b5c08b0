"""The hashing map: each entry gets one coordinate and a sign, at the cost of streaming over memory.

The entries of all tensors, in order, are cut into rows of length d. Row r holds each coordinate once,
rotated by r's own rotation, so the load is balanced and d = D is a signed permutation. Neighbouring
whole rows of one tensor form a group whose rotations advance by a fixed skew: a group is then one
strided view of the repeated coordinates, and neither an index nor a gather is needed. The sign of
entry i is element ``i mod 65537`` of a fixed sign sequence; with the rotations, two entries that share
a coordinate meet independent signs. Rotations keep a coordinate from being tied to one input channel
where d and a layer's width have common factors.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transferbound import streams

__all__ = ["RowHash"]

_PERIOD = 65537  # prime, so it shares no factor with a row's length unless d is a multiple
_BLOCK = 1 << 16  # entries handled at a time: the temporaries stay in cache
_DRAWN = 1 << 12  # rotations drawn at a time
_BATCH = 1 << 22  # entries handled at a time on an accelerator, where launches cost more than memory
_MIN_SKEWED = 64  # below this d the rows of a group share one rotation


@dataclasses.dataclass(frozen=True)
class _Segment:
    """Entries ``[low, low + rows * width)`` of a tensor; the first one has coordinate ``start`` (mod d)."""

    low: int
    rows: int
    width: int
    start: int
    sign: int


@dataclasses.dataclass(frozen=True)
class _Batch:
    """Neighbouring groups of equal shape, from entry ``low``; each has its own first coordinate."""

    low: int
    starts: tuple[int, ...]
    sign: int


class RowHash:
    """A D x d matrix with one entry, +1 or -1, in each row; D is the sum of ``sizes``.

    ``batched``: whether groups are handled many at a time; None leaves it to the device.
    """

    def __init__(self, sizes: Sequence[int], dim: int, seed: int, name: str) -> None:
        self.dim = dim
        self.sizes = tuple(sizes)
        if dim >= _MIN_SKEWED:
            self._rows = max(1, min(_BLOCK // dim, 2 * dim))
            self._skew = max(1, dim // self._rows) if self._rows > 1 else 0
        else:
            self._rows, self._skew = _BLOCK // dim, 0
        self._width = dim + (self._rows - 1) * self._skew
        self._tiles = -(-(dim - 1 + self._width) // dim)

        @functools.lru_cache(maxsize=8)
        def block(k: int) -> npt.NDArray[np.int64]:
            return streams.below(seed, f"{name}/rotation", k * _DRAWN, _DRAWN, dim)

        def rotation(row: int) -> int:
            return int(block(row // _DRAWN)[row % _DRAWN])

        self._segments = _cut(self.sizes, dim, self._rows, rotation)
        self._signs = streams.signs(seed, f"{name}/sign", 0, _PERIOD)
        self.batched: bool | None = None
        self._groups = max(1, _BATCH // (self._rows * dim))
        self._plans: list[list[_Segment | _Batch]] | None = None
        self._buffers: dict[tuple[torch.dtype, torch.device, bool], tuple[Tensor, Tensor]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_buffers": {}, "_plans": None}

    @property
    def state_bytes(self) -> int:
        """Memory that a step needs beside the coordinates, float32: independent of D."""
        return 4 * (_PERIOD + _BLOCK + self._rows * self._width + 2 * self._tiles * self.dim)

    def prepare(self, w: Tensor) -> Tensor:
        """The coordinates, repeated, so that every rotated row is a contiguous slice."""
        return w.repeat(self._tiles)

    def new_total(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.zeros(self._tiles * self.dim, dtype=dtype, device=device)

    def fold(self, total: Tensor) -> Tensor:
        return total.view(self._tiles, self.dim).sum(0)

    def write(self, tiled: Tensor, index: int, base: Tensor, out: Tensor, scale: float) -> None:
        """``out = base + scale * (P w)`` for tensor ``index``; ``out`` may be ``base``."""
        signs, _ = self._buffer(out.dtype, out.device)
        for s in self._plan(index, out.device):
            if isinstance(s, _Batch):
                self._write_batch(tiled, s, base, out, scale)
                continue
            size = s.rows * s.width
            shape, flat = (s.rows, s.width), slice(s.low, s.low + size)
            rows = tiled.as_strided(shape, (self._skew, 1), s.start)
            sign = signs[s.sign : s.sign + size].view(shape)
            torch.addcmul(base[flat].view(shape), rows, sign, value=scale, out=out[flat].view(shape))

    def project(self, index: int, grad: Tensor, total: Tensor, scale: float) -> None:
        """``total += scale * P^T grad`` for tensor ``index``."""
        signs, skewed = self._buffer(total.dtype, total.device)
        for s in self._plan(index, total.device):
            if isinstance(s, _Batch):
                self._project_batch(s, grad, total, scale)
                continue
            size = s.rows * s.width
            part, sign = grad[s.low : s.low + size], signs[s.sign : s.sign + size]
            if s.rows == 1:
                total[s.start : s.start + size].add_(part * sign, alpha=scale)
                continue
            shape = (s.rows, s.width)
            # Written with a row stride one skew longer, the rows line up by coordinate; the corners
            # of the buffer that no row reaches stay zero.
            torch.mul(
                part.view(shape),
                sign.view(shape),
                out=skewed.as_strided(shape, (self._width + self._skew, 1)),
            )
            total[s.start : s.start + self._width].add_(skewed[0, : s.rows].sum(0), alpha=scale)

    def _write_batch(self, tiled: Tensor, batch: _Batch, base: Tensor, out: Tensor, scale: float) -> None:
        shape = (len(batch.starts), self._rows, self.dim)
        flat = slice(batch.low, batch.low + math.prod(shape))
        rows = tiled[self._coordinates(batch, tiled.device)]
        rows = rows.as_strided(shape, (self._width, self._skew, 1))
        signs, _ = self._buffer(out.dtype, out.device)
        sign = signs[batch.sign : batch.sign + math.prod(shape)].view(shape)
        torch.addcmul(base[flat].view(shape), rows, sign, value=scale, out=out[flat].view(shape))

    def _project_batch(self, batch: _Batch, grad: Tensor, total: Tensor, scale: float) -> None:
        shape = (len(batch.starts), self._rows, self.dim)
        size = math.prod(shape)
        signs, skewed = self._buffer(total.dtype, total.device)
        stride = (self._rows * self._width, self._width + self._skew, 1)
        torch.mul(
            grad[batch.low : batch.low + size].view(shape),
            signs[batch.sign : batch.sign + size].view(shape),
            out=skewed.as_strided(shape, stride),
        )
        sums = skewed[: shape[0]].sum(1).view(-1)
        total.index_add_(0, self._coordinates(batch, total.device).view(-1), sums, alpha=scale)

    def _coordinates(self, batch: _Batch, device: torch.device) -> Tensor:
        """Of the columns that each group spans, [groups, width]."""
        starts = torch.tensor(batch.starts).to(device, non_blocking=True)
        return starts[:, None] + torch.arange(self._width, device=device)

    def moves_only(self, chosen: Sequence[bool]) -> npt.NDArray[np.bool_]:
        """For each coordinate, whether all its entries lie in tensors with ``chosen[index]``."""
        total = self.new_total(torch.float64, torch.device("cpu"))
        for index, size in enumerate(self.sizes):
            if chosen[index]:
                continue
            if size >= 2 * self.dim:  # a whole row: every coordinate is met
                return np.zeros(self.dim, dtype=np.bool_)
            for s in self._segments[index]:
                total[s.start : s.start + s.width] = 1.0
        return (self.fold(total) == 0).numpy()

    def _is_batched(self, device: torch.device) -> bool:
        return device.type != "cpu" if self.batched is None else self.batched

    def _plan(self, index: int, device: torch.device) -> Sequence[_Segment | _Batch]:
        if not self._is_batched(device):
            return self._segments[index]
        if self._plans is None:
            whole = (self._rows, self.dim)
            self._plans = [_batches(segments, whole, self._groups) for segments in self._segments]
        return self._plans[index]

    def _buffer(self, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        """The signs, repeated so that every block is a slice, and the zeroed space for skewed rows."""
        batched = self._is_batched(device)
        key = (dtype, device, batched)
        if key not in self._buffers:
            groups = self._groups if batched else 1
            longest = max(_BLOCK, groups * self._rows * self.dim)
            signs = torch.from_numpy(np.resize(self._signs, _PERIOD + longest)).to(device=device, dtype=dtype)
            skewed = torch.zeros(groups, self._rows, self._width, dtype=dtype, device=device)
            self._buffers[key] = (signs, skewed)
        return self._buffers[key]


def _batches(segments: Sequence[_Segment], whole: tuple[int, int], most: int) -> list[_Segment | _Batch]:
    """The same work with neighbouring whole groups, at most ``most``, taken together."""
    plan: list[_Segment | _Batch] = []
    run: list[_Segment] = []
    for s in [*segments, None]:
        if run and (s is None or (s.rows, s.width) != whole or len(run) == most):
            plan.append(_Batch(run[0].low, tuple(r.start for r in run), run[0].sign))
            run = []
        if s is not None and (s.rows, s.width) == whole:
            run.append(s)
        elif s is not None:
            plan.append(s)
    return plan


def _cut(sizes: Sequence[int], dim: int, rows: int, rotation: Callable[[int], int]) -> list[list[_Segment]]:
    """Cuts each tensor into partial rows and groups of at most ``rows`` whole rows."""
    plan: list[list[_Segment]] = []
    begin = 0
    for size in sizes:
        segments: list[_Segment] = []
        low = 0
        while low < size:
            row, column = divmod(begin + low, dim)
            whole = 0 if column else (size - low) // dim
            if whole >= 2 and rows >= 2:
                count, width = min(whole, rows), dim
            else:
                count, width = 1, min(size - low, dim - column, _BLOCK)
            start = rotation(row) + column
            if count == 1 and start >= dim:
                start -= dim
            segments.append(_Segment(low, count, width, start, (begin + low) % _PERIOD))
            low += count * width
        plan.append(segments)
        begin += size
    return plan
