"""Training rows in disguise among reference inputs: found in most disguises, and no others taken for them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import save_rows
from PIL import Image, ImageOps

from transferbound import LabelledData
from transferbound.errors import PriorIndependenceError
from transferbound.independence import pictures
from transferbound.independence.pictures import alike, thumbnails
from transferbound.independence.reference import searched_reference
from transferbound.independence.wordings import near_texts, plain_words


def smooth(n: int, seed: int, side: int = 28) -> list[Image.Image]:
    """Colour pictures that have shapes, as photographs have, and not noise alone."""
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)
    return [Image.fromarray(item).resize((side, side), Image.Resampling.BICUBIC) for item in pixels]


def _larger(image: Image.Image, side: int = 64) -> Image.Image:
    return image.resize((side, side), Image.Resampling.BICUBIC)


def _jpeg(image: Image.Image) -> Image.Image:
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=60)
    return Image.open(kept)


def _dotted(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putpixel((3, 3), (255, 0, 255))
    return image


PICTURES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as they are": lambda image: image,
    "larger": _larger,
    "smaller": lambda image: _larger(image, 20),
    "compressed": _jpeg,
    "grey": lambda image: image.convert("L"),
    "paler": lambda image: image.point(lambda value: value // 3 + 90),
    "darker": lambda image: image.point(lambda value: int(255 * (value / 255) ** 1.2)),
    "one pixel changed": _dotted,
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "turned": lambda image: image.rotate(90),
    "turned and mirrored": lambda image: ImageOps.mirror(image.rotate(90)),
    "inverted": ImageOps.invert,
    "all of it": lambda image: _jpeg(_larger(ImageOps.invert(ImageOps.mirror(image.rotate(90))))),
}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> LabelledData:
    rows = {"image": smooth(24, seed=0), "label": [i % 2 for i in range(24)]}
    return LabelledData.load(str(save_rows(tmp_path_factory.mktemp("photographs"), rows)))


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_in_disguise(name: str, photographs: LabelledData, tmp_path: Path) -> None:
    rows = [*smooth(40, seed=1), *map(PICTURES[name], photographs.images())]
    folder = str(save_rows(tmp_path / "unlabelled", {"image": rows}))
    with pytest.raises(
        PriorIndependenceError, match=r"2[0-4] of 24 training rows stand in the reference inputs"
    ):
        searched_reference(folder, photographs)


def test_other_pictures_are_not_taken_for_them(photographs: LabelledData, tmp_path: Path) -> None:
    folder = str(save_rows(tmp_path / "unlabelled", {"image": smooth(400, seed=1)}))
    found = searched_reference(folder, photographs).overlap
    assert found is not None
    assert found["rows"]["near_duplicates"] == 0
    assert found["verdict"] == "none found"


def test_nothing_is_lost_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alike are just those whose best correlation, of all pairs, is beyond the limit; whatever the sizes of pieces."""
    mine, others = smooth(90, seed=2), smooth(70, seed=3)
    for place in range(0, 70, 3):  # mixtures with one of mine, turned: on both sides of the limit
        share = 0.03 + 0.1 * (place / 70)
        others[place] = Image.blend(mine[place].rotate(90), others[place], share)
    a, b = thumbnails(mine), thumbnails(others)
    first, second = np.divmod(np.arange(90 * 70), 70)
    best = pictures._correlations(a[first], b[second]).reshape(90, 70).max(axis=1)
    wanted = best > pictures._CORRELATION
    assert 3 < wanted.sum() < 20
    for rows, theirs, pairs in ((2048, 4096, 16_384), (7, 11, 2)):
        monkeypatch.setattr(pictures, "_ROWS", rows)
        monkeypatch.setattr(pictures, "_OTHERS", theirs)
        monkeypatch.setattr(pictures, "_PAIRS", pairs)
        assert (alike(mine, others) == wanted).all()


def test_pictures_of_one_colour_are_like_nothing() -> None:
    plain = [Image.new("L", (8, 8), value) for value in (0, 90, 255)]
    assert not alike(plain, plain).any()
    assert not alike(smooth(3, seed=4), plain).any()
    assert alike([], plain).shape == (0,)
    assert not alike(plain, []).any()


SENTENCES = [
    f"the {a} {b} told us that nobody had seen her {c} since the long {d}"
    for a, b, c, d in zip(
        ["old", "young", "tired", "clever", "quiet", "angry"],
        ["farmer", "teacher", "sailor", "dentist", "painter", "singer"],
        ["horse", "letters", "boat", "garden", "brother", "piano"],
        ["winter", "strike", "war", "holiday", "march", "trial"],
        strict=True,
    )
]


def _with_words_put_in(text: str) -> str:
    words = text.split()
    return " ".join(f"{word} indeed" if place % 3 == 2 else word for place, word in enumerate(words))


MANY = " ".join(f"word{i}" for i in range(60))

TEXTS: dict[str, Callable[[str], str]] = {
    "as they are": str,
    "in capitals": str.upper,
    "punctuated": lambda text: "... " + text.replace(" ", ", ") + "!?",
    "blanks": lambda text: "\t" + text.replace(" ", " \u00a0\n "),
    "accents": lambda text: text.replace("e", "e\u0301"),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in text),
    "unseen characters": lambda text: text.replace("o", "\u200bo\u2060"),
    "other letters": lambda text: text.translate(str.maketrans("aeopc", "аеорс")),
    "words put in": _with_words_put_in,
    "words moved": lambda text: " ".join(sorted(text.split())),
    "a word left out": lambda text: text.replace("nobody ", ""),
    "inside a document": lambda text: f"{MANY} {text} {MANY[::-1]}",
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_in_disguise(name: str, tmp_path: Path) -> None:
    rows = {"text": SENTENCES, "label": [0, 1] * 3}
    data = LabelledData.load(str(save_rows(tmp_path / "task", rows)))
    others = [f"a picture of number {i} that hangs in the hall of the house" for i in range(30)]
    folder = str(save_rows(tmp_path / "unlabelled", {"text": [*others, *map(TEXTS[name], SENTENCES)]}))
    with pytest.raises(PriorIndependenceError, match="6 of 6 training rows stand in the reference inputs"):
        searched_reference(folder, data)


def test_words_among_too_many_others_are_no_copy() -> None:
    mine = [plain_words(text) for text in SENTENCES]

    def among(more: int) -> list[str]:
        return [" ".join([*text.split()[::-1], *(f"w{i}" for i in range(more))]) for text in mine]

    assert near_texts(mine, among(12))[0].all()
    near, long_enough = near_texts(mine, [*among(20), "the and of", ""])
    assert long_enough.all()
    assert not near.any()
    near, long_enough = near_texts(["", "one two", "the " * 20], mine)
    assert long_enough.tolist() == [False, False, True]
    assert not near.any()
    assert near_texts(mine, [])[0].tolist() == [False] * 6
