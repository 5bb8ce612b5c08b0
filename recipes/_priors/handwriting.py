"""Digits as people's hands draw them: fonts made after handwriting, bent and thickened. No data set is read.

The fonts come from npm (``@fontsource/NAME``, under the SIL Open Font License 1.1, or the Apache License 2.0 where
the package says so) and from matplotlib; they are no part of this project. Each picture takes a glyph, turns, shears,
stretches and bends it, gives it a pen of another width, and places it as the digits of MNIST are said to be placed
(LeCun et al. 1998): 20 pixels high or wide, the centre of mass in the middle of 28 x 28.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from transferbound.errors import DataError

__all__ = ["HANDS", "PRINTED", "digit_glyphs", "drawn_digits"]

HANDS = (
    *(
        "amatic-sc",
        "annie-use-your-telescope",
        "architects-daughter",
        "bad-script",
        "balsamiq-sans",
        "caveat",
    ),
    *("caveat-brush", "cedarville-cursive", "comic-neue", "covered-by-your-grace", "delicious-handrawn"),
    *("delius", "gloria-hallelujah", "gochi-hand", "handlee", "happy-monkey", "homemade-apple"),
    *("indie-flower", "itim", "kalam", "liu-jian-mao-cao", "long-cang", "mansalva", "marck-script"),
    *("nanum-brush-script", "nanum-pen-script", "neucha", "patrick-hand", "permanent-marker"),
    *("playpen-sans", "poor-story", "reenie-beanie", "rock-salt", "schoolbell", "shadows-into-light"),
    *("shantell-sans", "short-stack", "sriracha", "sue-ellen-francisco", "swanky-and-moo-moo"),
    *("the-girl-next-door", "yomogi", "yusei-magic", "zen-kurenaido", "zhi-mang-xing"),
)
"""Packages ``@fontsource/NAME`` of fonts made after handwriting; of each the weights 300, 400 and 700 that it has."""

PRINTED = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic"),
    *("STIXGeneral", "STIXGeneralItalic", "cmr10", "cmss10", "cmti10"),
)
"""Fonts that matplotlib brings."""

_WEIGHTS = (300, 400, 700)
_CANVAS, _GLYPH, _POINTS = 64, 42, 160
_BOX, _SIDE = 20, 28
_BATCH = 128


def digit_glyphs(fonts: Path) -> npt.NDArray[np.uint8]:
    """Every font's ten digits, [F, 10, 64, 64], from 0 (paper) to 255, the longer side 42 pixels.

    Args:
        fonts: folder in which npm has installed the packages of :data:`HANDS`.

    Raises:
        DataError: a package is not there, or not one of its files is of a weight that is used.
    """
    paths = [path for name in HANDS for path in _files(fonts, name)]
    printed = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    paths += [printed / f"{name}.ttf" for name in PRINTED]
    return np.stack([np.stack([_glyph(path, str(digit)) for digit in range(10)]) for path in paths])


def drawn_digits(
    glyphs: npt.NDArray[np.uint8], rows: int, seed: int = 0
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """``rows`` pictures, uint8 [rows, 28, 28], and which digit each is; ``glyphs`` as of :func:`digit_glyphs`."""
    pictures = np.empty((rows, _SIDE, _SIDE), dtype=np.uint8)
    labels = np.random.default_rng(seed).integers(10, size=rows)
    random = torch.Generator().manual_seed(seed)
    for start in tqdm(range(0, rows, _BATCH), desc="drawing digits", unit="batch"):
        some = labels[start : start + _BATCH]
        font = torch.randint(len(glyphs), (len(some),), generator=random).numpy()
        ink = torch.from_numpy(glyphs[font, some]).float() / 255
        drawn = _placed(_penned(_bent(ink, random), random))
        pictures[start : start + _BATCH] = (255 * drawn.clamp(0, 1)).round().numpy()
    return pictures, labels


def _files(fonts: Path, name: str) -> Iterator[Path]:
    folder = fonts / "node_modules" / "@fontsource" / name / "files"
    found = [folder / f"{name}-latin-{weight}-normal.woff" for weight in _WEIGHTS]
    if not any(path.exists() for path in found):
        packages = " ".join(f"@fontsource/{each}" for each in HANDS)
        raise DataError(
            f"{fonts} has no font {name}; install all with: npm install --ignore-scripts --prefix {fonts} {packages}"
        )
    return (path for path in found if path.exists())


def _glyph(path: Path, letter: str) -> npt.NDArray[np.uint8]:
    large = Image.new("L", (3 * _POINTS, 3 * _POINTS))
    font = ImageFont.truetype(str(path), _POINTS)
    ImageDraw.Draw(large).text((1.5 * _POINTS, 1.5 * _POINTS), letter, fill=255, font=font, anchor="mm")
    cut = large.crop(large.getbbox())
    scale = _GLYPH / max(cut.size)
    small = cut.resize(
        (max(1, round(scale * cut.width)), max(1, round(scale * cut.height))), Image.Resampling.BOX
    )
    canvas = Image.new("L", (_CANVAS, _CANVAS))
    canvas.paste(small, ((_CANVAS - small.width) // 2, (_CANVAS - small.height) // 2))
    return np.asarray(canvas)


def _bent(ink: Tensor, random: torch.Generator) -> Tensor:
    """[B, 64, 64], each turned, sheared and stretched, and bent by a smooth field of its own."""

    def normal(deviation: float) -> Tensor:
        return deviation * torch.randn(len(ink), generator=random)

    turn, shear = normal(0.13), normal(0.22)
    broad, tall = normal(0.14).exp(), normal(0.14).exp()
    c, s, zero = turn.cos(), turn.sin(), torch.zeros(len(ink))
    first = torch.stack([c * broad, (c * shear - s) * tall, zero], 1)
    second = torch.stack([s * broad, (s * shear + c) * tall, zero], 1)
    size = [len(ink), 1, _CANVAS, _CANVAS]
    places = functional.affine_grid(torch.stack([first, second], 1), size, align_corners=False)
    cells = int(torch.randint(3, 7, (), generator=random))
    field = functional.interpolate(
        torch.randn(len(ink), 2, cells, cells, generator=random),
        size=(_CANVAS, _CANVAS),
        mode="bicubic",
        align_corners=True,
    )
    pixels = 0.5 + 2.5 * torch.rand(len(ink), generator=random)
    places = places + (field * (2 * pixels / _CANVAS)[:, None, None, None]).permute(0, 2, 3, 1)
    return functional.grid_sample(ink[:, None], places, align_corners=False)[:, 0]


def _penned(ink: Tensor, random: torch.Generator) -> Tensor:
    """Blurred, and cut at a level that makes strokes thinner or thicker."""
    deviation = 1.0 + 1.3 * float(torch.rand((), generator=random))
    reach = int(3 * deviation + 1)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1).float() ** 2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    blurred = functional.conv2d(ink[:, None], kernel[None, None, :, None], padding=(reach, 0))
    blurred = functional.conv2d(blurred, kernel[None, None, None, :], padding=(0, reach))[:, 0]
    level = 0.12 + 0.38 * torch.rand(len(ink), 1, 1, generator=random)
    return (6 * (blurred / blurred.amax((1, 2), keepdim=True) - level) + 0.5).clamp(0, 1)


def _placed(ink: Tensor) -> Tensor:
    """[B, 64, 64] to [B, 28, 28]: the longer side 20 pixels, the centre of mass in the middle."""
    place = torch.arange(_CANVAS).float()
    lengths, middles = [], []
    for axis in (1, 2):  # sums over rows leave columns, which are x
        on = (ink > 0.5).any(axis)
        last = torch.where(on, place, torch.tensor(-1.0)).amax(1)
        lengths.append(last - torch.where(on, place, torch.tensor(float(_CANVAS))).amin(1) + 1)
        along = ink.sum(axis)
        middles.append((along * (place + 0.5)).sum(1) / along.sum(1))
    zoom = torch.maximum(*lengths) * _SIDE / _BOX / _CANVAS
    x, y = (2 * middle / _CANVAS - 1 for middle in middles)
    zero = torch.zeros_like(zoom)
    maps = torch.stack([torch.stack([zoom, zero, x], 1), torch.stack([zero, zoom, y], 1)], 1)
    size = [len(ink), 1, 2 * _SIDE, 2 * _SIDE]
    places = functional.affine_grid(maps, size, align_corners=False)
    large = functional.grid_sample(ink[:, None], places, align_corners=False)
    return functional.avg_pool2d(large, 2)[:, 0]
