"""Names of data sets as people write them, and whether two of them mean the same data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import metadata_load

from transferbound.in_memory import called
from transferbound.independence.letters import as_read

__all__ = ["Match", "canonical_names", "compare_names", "last_part", "names_of_data"]

# Each line is one data set: its canonical name, then other spellings, compressed to letters and digits.
_ALIASES = {
    name: line.split()
    for name, line in {
        "mnist": "ylecunmnist mnist5000",
        "fashionmnist": "fashionminst fmnist zalandofashionmnist",
        "kmnist": "kuzushijimnist",
        "emnist": "extendedmnist",
        "qmnist": "",
        "cifar10": "uoftcscifar10",
        "cifar100": "uoftcscifar100",
        "svhn": "streetviewhousenumbers svhncropped",
        "stl10": "",
        "gtsrb": "germantrafficsigns",
        "imagenet1k": "imagenet in1k ilsvrc ilsvrc2012 imagenet2012 imagenetilsvrc2012 im1k",
        "imagenet12k": "in12k",
        "imagenet21k": "in21k imagenet22k in22k imagenet21kp",
        "imagenetsketch": "",
        "imagenetr": "",
        "imageneta": "",
        "tinyimagenet": "tinyimagenet200",
        "food101": "ethzfood101",
        "oxfordpets": "oxfordiiitpet pets oxfordpet",
        "flowers102": "oxfordflowers102 oxfordflowers oxford102flowers",
        "stanfordcars": "",
        "eurosat": "eurosatrgb",
        "beans": "ailabmakererebeans",
        "glue": "nyumllglue",
        "superglue": "",
        "sst2": "stanfordsentimenttreebank2",
        "sst": "stanfordsentimenttreebank sst5",
        "cola": "corpusoflinguisticacceptability",
        "mrpc": "",
        "qqp": "quoraquestionpairs quora",
        "stsb": "stsbenchmark",
        "mnli": "multinli",
        "qnli": "",
        "rte": "",
        "wnli": "",
        "snli": "",
        "anli": "",
        "imdb": "aclimdb stanfordnlpimdb largemoviereview imdbunsup",
        "rottentomatoes": "cornellmoviereview moviereview",
        "subj": "setfitsubj subjectivity",
        "trec": "trec6",
        "agnews": "",
        "dbpedia14": "dbpedia",
        "yelpreviewfull": "yelp yelpreview",
        "yelppolarity": "yelpreviewpolarity",
        "amazonpolarity": "mtebamazonpolarity",
        "banking77": "",
        "tweeteval": "",
        "emotion": "dairaiemotion",
        "20newsgroups": "newsgroups 20newsgroup",
        "squad": "",
        "newsarticles": "",
        "tinystories": "",
    }.items()
}
_CANONICAL = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases)}
# A collection and its members: training on "glue" may mean any of them.
_COLLECTIONS = {"glue": {"sst2", "cola", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli"}}
# Different data sets that share examples, in either direction.
_RELATED = [
    {"mnist", "emnist"},
    {"mnist", "qmnist"},
    {"sst2", "sst"},
    {"sst2", "rottentomatoes"},
    {"sst", "rottentomatoes"},
    {"subj", "rottentomatoes"},
    {"subj", "sst2"},
    {"subj", "sst"},
    {"imagenet1k", "imagenet21k"},
    {"imagenet1k", "imagenet12k"},
    {"imagenet12k", "imagenet21k"},
    {"imagenet1k", "tinyimagenet"},
    {"imagenet21k", "tinyimagenet"},
    {"imagenet1k", "stl10"},
    {"snli", "anli"},
]
# Words that say nothing about which data set is meant.
_EMPTY = {"data", "dataset", "datasets", "train", "training", "test", "default", "main", "plain", "text"}
_EMPTY |= {"texts", "image", "images", "folder", "model", "models", "checkpoint", "base", "small", "large"}
_ROW_FILES = {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".arrow", ".txt"}
_LONGEST = 4
_SAME, _WORDS = "which is", "which has the words of"


@dataclass(frozen=True)
class Match:
    """``where`` on the prior's side a name ``value`` stands that has the ``relation`` to the data set."""

    where: str
    value: str
    relation: str
    severity: str

    @property
    def is_data_set(self) -> bool:
        """Whether the very data set is named, not a collection or a relative of it."""
        return self.relation in (_SAME, _WORDS)


def names_of_data(name: str, config: str | None) -> set[str]:
    """Canonical names of a data set from its id, folder or file, configuration, and card title; of an object from what
    it calls itself."""
    name = called(name)
    last = last_part(name)
    texts = [last]
    path = Path(name).expanduser()
    if path.suffix.lower() in _ROW_FILES:  # of train.csv the folder tells more
        texts = [path.stem, path.parent.name]
        last = path.parent.name if _compress(path.stem) in _EMPTY else path.stem
        path = path.parent if path.is_file() else path
    if config and config not in ("default", "plain_text"):
        texts.append(config)
    if path.is_dir():
        texts += _card_names(path / "README.md")
    elif "/" in name:
        texts.append(name)
    found = {known for text in texts for known in canonical_names(text)}
    collections = {key for key in found if key in _COLLECTIONS and found & _COLLECTIONS[key]}
    own = _compress(last)
    if not found and len(own) >= 4 and own not in _EMPTY:
        found = {own}
    return found - collections


def _card_names(path: Path) -> list[str]:
    if not path.is_file():
        return []
    try:
        data = metadata_load(path) or {}
    except Exception:  # a card that cannot be read names nothing
        data = {}
    title = re.search(r"^#\s+(.+)$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    names = [data.get("pretty_name"), title.group(1) if title else None]
    return [name for name in names if isinstance(name, str)]


def canonical_names(text: str) -> set[str]:
    """Known data sets named in a free string, the longest spelling first: ``fashion-mnist`` is not MNIST."""
    words = re.findall(r"[a-z]+|[0-9]+", as_read(text, capitals=True))
    found: set[str] = set()
    start = 0
    while start < len(words):
        for length in range(min(_LONGEST, len(words) - start), 0, -1):
            known = _CANONICAL.get("".join(words[start : start + length]))
            if known:
                found.add(known)
                start += length
                break
        else:
            start += 1
    return found


def compare_names(declared: dict[str, list[str]], aliases: set[str]) -> list[Match]:
    """Every declared name that means the data set (refuse), or a collection or relative of it (warn)."""
    return [
        match
        for where, values in declared.items()
        for value in values
        for match in _match(where, value, aliases)
    ]


def _match(where: str, value: str, aliases: set[str]) -> Iterator[Match]:
    text = last_part(value) if where in ("id", "base_model", "name_or_path") else value
    named = canonical_names(text)
    if aliases & (named | {_compress(text), _compress(last_part(text))}):
        # A title is free text, and MTEB lists what a model was evaluated on, not trained on.
        soft = where == "title" or (where == "model-index" and "mteb" in value.lower())
        yield Match(where, value, _SAME, "warn" if soft else "refuse")
        return
    if _names_unknown(text, aliases):
        yield Match(where, value, _WORDS, "warn")
        return
    for name in sorted(named):
        if aliases & _COLLECTIONS.get(name, set()):
            yield Match(where, value, "a collection that holds", "warn")
        elif any({name, alias} in _RELATED for alias in aliases):
            yield Match(where, value, "which shares examples with", "warn")


def _names_unknown(text: str, aliases: set[str]) -> bool:
    """A data set outside the list: its whole name, as a run of words of the text."""
    words = [word for word in re.split(r"[^a-z0-9]+", as_read(text, capitals=True)) if word]
    runs = {"".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, min(i + 7, len(words) + 1))}
    return bool({alias for alias in aliases if alias not in _CANONICAL} & runs)


def last_part(name: str) -> str:
    """Of an id or a path what names the thing itself."""
    return re.split(r"[/:\\]", name.rstrip("/\\"))[-1]


def _compress(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", as_read(text, capitals=True))
