"""Letters that look like others, and characters that do not show: what they are read as."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["as_read", "looks_like_another"]

_MARKS = re.compile("[\u0300-\u036f]")
# Cyrillic and Greek letters that look like Latin ones; capitals as well, which look like others than their small forms.
_SMALL = str.maketrans("аеорсухіјѕһԁԛԝӏαεορυνικτχγω", "aeopcyxijshdqwlaeopuviktxyw")
_CAPITALS = str.maketrans("АВЕКМНОРСТХУІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTXYIJSABEZHIKMNOPTYX")


def as_read(text: str, *, capitals: bool = False) -> str:
    """In small letters without accents or characters that do not show, those that look like Latin ones as these.

    Args:
        text: anything.
        capitals: also those that look like Latin capitals; a capital and its small letter may then part.

    >>> as_read("Gо\u200bоd, gööd"), as_read("СIFАR", capitals=True)
    ('good, good', 'cifar')
    """
    text = unicodedata.normalize("NFKD", text)
    text = _MARKS.sub("", (text.translate(_CAPITALS) if capitals else text).casefold())
    return "".join(c for c in text if c.isascii() or unicodedata.category(c) != "Cf").translate(_SMALL)


def looks_like_another(name: str) -> bool:
    """Whether a name reads as a Latin one and is none: not for accents, but for letters that pass for others.

    >>> [looks_like_another(name) for name in ("cifar10", "cif\u0430r10", "données", "кошки")]
    [False, True, False, False]
    """
    plain = _MARKS.sub("", unicodedata.normalize("NFD", name))
    return not plain.isascii() and as_read(name, capitals=True).isascii()
