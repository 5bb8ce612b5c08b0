"""Write the table of nouns that name ImageNet's classes anew. transferbound.priors.components.imagenet says its format.

Run: python benchmarks/imagenet_nouns.py --wordnet FOLDER [--out FILE]

FOLDER has WordNet 3.0's data.noun and index.noun: usr/share/wordnet of Debian's package wordnet-base.
"""

from __future__ import annotations

import argparse
import gzip
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from timm.data import ImageNetInfo

from transferbound.priors.components import imagenet
from transferbound.priors.components.imagenet import MOST_CLASSES, spelled

# The lexicographer files of animals, artifacts, parts of bodies, food, objects, people and plants.
ANIMAL, FOOD, KINDS = 5, 13, {5, 6, 8, 13, 17, 18, 20}
# The most general synsets, such as abstraction: a word does not stand for what is below, but for people.
TOPS, PERSON = 3, "n00007846"


class Synset(NamedTuple):
    kind: int
    lemmas: list[str]
    parents: list[str]
    instance: bool


def read_synsets(path: Path) -> dict[str, Synset]:
    synsets = {}
    for line in path.read_text("ascii").splitlines():
        if line.startswith(" "):
            continue
        offset, kind, _, count, *rest = line.split(" | ")[0].split()
        words, pointers = 2 * int(count, 16), {}
        for start in range(words + 1, len(rest), 4):
            symbol, target = rest[start : start + 2]
            if symbol in ("@", "@i"):
                pointers[f"n{target}"] = symbol
        synsets[f"n{offset}"] = Synset(int(kind), rest[:words:2], list(pointers), "@i" in pointers.values())
    return synsets


def read_senses(path: Path) -> dict[str, list[str]]:
    """The synsets of each word, the most frequent first."""
    senses: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text("ascii").splitlines():
        if not line.startswith(" "):
            lemma, _, count, *rest = line.split()
            senses[spelled(lemma)] += [f"n{offset}" for offset in rest[-int(count) :]]
    return {
        word: found
        for word, found in senses.items()
        if len(word) > 1 and not any(letter.isdigit() for letter in word)
    }


def levels_above(synsets: dict[str, Synset], number: str) -> list[str]:
    """A synset and its hypernyms, the nearest first."""
    reached = [number]
    for synset in reached:
        reached += [parent for parent in synsets[synset].parents if parent not in reached]
    return reached


def table(wordnet: Path) -> str:
    synsets, senses = read_synsets(wordnet / "data.noun"), read_senses(wordnet / "index.noun")
    classes = ImageNetInfo("imagenet-1k").label_names()
    assert classes == sorted(classes)
    assert len(classes) == imagenet.CLASSES
    below: dict[str, int] = defaultdict(int)
    for number in classes:
        for above in levels_above(synsets, number):
            below[above] += 1
    small = {lemma for synset in synsets.values() for lemma in synset.lemmas if lemma.islower()}

    def is_plain(number: str, word: str) -> bool:
        """Whether a synset's word is no proper name and not Latin: of capitals' last word there is a small one."""
        ours = [lemma for lemma in synsets[number].lemmas if spelled(lemma) == word]
        plain = any(lemma[0].islower() or spelled(lemma).split()[-1] in small for lemma in ours)
        return plain and not synsets[number].instance and not word.startswith(("genus ", "family ", "order "))

    first: dict[str, list[str]] = defaultdict(list)
    also: dict[str, list[str]] = defaultdict(list)
    near: dict[str, list[str]] = defaultdict(list)
    for word, found in sorted(senses.items()):
        inside = list(dict.fromkeys(number for number in found if number in below))
        if inside:
            first[inside[0]].append(word)
            for number in inside[1:]:
                also[number].append(word)
            continue
        plain = [number for number in found if is_plain(number, word)]
        if not plain:
            continue
        if synsets[plain[0]].kind not in KINDS - {FOOD}:  # the meat of a fish, the fur of a raccoon
            plain = [number for number in plain if synsets[number].kind == ANIMAL] or plain
        if synsets[plain[0]].kind not in KINDS:
            continue
        nearest = next(above for above in levels_above(synsets, plain[0]) if above in below)
        general = synsets[nearest].kind == TOPS and nearest != PERSON
        if not general and below[nearest] <= MOST_CLASSES:
            near[nearest].append(word)
    known = {word for words in (*first.values(), *near.values()) for word in words}
    nothing = [
        word
        for word in sorted(senses.keys() - known)
        if any(" ".join(word.split()[start:]) in known for start in range(1, word.count(" ") + 1))
        and any(is_plain(number, word) for number in senses[word])
    ]
    rows = []
    for number in sorted(below):
        place = str(classes.index(number)) if number in classes else ""
        lists = (synsets[number].parents, first[number], also[number], near[number])
        rows.append("\t".join([number, place, *(",".join(words) for words in lists)]))
    rows.append("\t".join(["", "", "", ",".join(nothing), "", ""]))
    return "".join(row + "\n" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--wordnet", type=Path, required=True, help="folder with data.noun and index.noun")
    packaged = Path(imagenet.__file__).with_name("imagenet_nouns.txt.gz")
    parser.add_argument("--out", type=Path, default=packaged, help="default: the packaged file")
    options = parser.parse_args()
    text = table(options.wordnet)
    packed = gzip.compress(text.encode("ascii"), 9, mtime=0)
    options.out.write_bytes(packed)
    print(
        f"{options.out.name}: {len(text.splitlines()):,} lines, {len(text):,} characters, {len(packed):,} bytes"
    )


if __name__ == "__main__":
    main()
