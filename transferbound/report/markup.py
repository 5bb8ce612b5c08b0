"""Words of others in our reports stand there as words, never as markup of the card, its metadata or its figure."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from transferbound.wording import printable, shortened

__all__ = ["code", "in_figure", "in_metadata", "plain", "table"]

_MOST = 1000  # characters of a sentence
_LONGEST_NAME = 200
_BLANK = "&#32;"

# What begins or ends something in Markdown or HTML, within a line. An underscore between two letters does not.
_MARKS = re.compile(r"[\\`*\[\]<>&|~$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)")
_AS_CODE = re.compile(r"[^`|\\ ]([^`|\\]*[^`|\\ ])?")


def plain(text: str) -> str:
    """A sentence for the text of a card: one line, and every mark a character reference.

    >>> plain("<b>1 %</b> of [me](you)")
    '&#60;b&#62;1 %&#60;/b&#62; of &#91;me&#93;(you)'
    """
    shown = shortened(printable(text), _MOST)
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", shown) if shown.strip() else _BLANK


def code(name: str) -> str:
    """A name for the text of a card, set off from the sentence around it.

    >>> code("train[:50%]"), code("a`b")
    ('`train[:50%]`', '"a&#96;b"')
    """
    name = shortened(printable(name), _LONGEST_NAME)
    return f"`{name}`" if _AS_CODE.fullmatch(name) else f'"{plain(name)}"'


def in_metadata(name: str) -> str:
    """A name for a card's metadata, which a page shows as text: no HTML, one line."""
    return html.escape(shortened(printable(name), _LONGEST_NAME), quote=False)


def in_figure(name: str) -> str:
    """A name for a label of a figure, where a pair of dollars would begin a formula."""
    return shortened(printable(name), 40).replace("$", r"\$")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown; its cells stand as they are given."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)
