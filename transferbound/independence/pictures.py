"""Pictures that are other pictures in disguise: of another size, encoding or contrast, turned, mirrored or inverted.

Two pictures are compared at one small size, without their mean and their contrast: they are alike where one of the
eight ways to lay the one upon the other gives a correlation beyond 0.995 or below -0.995. By nature few are: of 12,000
rows of FashionMNIST one is like one of its 4,000 first test rows, of MNIST and of CIFAR-10 none (0.99 would give 41).

A picture that was cropped, shifted, or turned by other angles is not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from PIL import Image
from scipy.fft import dctn

__all__ = ["alike", "thumbnails"]

_SIDE = 32
_CORRELATION = 0.995
_FARTHEST = 2 * (1 - _CORRELATION) + 1e-4
"""The squared distance of two unit vectors with that correlation, and room for rounding."""

_COARSE, _FINE = 8, 16  # frequencies in each direction
_ROWS, _OTHERS, _PAIRS = 2048, 4096, 16_384  # at a time
_MOST = 64
"""Pictures of each ``_OTHERS`` that one is laid upon: those that are nearest without their orientation."""


def thumbnails(images: Iterable[Image.Image]) -> np.ndarray:
    """float32 [n, 32, 32]: grey pictures of mean 0 and norm 1; zeros where a picture is of one colour."""
    size = (_SIDE, _SIDE)
    small = [np.asarray(image.convert("L").resize(size, Image.Resampling.BILINEAR)) for image in images]
    if not small:
        return np.zeros((0, _SIDE, _SIDE), dtype=np.float32)
    seen = np.stack(small).astype(np.float32)
    seen -= seen.mean(axis=(1, 2), keepdims=True)
    norms = np.sqrt(np.einsum("nij,nij->n", seen, seen))[:, None, None]
    unit: np.ndarray = np.divide(seen, norms, out=np.zeros_like(seen), where=norms > 0)
    return unit


def alike(images: Iterable[Image.Image], others: Iterable[Image.Image]) -> np.ndarray:
    """bool [n]: which of ``images`` are alike one of ``others``, which are read a few thousand at a time."""
    mine = thumbnails(images)
    coarse, fine = (_without_orientation(mine, kept) for kept in (_COARSE, _FINE))
    found = np.zeros(len(mine), dtype=bool)
    for theirs in _pieces(others):
        their_coarse, their_fine = (_without_orientation(theirs, kept) for kept in (_COARSE, _FINE))
        for start in range(0, len(mine), _ROWS):
            rows = start + np.flatnonzero(~found[start : start + _ROWS])
            row, other = _near(coarse[rows], their_coarse)
            for pair in range(0, len(row), _PAIRS):
                i, j = rows[row[pair : pair + _PAIRS]], other[pair : pair + _PAIRS]
                close = np.square(fine[i] - their_fine[j]).sum(axis=1) < _FARTHEST
                i, j = i[close], j[close]
                found[i[_correlations(mine[i], theirs[j]) > _CORRELATION]] = True
    return found


def _pieces(images: Iterable[Image.Image]) -> Iterator[np.ndarray]:
    left = iter(images)
    while len(piece := thumbnails(islice(left, _OTHERS))):
        yield piece


def _without_orientation(seen: np.ndarray, kept: int) -> np.ndarray:
    """float32 [n, kept^2 - 1]: what of a picture's cosine transform is the same however it is turned.

    To mirror or to invert a picture changes signs of coefficients, and a quarter turn swaps (u, v) with (v, u) besides;
    so their sizes stay, each such pair sorted. Both steps bring no two pictures farther apart: pictures that
    correlate beyond 0.995 stay within ``_FARTHEST``, whatever their orientation.
    """
    sizes = np.abs(dctn(seen, axes=(1, 2), norm="ortho")[:, :kept, :kept])
    turned = sizes.transpose(0, 2, 1)
    u, v = np.triu_indices(kept)
    upper, lower = np.maximum(sizes, turned)[:, u, v], np.minimum(sizes, turned)[:, u, v]
    found: np.ndarray = np.concatenate([upper[:, 1:], lower[:, u != v]], axis=1)
    return found


def _near(mine: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the pairs within ``_FARTHEST``, for each of ``mine`` the nearest ``_MOST``."""
    apart = np.square(mine).sum(axis=1)[:, None] + np.square(theirs).sum(axis=1) - 2 * mine @ theirs.T
    near = apart < _FARTHEST
    for crowded in np.flatnonzero(near.sum(axis=1) > _MOST):
        near[crowded] = False
        near[crowded, np.argpartition(apart[crowded], _MOST)[:_MOST]] = True
    row, other = np.nonzero(near)
    return row, other


def _correlations(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """[pairs]: the largest size of the eight correlations of each two."""
    most = np.zeros(len(mine), dtype=np.float32)
    for laid in (theirs, theirs[:, :, ::-1]):
        for turns in range(4):
            there = np.rot90(laid, turns, axes=(1, 2))
            most = np.maximum(most, np.abs(np.einsum("nij,nij->n", mine, there)))
    return most
