"""Texts that are other texts in disguise: other case, punctuation or look-alike letters, words put in or moved."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from transferbound.independence.letters import as_read
from transferbound.independence.word_runs import gram_hashes, word_hashes

__all__ = ["FEWEST_WORDS", "near_texts", "plain_words"]

FEWEST_WORDS = 8
"""Shorter texts recur by chance: they have no near duplicates."""

_GRAM = 5
_SHARE = 0.6
_HELD = 0.85
_FEWEST_DISTINCT = 6
_LONGER = 2
_MOST = 200
"""Texts with one word that are looked at: of words that more texts have, the first."""

_WORD = re.compile(r"\w+")


def plain_words(text: str) -> str:
    """The words alone: case, punctuation, accents, characters that do not show, and letters that look like Latin ones
    aside.

    >>> plain_words("A  Gооd\u200b, gööd film!")
    'a good good film'
    """
    return " ".join(_WORD.findall(as_read(text)))


def near_texts(rows: Sequence[str], others: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which of ``rows`` nearly stand in ``others``, each as :func:`plain_words` has it.

    At least 60 % of a row's runs of five words stand there, anywhere; or at least 85 % of its different words
    stand in one text of at most twice as many.

    Returns:
        bool [n] near; bool [n] long enough to be compared.
    """
    mine, theirs = word_hashes(rows), word_hashes(others)
    long_enough = np.diff(mine[1]) >= FEWEST_WORDS
    near = long_enough & _share_runs(mine, theirs)
    near[long_enough & ~near] = _are_held(mine, theirs, np.flatnonzero(long_enough & ~near))
    return near, long_enough


_Words = tuple[np.ndarray, np.ndarray]  # hashes of all words, end to end; where each text begins


def _share_runs(mine: _Words, theirs: _Words) -> np.ndarray:
    grams, starts = gram_hashes(*mine, _GRAM)
    seen, _ = gram_hashes(*theirs, _GRAM)
    hit = np.isin(grams, np.unique(seen))
    n = len(mine[1]) - 1
    row_of = np.searchsorted(mine[1], starts, side="right") - 1
    total = np.bincount(row_of, minlength=n)
    shared: np.ndarray = np.bincount(row_of, weights=hit, minlength=n) >= _SHARE * np.maximum(total, 1)
    return shared


def _are_held(mine: _Words, theirs: _Words, rows: np.ndarray) -> np.ndarray:
    """bool [rows]: whether one of their texts holds most words of a row, and few others.

    A text that lacks at most m of the words has one of the row's m + 1 rarest: only such texts are looked at.
    """
    found = np.zeros(len(rows), dtype=bool)
    known, codes = np.unique(theirs[0], return_inverse=True)
    if not len(known):
        return found
    n = len(theirs[1]) - 1
    # Words, and the texts that they stand in: each pair once, by word and by text.
    word, text = np.divmod(np.unique(codes * n + np.repeat(np.arange(n), np.diff(theirs[1]))), n)
    begins = np.searchsorted(word, np.arange(len(known) + 1))
    by_text = word[np.argsort(text, kind="stable")]
    texts = np.concatenate(([0], np.cumsum(np.bincount(text, minlength=n))))
    sizes = np.diff(texts)
    is_mine = np.zeros(len(known), dtype=bool)
    for place, row in enumerate(rows):
        words = np.unique(mine[0][mine[1][row] : mine[1][row + 1]])
        at = np.searchsorted(known, words)
        at = at[(at < len(known)) & (known[np.minimum(at, len(known) - 1)] == words)]
        need = int(np.ceil(_HELD * len(words)))
        if len(words) < _FEWEST_DISTINCT or len(at) < need:
            continue
        rare = at[np.argsort(begins[at + 1] - begins[at], kind="stable")][: len(at) - need + 1]
        there = np.unique(np.concatenate([text[begins[w] : begins[w + 1]][:_MOST] for w in rare]))
        there = there[(sizes[there] >= need) & (sizes[there] <= _LONGER * len(words))]
        is_mine[at] = True
        found[place] = any(is_mine[by_text[texts[t] : texts[t + 1]]].sum() >= need for t in there)
        is_mine[at] = False
    return found
