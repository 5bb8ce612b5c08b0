"""The 50,000 reviews of IMDb that come without labels: their sentences, and whether a review liked its film.

Sentences with a run of five words that other reviews have too ("one of the best films of") are left out: they would be
found again in any data set of reviews. What a review thinks is read off the stars that it names ("8/10"). Those that
name none are judged by a linear model of words and pairs of words, fitted to those that do; the quarters that it likes
most and least are kept. No row of a task takes part.
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

from transferbound.data import Examples
from transferbound.errors import DataError

_FEWEST = 8  # reviews with stars of each kind, and 16 times as many sentences
_KEPT = (0.25, 0.75)  # quantiles of what the model makes of reviews without stars
_MOST_WORDS, _MEAN_WORDS, _WHOLE = 40, 6, 0.35  # of a phrase; the share of whole sentences among the phrases
_STRONGEST, _WEAKEST = 1.5, 0.1  # log-odds of a sentence: more of them does not make it drawn more often
_RUN, _STOCK, _BUCKETS = 5, 5, 2**25  # words in a row, in so many reviews: a stock phrase, counted by hashing
_CHUNK = 5_000

_STARS = re.compile(r"(?<![\d/.])(10|[0-9](?:\.\d)?)\s*(?:/|out of)\s*(?:10|ten)\b", re.IGNORECASE)
_BREAK = re.compile(r"(?<=[.!?;])\s+|<br />|\s-+\s")


@dataclass(frozen=True)
class Reviews:
    """All sentences, but those that name stars or hold a stock phrase.

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


def phrases(reviews: Reviews, count: int) -> list[tuple[str, int]]:
    """``count`` sentences and parts of sentences, each with 1 or 0: whether its review liked the film.

    Sentences that the linear model is sure of, either way, are drawn more often, whether or not it agrees with the
    review; both classes equally often.

    Raises:
        DataError: too few reviews name stars.
    """
    liked, strength = _judged(reviews)
    positive, negative = (liked[reviews.of] == value for value in (1, 0))
    weights = strength.clip(max=_STRONGEST) + _WEAKEST
    weights = np.where(positive, weights / weights[positive].sum(), weights / weights[negative].sum())
    weights[~positive & ~negative] = 0
    random = np.random.default_rng(0)
    drawn = random.choice(len(weights), count, p=weights / weights.sum())
    return [(_phrase(reviews.sentences[i], random), int(positive[i])) for i in drawn]


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
        counts.data = (shared[counts.indices] >= _STOCK).astype(np.float32)
        found.append(counts.max(axis=1).toarray().ravel() > 0)
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)


def _sentences(review: str) -> Iterator[str]:
    for part in _BREAK.split(review):
        sentence = " ".join(part.split())
        if len(sentence) > 3 and not _STARS.search(sentence):
            yield sentence


def _phrase(sentence: str, random: np.random.Generator) -> str:
    """The sentence, or some words of it that stand together."""
    words = sentence.split()
    if random.random() < _WHOLE:
        return " ".join(words[:_MOST_WORDS])
    length = int(random.geometric(1 / _MEAN_WORDS))
    start = int(random.integers(0, max(1, len(words) - length + 1)))
    return " ".join(words[start : start + length])


def _judged(reviews: Reviews) -> tuple[np.ndarray, np.ndarray]:
    """1, 0 or nan for each review, and for each sentence the absolute log-odds of the linear model."""
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
    named = np.flatnonzero(~np.isnan(stars))
    texts = tqdm(reviews.texts(), total=len(stars), desc="reading words", unit="review")
    features: csr_matrix = words.fit_transform(texts)
    model = LogisticRegression(C=10, max_iter=200, class_weight="balanced")
    model.fit(features[named], stars[named])
    odds = model.decision_function(features)
    low, high = np.quantile(odds, _KEPT)
    judged = np.where(odds >= high, 1.0, np.where(odds <= low, 0.0, np.nan))
    judged[named] = stars[named]
    parts = [words.transform(chunk) @ model.coef_[0] for chunk in _chunks(reviews.sentences)]
    return judged, np.abs(np.concatenate(parts))


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[i : i + _CHUNK] for i in range(0, len(texts), _CHUNK))
