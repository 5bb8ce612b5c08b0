"""Rendered digits: a labelled data set made from fonts, to train a prior for handwritten digits on.

The fonts are those that matplotlib brings. Each picture bends one glyph at random, turns it a little, and gives it a
pen of its own, then places it as the digits of MNIST are said to be placed (LeCun et al. 1998): 20 pixels high or
wide, the centre of mass in the middle of 28 x 28. No picture of any data set is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from tqdm import tqdm

from _priors.tables import write_table

Floats = npt.NDArray[np.float64]

_FONTS = (
    *(f"DejaVu{family}" for family in ("Sans", "Sans-Bold", "Sans-Oblique", "Sans-BoldOblique")),
    *(f"DejaVu{family}" for family in ("Serif", "Serif-Bold", "Serif-Italic", "Serif-BoldItalic")),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)
_BAR = ("DejaVuSans", "l")
"""Every second 1 is written as a bar, as most hands do. (No monospaced font: their zeros are crossed or dotted.)"""
_CANVAS, _GLYPH, _BOX, _SIDE = 96, 56, 20, 28


def rendered_digits(folder: Path, rows: int, seed: int = 0) -> str:
    """``rows`` pictures [28, 28] of the ten digits in turn, as a data set below ``folder``; its path."""
    target = folder / f"rendered_digits-{rows}-{seed}"
    if target.exists():
        return str(target)
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list("0123456789"))}
    )
    write_table(target, datasets.Dataset.from_list(list(_pictures(rows, seed)), features=features))
    return str(target)


def _pictures(rows: int, seed: int) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng(seed)
    glyphs = {(font, digit): _glyph(font, str(digit)) for font in _FONTS for digit in range(10)}
    bar = _glyph(*_BAR)
    for row in tqdm(range(rows), desc="rendering digits", unit="digit"):
        digit = row % 10
        glyph = glyphs[_FONTS[random.integers(len(_FONTS))], digit]
        if digit == 1 and random.integers(2):
            glyph = bar
        yield {"image": Image.fromarray(_placed(_written(glyph, random))), "label": digit}


def _glyph(font: str, letter: str) -> Floats:
    """The letter in the middle of a canvas [96, 96], from 0 (paper) to 1."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    canvas = Image.new("L", (_CANVAS, _CANVAS))
    middle = (_CANVAS / 2, _CANVAS / 2)
    ImageDraw.Draw(canvas).text(
        middle, letter, fill=255, font=ImageFont.truetype(str(path), _GLYPH), anchor="mm"
    )
    return np.asarray(canvas, dtype=np.float64) / 255


def _written(glyph: Floats, random: np.random.Generator) -> Floats:
    """The glyph as one hand might write it: sheared, turned, stretched, bent; then with a thicker or thinner pen."""
    turn, shear = random.normal(0, 0.15), random.normal(0, 0.2)
    stretch = np.exp(random.normal(0, 0.15, 2))
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = linear @ np.array([[1, 0], [shear, 1]]) @ np.diag(stretch)
    grid = np.indices(glyph.shape).astype(np.float64)
    centred = grid - _CANVAS / 2
    smooth = random.uniform(6, 12)
    bend = ndimage.gaussian_filter(random.normal(0, 1, grid.shape), (0, smooth, smooth))
    bend *= random.uniform(1, 4) / bend.std()
    places = np.tensordot(linear, centred, 1) + _CANVAS / 2 + bend
    blurred = ndimage.gaussian_filter(
        ndimage.map_coordinates(glyph, places, order=1), random.uniform(1.5, 2.5)
    )
    level = random.uniform(0.12, 0.4) * blurred.max()
    return np.clip(8 * (blurred - level) + 0.5, 0, 1)


def _placed(ink: Floats) -> npt.NDArray[np.uint8]:
    """Scaled into 20 x 20 pixels, the centre of mass in the middle of uint8 [28, 28]."""
    rows, columns = (np.flatnonzero(ink.max(axis) > 0.5) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _BOX / max(cut.shape)
    size = (max(1, round(scale * cut.shape[1])), max(1, round(scale * cut.shape[0])))
    small = Image.fromarray((255 * cut).astype(np.uint8)).resize(size, Image.Resampling.LANCZOS)
    middle = ndimage.center_of_mass(np.asarray(small, dtype=np.float64))
    picture = Image.new("L", (_SIDE, _SIDE))
    corner = [round(_SIDE / 2 - 0.5 - value) for value in reversed(middle)]
    picture.paste(small, (corner[0], corner[1]))
    return np.asarray(picture)
