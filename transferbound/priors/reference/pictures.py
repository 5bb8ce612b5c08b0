"""Generated pictures: strokes, objects, patches and leaves, from integer streams alone.

Nothing is learned from pictures of the world. That what is generated thus can stand in for them: Baradad et al. 2021
(arXiv 2106.05963, noise and "dead leaves" to pretrain on).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from transferbound.errors import ArgumentError
from transferbound.priors.reference.noise import (
    SPLINE_STEPS,
    Integers,
    clouds,
    draw,
    spline_weights,
)

__all__ = ["KINDS", "generated_pictures"]

_SIDES = (8, 128)
_UNIT = 64  # of places along a stroke, in a pixel
_STROKES, _PIECES, _POINTS_OF_PIECE, _LEAVES = 3, 3, 8, 10
_FINE = (2, 4, 8, 16)


def generated_pictures(kind: str, count: int, side: int = 32) -> list[Image.Image]:
    """``count`` pictures of ``side`` x ``side`` pixels, the same ones on every machine.

    Args:
        kind: ``strokes`` (one to three bent strokes, white on black), ``objects`` (grey, mirror-symmetric, on black),
            ``patches`` (coloured clouds that meet at soft edges) or ``leaves`` (coloured ellipses and rectangles that
            hide one another).
        count: how many.
        side: in pixels, 8 to 128.

    Returns:
        PIL images of mode ``L`` (strokes and objects) or ``RGB``.

    Raises:
        ArgumentError: no such kind, or a number out of range.

    >>> generated_pictures("strokes", 2, side=28)[1].size
    (28, 28)
    """
    if kind not in KINDS:
        raise ArgumentError(f"kind is {kind!r}; there are {', '.join(KINDS)}")
    least, most = _SIDES
    if not least <= side <= most:
        raise ArgumentError(f"side is {side}; it must lie between {least} and {most} pixels")
    if count < 0:
        raise ArgumentError(f"count is {count}; it must not be negative")
    return [Image.fromarray(pixels) for pixels in KINDS[kind](kind, count, side).astype(np.uint8)]


def _strokes(name: str, count: int, side: int) -> Integers:
    return 255 * _stroke_mask(name, count, side) // 256


def _objects(name: str, count: int, side: int) -> Integers:
    """Both outline and, for every second one or so, what is on it are mirrored."""
    outline = _mirrored(clouds(f"{name}/outline", count, side, (2, 4, 8), (3, 10)))
    centred = 2 * np.arange(side) - side + 1
    tall, broad = (draw(f"{name}/{which}", count, 4, 16) for which in ("tall", "broad"))
    distance = (centred[:, None] ** 2 * tall + centred[None, :] ** 2 * broad) // 8
    middle = draw(f"{name}/middle", count, 150, 400) * (side * side // 2 - distance) // side**2
    mask = _edge(outline + middle, draw(f"{name}/edge", count, 6, 30))
    print_ = clouds(f"{name}/print", count, side, _FINE, (4, 14))
    print_ = np.where(draw(f"{name}/mirrored", count, 0, 1) == 1, _mirrored(print_), print_)
    shade = draw(f"{name}/shade", count, 60, 255) + print_ * draw(f"{name}/contrast", count, 0, 120) // 128
    return mask * _limited(shade, 255) // 256


def _patches(name: str, count: int, side: int) -> Integers:
    back, front = (_material(f"{name}/{which}", count, side) for which in ("back", "front"))
    field = clouds(f"{name}/outline", count, side, (3, 6, 12), (1, 8)) + _window(name, count, side)
    return _over(_edge(field, draw(f"{name}/edge", count, 4, 24)), front, back)


def _leaves(name: str, count: int, side: int) -> Integers:
    picture = _material(f"{name}/ground", count, side)
    texture = _coloured(f"{name}/texture", clouds(f"{name}/texture", count, side, _FINE))
    for leaf in range(_LEAVES):
        own = f"{name}/{leaf}"
        contrast = draw(f"{own}/contrast", count, 0, 90, axes=3)
        front = _limited(_tone(own, count) + texture * contrast // 128, 255)
        picture = _over(_leaf_mask(own, count, side), front, picture)
    return picture


KINDS: dict[str, Callable[[str, int, int], Integers]] = {
    "strokes": _strokes,
    "objects": _objects,
    "patches": _patches,
    "leaves": _leaves,
}
"""Each gives [count, side, side] or [count, side, side, 3] from 0 to 255; its name is that of its streams."""


def _stroke_mask(name: str, count: int, side: int) -> Integers:
    """0 to 256: cubic B-splines of six random points, one to three of them, with a pen of random width."""
    nearest = np.full((count, side, side), (4 * _UNIT * side) ** 2, dtype=np.int64)
    pixels = _UNIT * np.arange(side, dtype=np.int64) + _UNIT // 2
    strokes = draw(f"{name}/strokes", count, 1, _STROKES, axes=0)
    for stroke in range(_STROKES):
        drawn = np.flatnonzero(strokes > stroke)
        low, high = side * _UNIT // 10, side * _UNIT * 9 // 10
        points = draw(f"{name}/points/{stroke}", 2 * (_PIECES + 3) * count, low, high, axes=0)
        points = points.reshape(count, _PIECES + 3, 2)[drawn]
        for piece in range(_PIECES):
            for step in range(0, SPLINE_STEPS, SPLINE_STEPS // _POINTS_OF_PIECE):
                weights = np.array(spline_weights(step))
                place = (points[:, piece : piece + 4] * weights[:, None]).sum(1) // weights.sum()
                down, right = (pixels[None] - place[:, axis, None] for axis in (0, 1))
                squares = down[:, :, None] ** 2 + right[:, None, :] ** 2
                nearest[drawn] = np.minimum(nearest[drawn], squares)
    distance = np.sqrt(nearest.astype(np.float64)).astype(np.int64)  # IEEE 754: correctly rounded everywhere
    pen = draw(f"{name}/pen", count, side * _UNIT // 40, side * _UNIT // 11)
    blur = draw(f"{name}/blur", count, 1, 3) * _UNIT
    return _limited(128 + (pen - distance) * 256 // blur, 256)


def _leaf_mask(name: str, count: int, side: int) -> Integers:
    """0 to 256: an ellipse or a rectangle, somewhere, turned."""
    centred = 2 * np.arange(side, dtype=np.int64) - side + 1
    y, x = (draw(f"{name}/{axis}", count, -side, side) for axis in "yx")
    p, q = (draw(f"{name}/{axis}", count, -8, 8) for axis in "pq")
    p = np.where((p == 0) & (q == 0), 1, p)
    long = 2 * side // draw(f"{name}/long", count, 2, 9)
    short = np.maximum(long * draw(f"{name}/short", count, 2, 8) // 8, 2)
    down, right = centred[:, None] - y, centred[None, :] - x
    along, across, norm = p * down + q * right, p * right - q * down, p * p + q * q
    room = long**2 * norm - along**2, short**2 * norm - across**2
    ellipse = room[0] * short**2 - across**2 * long**2, 2 * long * short**2 * norm
    rectangle = np.minimum(room[0], room[1] * long // short), 2 * long * norm
    is_ellipse = draw(f"{name}/shape", count, 0, 1) == 0
    inside, unit = (np.where(is_ellipse, *pair) for pair in zip(ellipse, rectangle, strict=True))
    return _limited(128 + inside * 96 // unit, 256)


def _material(name: str, count: int, side: int) -> Integers:
    """[count, side, side, 3]: a tone, and clouds over it."""
    texture = _coloured(name, clouds(name, count, side, _FINE))
    contrast = draw(f"{name}/contrast", count, 10, 90, axes=3)
    return _limited(_tone(name, count) + texture * contrast // 128, 255)


def _tone(name: str, count: int) -> Integers:
    """[count, 1, 1, 3]: pale colours, as most of the world has."""
    colours = draw(f"{name}/colour", 3 * count, -40, 40).reshape(count, 1, 1, 3)
    return draw(f"{name}/grey", count, 0, 255, axes=3) + colours


def _coloured(name: str, field: Integers) -> Integers:
    """[count, side, side, 3]: the field in each channel, and a little of its own."""
    count, side, _ = field.shape
    strength = draw(f"{name}/chroma", count, 0, 4)
    own = [strength * clouds(f"{name}/{channel}", count, side, (1, 3, 6)) // 12 for channel in range(3)]
    return field[..., None] + np.stack(own, axis=-1)


def _window(name: str, count: int, side: int) -> Integers:
    """A soft hill somewhere near the middle."""
    centred = 2 * np.arange(side) - side + 1
    y, x = (draw(f"{name}/{axis}", count, -side // 4, side // 4) for axis in "yx")
    distance = (centred[:, None] - y) ** 2 + (centred[None, :] - x) ** 2
    hill: Integers = draw(f"{name}/hill", count, 60, 260) * (6 * side**2 // 10 - distance) // side**2
    return hill


def _edge(field: Integers, slope: Integers) -> Integers:
    """0 to 256: where a field is positive."""
    return _limited(128 + field * slope, 256)


def _limited(values: Integers, most: int) -> Integers:
    limited: Integers = np.clip(values, 0, most)
    return limited


def _mirrored(field: Integers) -> Integers:
    return (field + field[:, :, ::-1]) * 3 // 4


def _over(mask: Integers, front: Integers, back: Integers) -> Integers:
    mixed: Integers = (mask[..., None] * front + (256 - mask[..., None]) * back) // 256
    return mixed
