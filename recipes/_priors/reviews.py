"""The 50,000 reviews of IMDb that come without labels: their sentences, and whether a review liked its film.

Sentences with a run of five words that other reviews have too ("one of the best films of") are left out: they would be
found again in any data set of reviews; so would those of fewer than five words ("good film"). What a review thinks is
read off the stars that it names ("8/10"). Those that name none are judged by a linear model of words and pairs of
words, fitted to those that do, and then, a few times over, also to those of which it is most sure. No row of a task
takes part.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from transferbound.data.examples import Examples
from transferbound.errors import DataError

_FEWEST = 8  # reviews with stars of each kind, and 16 times as many sentences
_ROUNDS = (0.3, 0.4, 0.5, 0.6)  # share of the reviews without stars that the model is next fitted to
_WEIGHT = 0.5  # of one of them, against one with stars
_UNSURE = 0.2  # reviews whose probability is nearer than this to the median are left out
_STARRED = (0.05, 0.95)  # probability of a review that names few or many stars
_MOST_WORDS, _MEAN_WORDS, _WHOLE = 40, 6, 0.35  # of a phrase; the share of whole sentences among the phrases
_RUN, STOCK, _BUCKETS = 5, 5, 2**25  # words in a row, in so many reviews: a stock phrase, counted by hashing
_FEWEST_WORDS = 5  # of a sentence: shorter ones are anybody's
_CHUNK = 5_000

_STARS = re.compile(r"(?<![\d/.])(10|[0-9](?:\.\d)?)\s*(?:/|out of)\s*(?:10|ten)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_BREAK = re.compile(r"(?<=[.!?;])\s+|<br />|\s-+\s")


@dataclass(frozen=True)
class Reviews:
    """All sentences, but short ones and those that name stars or hold a stock phrase.

    Attributes:
        sentences: S of them, in order.
        of: int [S], the review that each is from.
        liked: float [R], 1 or 0 by the stars of each of the R reviews, or nan.
        digest: of the reviews as they came.
    """

    sentences: list[str]
    of: np.ndarray
    liked: np.ndarray
    digest: str

    def texts(self) -> Iterator[str]:
        """Each review, of its sentences."""
        ends = np.searchsorted(self.of, np.arange(len(self.liked) + 1))
        return (" ".join(self.sentences[a:b]) for a, b in itertools.pairwise(ends))


def read(source: Examples) -> Reviews:
    """All reviews of a data set.

    Raises:
        DataError: too few sentences to learn from.
    """
    found: list[list[str]] = []
    liked: list[float] = []
    digest = hashlib.sha256()
    for (text,) in tqdm(source.text_rows(), total=source.n, desc="reading reviews", unit="review"):
        digest.update(text.encode() + b"\0")
        stars = likes(text)
        liked.append(np.nan if stars is None else stars)
        found.append(list(_sentences(text)))
    sentences = list(itertools.chain.from_iterable(found))
    of = np.repeat(np.arange(len(found)), [len(one) for one in found])
    kept = np.flatnonzero(~_stock(found, sentences))
    if len(kept) < 16 * _FEWEST:
        raise DataError(f"{source.name} has {len(kept)} sentences of its own: too few to train on")
    return Reviews([sentences[i] for i in kept], of[kept], np.array(liked), digest.hexdigest())


def likes(review: str) -> int | None:
    """1 or 0 by the stars that the writer gives, where there is one figure and it is clear."""
    stars = {float(found) for found in _STARS.findall(review)}
    if len(stars) != 1:
        return None
    value = stars.pop()
    return 1 if value >= 7 else 0 if value <= 4 else None


def plain(reviews: Reviews, count: int) -> list[str]:
    """Sentences of 8 to 45 words, at random: at most ``count``."""
    fit = [text for text in reviews.sentences if 8 <= len(text.split()) <= 45]
    chosen = np.random.default_rng(0).permutation(len(fit))[:count]
    return [fit[i] for i in chosen]


def phrases(reviews: Reviews, count: int) -> list[tuple[str, float]]:
    """``count`` sentences and parts of sentences, each with the probability that its review liked the film.

    The reviews are drawn evenly, and of each its sentences; those of which it is hard to say what they think are not.

    Raises:
        DataError: too few reviews name stars.
    """
    liked = _judged(reviews)
    ends = np.searchsorted(reviews.of, np.arange(len(liked) + 1))
    clear = np.flatnonzero(~np.isnan(liked) & (np.diff(ends) > 0))
    random = np.random.default_rng(0)
    drawn = random.choice(clear, count)
    sentences = random.integers(ends[drawn], ends[drawn + 1])
    return [
        (_phrase(reviews.sentences[i], random), float(liked[review]))
        for i, review in zip(sentences, drawn, strict=True)
    ]


def _stock(reviews: Sequence[Sequence[str]], sentences: Sequence[str]) -> np.ndarray:
    """bool [S]: which sentences hold a run of words that many reviews share."""
    runs = HashingVectorizer(
        ngram_range=(_RUN, _RUN),
        binary=True,
        norm=None,
        alternate_sign=False,
        n_features=_BUCKETS,
        token_pattern=r"\w+",
        dtype=np.float32,
    )
    shared = np.zeros(_BUCKETS, dtype=np.float32)
    texts = ["\n".join(one) for one in reviews]
    for chunk in tqdm(list(_chunks(texts)), desc="looking for stock phrases", unit="chunk"):
        counts = runs.transform(chunk)
        np.add.at(shared, counts.indices, 1)
    found = []
    for chunk in _chunks(sentences):
        counts = runs.transform(chunk)
        counts.data = (shared[counts.indices] >= STOCK).astype(np.float32)
        found.append(counts.max(axis=1).toarray().ravel() > 0)
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)


def _sentences(review: str) -> Iterator[str]:
    for part in _BREAK.split(review):
        sentence = " ".join(part.split())
        if len(_WORD.findall(sentence)) >= _FEWEST_WORDS and not _STARS.search(sentence):
            yield sentence


def _phrase(sentence: str, random: np.random.Generator) -> str:
    """The sentence, or some words of it that stand together."""
    words = sentence.split()
    if random.random() < _WHOLE:
        return " ".join(words[:_MOST_WORDS])
    length = int(random.geometric(1 / _MEAN_WORDS))
    start = int(random.integers(0, max(1, len(words) - length + 1)))
    return " ".join(words[start : start + length])


def _judged(reviews: Reviews) -> np.ndarray:
    """[R]: the probability that each review liked its film, or nan."""
    stars = reviews.liked
    if min((stars == 0).sum(), (stars == 1).sum()) < _FEWEST:
        raise DataError(
            f"{(stars == 1).sum()} reviews name many stars and {(stars == 0).sum()} few: too few to train on"
        )
    words = TfidfVectorizer(
        ngram_range=(1, 2),
        min_df=5,
        max_features=300_000,
        sublinear_tf=True,
        token_pattern=r"\b\w[\w']*\b|[!?]",
    )
    texts = tqdm(reviews.texts(), total=len(stars), desc="reading words", unit="review")
    features: csr_matrix = words.fit_transform(texts)
    named, others = np.flatnonzero(~np.isnan(stars)), np.flatnonzero(np.isnan(stars))
    sure, says = others[:0], stars[:0]
    for share in tqdm((*_ROUNDS, 0.0), desc="judging reviews", unit="round"):
        model = LogisticRegression(C=3 if len(sure) else 10, max_iter=200, class_weight="balanced")
        rows, labels = np.concatenate([named, sure]), np.concatenate([stars[named], says])
        weights = np.concatenate([np.ones(len(named)), np.full(len(sure), _WEIGHT)])
        probability = model.fit(features[rows], labels, weights).predict_proba(features)[:, 1]
        middle = np.median(probability[others]) if len(others) else 0.5
        order = np.argsort(-np.abs(probability[others] - middle))
        sure = others[order[: int(share * len(others))]]
        says = (probability[sure] > middle).astype(float)
    judged = np.where(np.abs(probability - middle) < _UNSURE, np.nan, probability)
    judged[named] = np.where(stars[named] == 1, _STARRED[1], _STARRED[0])
    return judged


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[i : i + _CHUNK] for i in range(0, len(texts), _CHUNK))
