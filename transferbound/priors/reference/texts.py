"""Packaged plain English: sentences, and paragraphs put together from them.

``sentences.txt.gz`` was made of WordNet 3.0 (Princeton University; Debian's package wordnet-base, its files data.noun,
.verb, .adj and .adv in this order). Of each gloss the examples in double quotes were taken, but not those with an
author's name after them; those of 4 to 30 words, of ASCII letters, digits and plain punctuation alone, the first with
its words, and free of a short list of words that hurt: 32,763 were left. Of these the file holds number
``i * 32763 // 4000`` for i from 0 to 3,999, sorted. The licence is beside it: ``LICENSE.WordNet``.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib import resources

from transferbound.errors import ArgumentError
from transferbound.streams import below

__all__ = ["plain_sentences", "plain_texts"]

_PARAGRAPH = (3, 6)
_SEED = 0


@cache
def plain_sentences() -> tuple[str, ...]:
    """The 4,000 packaged sentences and phrases of 4 to 30 words, sorted."""
    packed = (resources.files(__package__) / "sentences.txt.gz").read_bytes()
    return tuple(gzip.decompress(packed).decode("ascii").splitlines())


def plain_texts(sentences: int, paragraphs: int) -> list[str]:
    """Sentences, spread evenly over the packaged ones, then paragraphs of 3 to 6 others of them.

    A paragraph has capitals and full stops, a sentence is left as it stands: rows of a task are written both ways.

    Args:
        sentences: how many, at most 2,000: the even ones of the file. The odd ones are in paragraphs.
        paragraphs: how many.

    Raises:
        ArgumentError: a number out of range.
    """
    rows = plain_sentences()
    alone, together = rows[::2], rows[1::2]
    if not 0 <= sentences <= len(alone):
        raise ArgumentError(f"sentences is {sentences}; there are {len(alone):,} of them")
    if paragraphs < 0:
        raise ArgumentError(f"paragraphs is {paragraphs}; it must not be negative")
    least, most = _PARAGRAPH
    lengths = least + below(_SEED, "reference/lengths", 0, paragraphs, most - least + 1)
    chosen = below(_SEED, "reference/sentences", 0, paragraphs * most, len(together)).reshape(-1, most)
    return [
        *(alone[place * len(alone) // sentences] for place in range(sentences)),
        *(
            " ".join(_sentence(together[place]) for place in places[:length])
            for places, length in zip(chosen, lengths, strict=True)
        ),
    ]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
