"""Does a model card say what its certificate says, where it is seen, and nothing that looks like it?

The text that we write has to stand first in the card, word for word, so that nothing before it can hide it; its last
sentence says that what follows is the author's. What follows may be plain Markdown of any kind that does not look
like ours. Of the metadata, the results are ours alone.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from transferbound.certificate.certificate import Certificate
from transferbound.certificate.schema import EXPORT_FILE
from transferbound.errors import CertificateError
from transferbound.report.card import CARD_FILE, LIBRARIES, card_metadata, card_text
from transferbound.report.metadata import AUTHORS_KEYS, metadata_texts, parse_metadata
from transferbound.storage.files import read_limited
from transferbound.wording import printable, shortened

__all__ = ["check_card"]

_MAX_CARD_BYTES = 2**20

_TELLING = 12  # characters of a line that anybody could write

_NUMBERS = re.compile(r"\d[\d,.]*")
_HTML = re.compile(r"<(?!https?://|mailto:)[A-Za-z/!?]")
_LIMIT = re.compile(r"\bat most\b|\b(no|not|never) (more|higher|greater|larger|above|worse|exceed)|≤|⩽|<=")
_PROMISE = re.compile(r"\b(bound(s|ed)?|guarante\w*|certif\w*|confidence|verified)\b")
_SHARE = re.compile(r"\d ?%|\bper ?cent\b|\b0?[.,]\d")


def check_card(folder: Path, certificate: Certificate) -> list[str]:
    """A line for each thing in the card that is not the certificate's and could be taken for it.

    A folder without a card has nothing to check.
    """
    if not (folder / CARD_FILE).exists():
        return []
    try:
        text = read_limited(folder / CARD_FILE, _MAX_CARD_BYTES, CertificateError).decode("utf-8")
        head, body = _parts(text.replace("\r\n", "\n").replace("\r", "\n"))
        stated = parse_metadata(head)
    except (CertificateError, ValueError) as error:
        return [
            f"{CARD_FILE} cannot be read as a model card: {printable(' '.join(str(error).split()))[:200]}"
        ]
    ours = parse_metadata(card_metadata(certificate.content).to_yaml())
    own = "\n" + card_text(certificate)
    # An exported model has the library that loads it.
    libraries = LIBRARIES if (folder / EXPORT_FILE).is_file() else LIBRARIES[:1]
    problems = _metadata_problems(stated, ours, libraries)
    if not body.startswith(own):
        return [*problems, _first_difference(body, own)]
    return problems + _author_problems(body[len(own) :], own)


def _parts(text: str) -> tuple[str, str]:
    """Metadata and text. Readers disagree on where metadata ends if a line only begins with dashes: it must not."""
    head, end, body = text.removeprefix("---\n").partition("\n---\n")
    if not text.startswith("---\n") or not end:
        raise ValueError("it does not begin with metadata between two lines of three dashes")
    if re.search(r"^(---|\.\.\.)", head, re.MULTILINE):
        raise ValueError("a line of the metadata begins with three dashes or dots")
    return head, body


def _metadata_problems(
    stated: dict[str, object], ours: dict[str, object], libraries: Sequence[str]
) -> list[str]:
    problems = []
    for key, value in ours.items():
        found = stated.get(key)
        if isinstance(value, list) and key != "model-index" and isinstance(found, list):
            agrees = all(item in found for item in value)
        else:
            agrees = found == value or (key == "license" and isinstance(found, str))
            agrees = agrees or (key == "library_name" and found in libraries)
        if not agrees:
            problems.append(
                f"{CARD_FILE} has other metadata under {key} than the certificate gives: {_quoted(repr(found))}; "
                "`transferbound card` writes it anew"
            )
    unknown = [key for key in stated if key not in ours and key not in AUTHORS_KEYS]
    problems += [f"{CARD_FILE} has metadata under the unknown key {_quoted(key)}" for key in unknown]
    texts = (
        text for key in stated if key not in ("model-index", *unknown) for text in metadata_texts(stated[key])
    )
    return problems + [_looks_like_ours(text) for text in texts if _is_claim(text)]


def _first_difference(body: str, own: str) -> str:
    """Where the text ceases to be ours, and what should stand there."""
    wanted, found = own.splitlines(), body.splitlines()
    place = next((i for i, line in enumerate(wanted) if found[i : i + 1] != [line]), len(wanted) - 1)
    lines = [found[place] if place < len(found) else "", wanted[place]]
    same = next((i for i, pair in enumerate(zip(*lines, strict=False)) if pair[0] != pair[1]), 0)
    is_there, must = (_quoted(line[max(0, same - 40) :]) for line in lines)
    return (
        f"{CARD_FILE} has a line with other words or numbers than the certificate: {is_there} where {must} must stand; "
        "`transferbound card` writes it anew"
    )


def _author_problems(text: str, own: str) -> list[str]:
    """What of an author's own text could be taken for ours, or could change how ours is shown."""
    if not text.strip():
        return []
    if not text.startswith("\n"):
        return [f"{CARD_FILE} goes on right below the certificate's text; leave a line between"]
    ours = {shape for line in own.splitlines() if len(shape := _shape(line)) > _TELLING}
    problems = []
    if markup := _HTML.search(text):
        line = text[text.rfind("\n", 0, markup.start()) + 1 :].partition("\n")[0]
        problems.append(f"{CARD_FILE} has HTML in its author's text: {_quoted(line)}; write Markdown")
    for line in text.splitlines():
        if _shape(line) in ours:
            problems.append(_looks_like_ours(line))
    for paragraph in re.split(r"\n\s*\n", text):
        if _is_claim(paragraph):
            problems.append(_looks_like_ours(paragraph.strip()))
    return problems


def _looks_like_ours(text: str) -> str:
    return (
        f"{CARD_FILE} says of its author's own what looks like the certificate's: {_quoted(text)}; a certificate says "
        "what is bounded and how, and a card repeats it"
    )


def _is_claim(text: str) -> bool:
    words = _read_aloud(text)
    return bool(_LIMIT.search(words) or (_PROMISE.search(words) and _SHARE.search(words)))


def _shape(line: str) -> str:
    """What two lines have in common that differ in markup and numbers alone."""
    return _NUMBERS.sub("#", _read_aloud(line))


def _read_aloud(text: str) -> str:
    """The words that a reader sees: without markup, odd letters and line breaks."""
    text = unicodedata.normalize("NFKC", html.unescape(text))
    text = "".join(c for c in text if c.isspace() or printable(c) == c)
    return " ".join(re.sub(r"[|#>]", " ", re.sub(r"[*_~`\\]", "", text)).split()).casefold()


def _quoted(text: str) -> str:
    return repr(shortened(printable(text), 120))
