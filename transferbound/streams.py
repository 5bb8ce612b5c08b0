"""Reproducible integer streams: the same numbers on every machine, library version and prefix length.

Element ``i`` of a stream is a fixed function of ``(seed, name, i)`` alone: a 128-bit key is cut from
the SHA-256 of seed and name, and the counter ``i`` is mixed with it by two rounds of the splitmix64
finalizer (Steele, Lea and Flood 2014, with Stafford's constants). Nothing depends on a library's random
generator, so a slice of a stream is the same as the same part of a longer run.
"""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from transferbound.errors import ArgumentError

__all__ = ["GAUSSIAN_STD", "below", "gaussian_integers", "signs", "words"]

#: Standard deviation of :func:`gaussian_integers`: eight bytes, each of variance (256^2 - 1) / 12.
GAUSSIAN_STD = (8 * (256**2 - 1) / 12) ** 0.5

_GAMMA = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_BLOCK = 1 << 15  # counters mixed at a time, so that the temporaries stay in cache


def words(seed: int, name: str, start: int, count: int) -> npt.NDArray[np.uint64]:
    """Elements ``start`` to ``start + count`` of the stream, uniform on ``[0, 2**64)``.

    Raises:
        ArgumentError: ``seed``, ``start`` or ``count`` is negative, or the range passes ``2**63``.
    """
    _check_range(seed, start, count)
    first, second = _key(seed, name)
    out = np.empty(count, dtype=np.uint64)
    for low in range(0, count, _BLOCK):
        block = out[low : low + _BLOCK]
        offset = (first + (start + low + 1) * _GAMMA) & _MASK
        np.multiply(np.arange(len(block), dtype=np.uint64), np.uint64(_GAMMA), out=block)
        block += np.uint64(offset)
        _finalize(block)
        block ^= np.uint64(second)
        _finalize(block)
    return out


def signs(seed: int, name: str, start: int, count: int) -> npt.NDArray[np.int8]:
    """``count`` random signs, +1 or -1: the bits of the words, least significant first.

    >>> signs(0, "demo", 0, 8)[4:].tolist() == signs(0, "demo", 4, 4).tolist()
    True
    """
    _check_range(seed, start, count)
    first = start // 64
    raw = words(seed, name, first, -(-(start + count) // 64) - first)
    bits = np.unpackbits(raw.astype("<u8", copy=False).view(np.uint8), bitorder="little")
    out = bits[start - 64 * first : start - 64 * first + count].view(np.int8)
    return np.subtract(1, 2 * out, dtype=np.int8)


def below(seed: int, name: str, start: int, count: int, high: int) -> npt.NDArray[np.int64]:
    """``count`` integers in ``[0, high)``, ``1 <= high <= 2**32``; uniform up to ``high / 2**32``.

    Raises:
        ArgumentError: ``high`` is out of range.
    """
    if not 1 <= high <= 1 << 32:
        raise ArgumentError(f"high must lie in [1, 2**32], not {high}")
    top = words(seed, name, start, count) >> np.uint64(32)
    return ((top * np.uint64(high)) >> np.uint64(32)).astype(np.int64)


def gaussian_integers(seed: int, name: str, start: int, count: int) -> npt.NDArray[np.int16]:
    """``count`` integers in ``[-1020, 1020]``, close to normal with standard deviation ``GAUSSIAN_STD``.

    Each is the centred sum of the eight bytes of one word (mean 0, excess kurtosis -0.15).
    """
    raw = words(seed, name, start, count).astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    total = np.zeros(count, dtype=np.int16)
    for part in range(8):
        total += raw[:, part]
    return total - np.int16(1020)


def _key(seed: int, name: str) -> tuple[int, int]:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little")


def _finalize(block: npt.NDArray[np.uint64]) -> None:
    """The splitmix64 finalizer, in place: a bijection of 64-bit words."""
    block ^= block >> np.uint64(30)
    block *= np.uint64(0xBF58476D1CE4E5B9)
    block ^= block >> np.uint64(27)
    block *= np.uint64(0x94D049BB133111EB)
    block ^= block >> np.uint64(31)


def _check_range(seed: int, start: int, count: int) -> None:
    for what, value in (("seed", seed), ("start", start), ("count", count)):
        if value < 0:
            raise ArgumentError(f"{what} must not be negative, not {value}")
    if start + count > 1 << 62:
        raise ArgumentError(f"the stream ends at 2**62, not at {start + count}")
