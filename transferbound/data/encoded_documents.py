"""Documents as the tokens that a language model reads: those that are long enough, in the data set's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from transferbound.data.documents import Documents
from transferbound.data.encoded import EncodedData
from transferbound.errors import DataError
from transferbound.priors import DocumentPreprocessing

__all__ = ["EncodedDocuments", "encode_documents"]


@dataclass(frozen=True)
class _Flat:
    """Token ids end to end, uint32, and where each document begins, int64 [n + 1]."""

    tokens: np.ndarray
    offsets: np.ndarray


class EncodedDocuments(EncodedData):
    """Token ids of documents; a batch is padded to its own longest one.

    Attributes:
        rows: int64 [n], which rows of the data set these are.
        lengths: int64 [n], how many tokens of each are predicted.
        groups: int64 [n], the unit of each document, from 0; None where each is its own.
        left_out: how many rows have fewer predicted tokens than asked for.
        text_bytes: of the documents as far as they are read, in UTF-8.
    """

    lengths: np.ndarray

    def __init__(self, flat: _Flat, rows: np.ndarray, preprocessing: DocumentPreprocessing) -> None:
        super().__init__(np.zeros(len(rows), dtype=np.int64))
        self.rows = rows
        self.start = np.array(preprocessing.start, dtype=np.int64)
        self.lengths = np.diff(flat.offsets)[rows] - preprocessing.unpredicted
        self.groups: np.ndarray | None = None
        self.left_out, self.text_bytes = 0, 0
        self._flat = flat

    def batch(
        self, indices: torch.Tensor | np.ndarray | list[int], device: torch.device | str | None = None
    ) -> dict[str, torch.Tensor]:
        """``input_ids`` and ``attention_mask``, int64 [B, S + L]: the start, then the documents."""
        indices = indices.cpu().numpy() if isinstance(indices, torch.Tensor) else np.asarray(indices)
        rows = self.rows[indices]
        starts, ends = self._flat.offsets[rows], self._flat.offsets[rows + 1]
        longest = int((ends - starts).max(initial=1))
        places = starts[:, None] + np.arange(longest)
        mask = places < ends[:, None]
        tokens = self._flat.tokens[np.minimum(places, len(self._flat.tokens) - 1)].astype(np.int64)
        tokens = np.where(mask, tokens, self.start[0] if len(self.start) else 0)
        head = np.broadcast_to(self.start, (len(rows), len(self.start)))
        arrays = {
            "input_ids": np.concatenate([head, tokens], axis=1),
            "attention_mask": np.concatenate([np.ones_like(head), mask], axis=1).astype(np.int64),
        }
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return tensors if device is None else {name: value.to(device) for name, value in tensors.items()}

    def tokens_of(self, index: int) -> npt.NDArray[np.int64]:
        """The token ids of one document, without the start."""
        row = self.rows[index]
        return self._flat.tokens[self._flat.offsets[row] : self._flat.offsets[row + 1]].astype(np.int64)


def encode_documents(
    preprocessing: DocumentPreprocessing,
    data: Documents,
    *,
    min_tokens: int,
    progress: bool = False,
) -> EncodedDocuments:
    """The documents of ``data`` of which at least ``min_tokens`` tokens are predicted, cut to the preprocessing's most.

    A group is the unit that its remaining documents make up; one that has none left is no unit.

    Raises:
        DataError: a row holds no text, a token is unknown to the network, or fewer than two units are left.
    """
    ids: list[np.ndarray] = []
    lengths: list[int] = []
    with tqdm(total=data.n, desc="tokenize", unit="doc", disable=not progress, leave=False) as bar:
        for texts, _ in data.texts():
            rows = preprocessing.tokens(texts)
            lengths += [len(row) for row in rows]
            ids += [np.asarray(row, dtype=np.uint32) for row in rows]
            bar.update(len(texts))
    flat = _Flat(np.concatenate(ids), np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))
    if len(flat.tokens) and int(flat.tokens.max()) >= preprocessing.vocabulary:
        raise DataError(
            f"the tokenizer gives token {int(flat.tokens.max())}, and the network knows {preprocessing.vocabulary}; "
            "they do not belong together"
        )
    kept = np.flatnonzero(np.diff(flat.offsets) - preprocessing.unpredicted >= min_tokens)
    groups = None
    if data.groups is not None:
        groups = np.unique(data.groups[kept], return_inverse=True)[1]
    units = len(kept) if groups is None else int(groups.max(initial=-1)) + 1
    if units < 2:
        raise DataError(
            f"the data set {data.name} has {units} independent units with documents of at least {min_tokens} tokens "
            f"(of {data.n:,} rows); a bound needs two or more. Lower --min-tokens, or take more documents"
        )
    encoded = EncodedDocuments(flat, kept, preprocessing)
    encoded.groups, encoded.left_out = groups, data.n - len(kept)
    for index in range(encoded.n):
        encoded.text_bytes += preprocessing.bytes_of(encoded.tokens_of(index))
    return encoded
