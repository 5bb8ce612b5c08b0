"""How the tensors that enter a module lie in a file: one line of numbers for an example, or one for a token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["Layout"]

_Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """The tensors are [B, *example], or [B, T, *token] with T the longest of a batch.

    Attributes:
        shape: of an example (a token) in the file.
        n: number of examples.
        channels_last: an image [C, H, W] lies in the file as [H, W, C], because the network holds it so.
        lengths: int64 [n], how many tokens of each example are kept; None: examples have no tokens.
    """

    shape: tuple[int, ...]
    n: int
    channels_last: bool = False
    lengths: _Rows | None = None

    @classmethod
    def of(cls, value: Tensor, n: int, lengths: _Rows | None = None) -> Layout:
        """For tensors like ``value`` [B, ...]; with ``lengths``, its second dimension is that of the tokens."""
        if lengths is not None:
            return cls(tuple(value.shape[2:]), n, lengths=np.asarray(lengths, dtype=np.int64))
        channels, *sides = value.shape[1:] if value.dim() == 4 else (0,)
        last = not value.is_contiguous() and value.is_contiguous(memory_format=torch.channels_last)
        return cls((*sides, channels), n, True) if sides and last else cls(tuple(value.shape[1:]), n)

    @property
    def columns(self) -> int:
        return math.prod(self.shape)

    @cached_property
    def lines(self) -> int:
        """Lines of the file."""
        return self.n if self.lengths is None else int(self.lengths.sum())

    @property
    def file_shape(self) -> tuple[int, int]:
        """Of the array in the file: lines and columns."""
        return self.lines, self.columns

    @property
    def size(self) -> int:
        """Bytes of the file, in float32."""
        return 4 * self.columns * self.lines

    @property
    def name(self) -> str:
        """All but the examples, for the file's fingerprint."""
        return f"{self.shape} {self.channels_last} {self.lengths is not None}"

    def even(self, value: Tensor, rows: _Rows) -> Tensor:
        """``value`` contiguous, in the file's order, and as long as the longest of ``rows``."""
        if self.channels_last:
            value = value.permute(0, 2, 3, 1)
        if self.lengths is not None:
            missing = self._longest(rows) - value.shape[1]
            value = torch.nn.functional.pad(value.flatten(2), (0, 0, 0, missing))
        return value.contiguous()

    def lines_of(self, even: Tensor, rows: _Rows) -> tuple[_Rows, npt.NDArray[np.float32]]:
        """Which lines of the file belong to ``rows``, and what stands in them: [lines, columns]."""
        values = even.cpu().numpy()
        if self.lengths is None:
            return rows, values.reshape(len(rows), self.columns)
        places, held = self._places(rows)
        return places, values[:, : held.shape[1]][held].reshape(-1, self.columns)

    def read(self, array: npt.NDArray[np.float32], rows: _Rows) -> Tensor:
        """The tensors of ``rows``; zeros after an example's last token."""
        if self.lengths is not None:
            places, held = self._places(rows)
            values = np.zeros((*held.shape, self.columns), dtype=np.float32)
            values[held] = array[places]
            return torch.from_numpy(values).view(*held.shape, *self.shape)
        found = torch.from_numpy(array[rows]).view(len(rows), *self.shape)
        return found.permute(0, 3, 1, 2) if self.channels_last else found

    def _places(self, rows: _Rows) -> tuple[_Rows, npt.NDArray[np.bool_]]:
        assert self.lengths is not None
        column = np.arange(self._longest(rows))[None, :]
        held = column < self.lengths[rows][:, None]
        return (self._starts[rows][:, None] + column)[held], held

    def _longest(self, rows: _Rows) -> int:
        assert self.lengths is not None
        return int(self.lengths[rows].max(initial=1))

    @cached_property
    def _starts(self) -> _Rows:
        assert self.lengths is not None
        return np.concatenate(([0], np.cumsum(self.lengths[:-1])))
