"""Which of ImageNet-1k's classes a data set's class name stands for, by WordNet's nouns.

``imagenet_nouns.txt.gz`` was made by ``benchmarks/imagenet_nouns.py`` of WordNet 3.0 (Princeton University; Debian's
package wordnet-base; its licence is ``transferbound/priors/reference/LICENSE.WordNet``) and timm's list of the 1,000
synsets. It is text, a line for each of the synsets and of all hypernyms above them, in the order of their numbers. A
line has six fields with tabs between them, those that hold several things with commas between these:

1. the synset's number, such as n02121620;
2. its class, from 0 to 999, or nothing;
3. the numbers of its hypernyms;
4. its words: lower case, hyphens as spaces, none with a digit. Of a word with several senses here, it is the first;
5. its words whose first sense here is another line's;
6. other words whose first sense is an animal, a thing, a plant, food, a place, a part of the body or a person, and this
   its nearest hypernym here. An animal's sense goes before food's and those of other kinds. No names in Latin; none for
   a hypernym that is one of WordNet's most general synsets, other than a person, or has more than 60 classes below.

The last line has no number: its words are names of several words that stand for nothing here, though their last would.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources

__all__ = ["CLASSES", "MOST_CLASSES", "answers_imagenet", "imagenet_classes", "spelled", "stands_for"]

CLASSES = 1000
MOST_CLASSES = 60  # below the hypernym that a word takes for want of classes of its own

_LONGEST = 40  # characters of a name
_AGREEING = 0.95  # of a head's names
_BETWEEN = re.compile(r"[/,;()]|\sor\s")
_NUMBERED = re.compile(r"(class|label|category|target)?[\W_]*\d+", re.IGNORECASE)
_Found = tuple[tuple[int, ...], bool]  # classes, and whether they are a hypernym's


@cache
def _nouns() -> tuple[dict[str, _Found], list[set[str]]]:
    """What each word stands for, and the words and the number of each class."""
    packed = (resources.files(__package__) / "imagenet_nouns.txt.gz").read_bytes()
    lines = [line.split("\t") for line in gzip.decompress(packed).decode("ascii").splitlines()]
    parents = {line[0]: line[2].split(",") for line in lines if line[2]}
    below: dict[str, set[int]] = {line[0]: set() for line in lines}
    called: list[set[str]] = [set() for _ in range(CLASSES)]
    for number, place, _, words, also, _ in lines:
        if place:
            called[int(place)] = {number, *words.split(","), *also.split(",")} - {""}
            above = [number]
            while above:
                synset = above.pop()
                below[synset].add(int(place))
                above += parents.get(synset, ())
    found: dict[str, _Found] = {}
    for number, _, _, words, _, near in lines:
        own = tuple(sorted(below[number]))
        found |= dict.fromkeys(words.split(","), (own, False)) | dict.fromkeys(near.split(","), (own, True))
    del found[""]
    return found, called


def imagenet_classes(name: str) -> tuple[int, ...]:
    """The classes of ImageNet-1k that a word stands for: those below it, or else below its nearest hypernym.

    Of several words with a slash, a comma, a bracket or "or" between them, the first one counts that has classes of
    its own. A name of several words that WordNet does not know is what its last words are.

    Args:
        name: as a data set gives it, such as "T-shirt/top" or "polar_bears".

    Returns:
        Classes from 0 to 999, ascending; none where WordNet does not know the name as such a thing, where its nearest
        hypernym is too general, or where it is no name: longer than 40 characters, or without a letter.

    >>> imagenet_classes("frog"), imagenet_classes("Ankle boots"), imagenet_classes("42")
    ((30, 31, 32), (514,), ())
    """
    return _looked_up(name)[0]


def stands_for(names: Sequence[str]) -> list[tuple[int, ...]]:
    """What :func:`imagenet_classes` gives for each of a data set's class names, but as good as no class twice.

    A class that two names have stays with the one that has it as its own, not a hypernym's; of two such names, or of
    two hypernyms', with the one that has fewer classes in all; and with both where these are as many.

    Args:
        names: the declared classes in their order.

    Returns:
        The classes of each name, ascending.

    >>> stands_for(["animal", "frog", "cube"])[1:]
    [(30, 31, 32), ()]
    """
    held = [_looked_up(name) for name in names]
    best: dict[int, tuple[bool, int]] = {}
    for own, climbed in held:
        best |= {place: min((climbed, len(own)), best.get(place, (True, CLASSES))) for place in own}
    return [tuple(place for place in own if best[place] == (climbed, len(own))) for own, climbed in held]


def answers_imagenet(num_classes: int, names: Sequence[str] | None) -> bool:
    """Whether a checkpoint's head answers with the classes of ImageNet-1k in their usual order.

    Args:
        num_classes: of the head.
        names: of its classes in their order, if it has any: words, several with commas between them, or synsets'
            numbers. Such as "LABEL_0" or "0" count as none.

    Returns:
        Whether there are 1,000 classes, and either no names or at least 95 % of them are the classes' own.

    >>> answers_imagenet(1000, None), answers_imagenet(1000, ["cat"] * 1000), answers_imagenet(10, None)
    (True, False, False)
    """
    if names is None or num_classes != CLASSES or len(names) != CLASSES:
        return names is None and num_classes == CLASSES
    agreeing = sum(
        not own.isdisjoint(spelled(part) for part in (name, *name.split(",")))
        for name, own in zip(names, _nouns()[1], strict=True)
    )
    return agreeing >= _AGREEING * CLASSES or all(_NUMBERED.fullmatch(name.strip()) for name in names)


def spelled(name: str) -> str:
    """A word as it is written in the file: lower case, with one space for underscores and hyphens."""
    return " ".join(re.sub(r"[_\-]", " ", name.casefold()).split())


def _looked_up(name: str) -> _Found:
    nothing: _Found = ((), True)
    if len(name) > _LONGEST or not any(letter.isalpha() for letter in name):
        return nothing
    found = _nouns()[0]
    results = []
    for part in _BETWEEN.split(name.replace("_", " ")):
        words = spelled(part).split()
        ends = [" ".join(words[start:]) for start in range(len(words))]
        forms = [form for end in ends for form in (end, *_singular(end))]
        results.append(next((found[form] for form in forms if form in found), nothing))
    return min((result for result in results if result[0]), key=lambda result: result[1], default=nothing)


def _singular(word: str) -> list[str]:
    endings = {"s": "", "es": "", "ies": "y"}
    return [word.removesuffix(end) + rest for end, rest in endings.items() if word.endswith(end)]
