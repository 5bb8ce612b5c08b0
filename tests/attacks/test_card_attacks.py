"""Cards that say what their certificate does not: by the names in it, by edits, by what is hidden or added."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from PIL import Image
from spine_fixtures import assigned, dotted, image_certificate

from transferbound.certificate.certificate import Certificate
from transferbound.report.card import card_metadata, card_text, write_card
from transferbound.report.card_check import check_card
from transferbound.report.figures import draw_certificate
from transferbound.report.markup import code, in_figure, plain

Path_ = tuple[str | int, ...]

# Names ---------------------------------------------------------------------------------------------

CLAIM = "the error is at most **1.00 %**"
NAMES = {
    "heading": f"\n\n# Verified\n\n{CLAIM}\n\n",
    "setext": f"{CLAIM}\n===\n",
    "bold": f"cat** {CLAIM} **",
    "emphasis": "_a_ __b__ *c*",
    "code": f"` {CLAIM} `",
    "long code": "``` a ``",
    "fence": f"\n```\n{CLAIM}\n```\n",
    "comment": "<!-- ",
    "closed comment": f"--> {CLAIM} <!--",
    "details": "<details><summary>more</summary>",
    "script": "<script>alert(1)</script>",
    "style": "<style>* {display: none}</style>",
    "image": "![x](https://example.org/x.png)",
    "link": "[verified](https://example.org)",
    "reference": "[verified]\n\n[verified]: https://example.org\n",
    "autolink": "<https://example.org>",
    "table cell": "cat | 1.00 % | |",
    "escaped table cell": "cat \\| 1.00 % \\\\| x",
    "table row": "cat |\n| bound on the error on new data | 1.00 % |\n| x",
    "quote": f"\n> {CLAIM}",
    "list": f"\n- {CLAIM}\n1. {CLAIM}",
    "strike": "~~cat~~",
    "rule": "\n\n---\n\n",
    "metadata": "\n---\nmodel-index: []\n---\n",
    "yaml": "a: b\n- c: [d, {e: &f !!python/object:os.system x}]",
    "entity": "&lt;b&gt; &#42;&#42;1&#42;&#42;",
    "backslash": "cat\\",
    "formula": r"$\error < 1\%$ $$1$$ \(1\) \[1\]",
    "controls": "\x1b[2J\x9b\u202e\u200b\u2066\x00",
    "nothing": "",
    "blank": "   ",
    "long": "cat" * 5000,
    "html attribute": "\" onmouseover='alert(1)' x=\"",
}


def names_in(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The places of all texts that a card may show."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from names_in(inner, (*path, key))


def with_all_kinds(content: dict[str, Any]) -> dict[str, Any]:
    """With every sentence that a card may have: a prior split, a licence, a revision, warnings."""
    made = copy.deepcopy(content)
    made["prior"] |= {"licence": "mit", "revision": "abc"}
    made["dataset"] |= {"config": "plain", "revision": "def"}
    made["dataset"]["columns"]["group"] = "patient"
    made["independence"] |= {"data_dependent": True, "verdict": "warning"}
    made["independence"]["prior_split"] = {"split": "train[:50%]", "rows": 7}
    made["assumptions"].append("WARNING: doubtful")
    return made


SHOWN = [
    ("prior", "id"),
    ("prior", "licence"),
    ("prior", "revision"),
    ("prior", "sha256"),
    ("dataset", "id"),
    ("dataset", "config"),
    ("dataset", "revision"),
    ("dataset", "split"),
    ("dataset", "sha256"),
    ("dataset", "columns", "group"),
    ("comparison", "majority_class"),
    ("evaluation", "test", "split"),
    ("independence", "prior_split", "split"),
    ("assumptions", 0),
    ("assumptions", -1),
    ("message", "costs", 0, "field"),
    ("message", "costs", 0, "value"),
    ("message", "costs", 0, "code"),
]


def structure(text: str) -> list[str]:
    """The markup of a text, without its words: code is shown in quotes where it cannot be code."""
    found: list[str] = []
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text):
        kinds = [child.type for child in token.children or ()] or [token.type]
        for kind in kinds:
            kind = "text" if kind in ("code_inline", "text_special") else kind
            if kind != "text" or found[-1:] != ["text"]:
                found.append(kind)
    return found


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    file = Path(image_certificate()) / "certificate.json"
    made: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return with_all_kinds(made)


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_is_no_markup(content: dict[str, Any], kind: str, tmp_path: Path) -> None:
    honest = structure(card_text(Certificate(content, b"")))  # type: ignore[arg-type]
    keys = set(card_metadata(content).to_dict())  # type: ignore[arg-type]
    (tmp_path / "figures").mkdir()
    for place in SHOWN:
        name = NAMES[kind] if place[-1] != -1 else "WARNING: " + NAMES[kind]
        certificate = Certificate(assigned(content, place, name), b"")  # type: ignore[arg-type]
        text = card_text(certificate)
        assert structure(text) == honest, (dotted(place), text)
        assert all(line.isprintable() for line in text.split("\n"))
        metadata = card_metadata(certificate.content).to_yaml()
        assert "<" not in metadata
        assert not re.search(r"^(---|\.\.\.)", metadata, re.MULTILINE)
        block = yaml.safe_load(metadata)
        assert keys - {"base_model", "datasets", "license"} <= set(block) <= keys
        (tmp_path / "README.md").write_text(f"---\n{metadata}\n---\n\n{text}", encoding="utf-8")
        assert check_card(tmp_path, certificate) == []


def test_a_name_that_is_a_key(content: dict[str, Any]) -> None:
    honest = structure(card_text(Certificate(content, b"")))  # type: ignore[arg-type]
    for kind, name in NAMES.items():
        made = copy.deepcopy(content)
        first = next(iter(made["bounds"]))
        made["bounds"] = {name if key == first else key: value for key, value in made["bounds"].items()}
        made["bounds"] |= {"occam_kl": 0.5}
        assert structure(card_text(Certificate(made, b""))) == honest, kind  # type: ignore[arg-type]


def test_names_of_every_day_are_left_as_they_are() -> None:
    for name in (
        "timm/tf_efficientnet_lite0.in1k",
        "ylecun/mnist",
        "train[:50%]",
        "T-shirt/top",
        "Zürich",
        "a & b",
    ):
        assert code(name) == f"`{name}`"
    sentence = (
        "The 60,000 training rows are independent draws: no two come from one source (--candidate 1/2)."
    )
    assert plain(sentence) == sentence
    assert plain("tf_efficientnet_lite0") == "tf_efficientnet_lite0"


@pytest.mark.parametrize("kind", NAMES)
def test_a_figure_shows_a_name_as_it_is(content: dict[str, Any], kind: str, tmp_path: Path) -> None:
    draw_certificate(assigned(content, ("evaluation", "test", "split"), NAMES[kind]), tmp_path / "f.png")  # type: ignore[arg-type]
    with Image.open(tmp_path / "f.png") as image:
        assert np.asarray(image.convert("L")).std() > 0


def test_a_formula_in_a_figure_is_not_set(content: dict[str, Any], tmp_path: Path) -> None:
    assert in_figure("$1$") == r"\$1\$"
    pictures = []
    for split in ("$x$", "x"):
        draw_certificate(assigned(content, ("evaluation", "test", "split"), split), tmp_path / "f.png")  # type: ignore[arg-type]
        with Image.open(tmp_path / "f.png") as image:
            pictures.append(np.asarray(image.convert("L")))
    assert pictures[0].shape == pictures[1].shape
    assert (pictures[0] != pictures[1]).any()


def test_settings_for_figures_in_the_folder_are_not_used(
    content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib

    draw_certificate(content, tmp_path / "plain.png")  # type: ignore[arg-type]
    monkeypatch.setitem(matplotlib.rcParams, "text.usetex", True)
    monkeypatch.setitem(matplotlib.rcParams, "axes.facecolor", "red")
    draw_certificate(content, tmp_path / "set.png")  # type: ignore[arg-type]
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "set.png").read_bytes()


# Edits ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Certificate, str]:
    """A folder, its certificate and the text of its card."""
    folder = Path(shutil.copytree(image_certificate(), tmp_path_factory.mktemp("card") / "certificate"))
    certificate = Certificate.from_pretrained(folder)
    write_card(folder, certificate)
    return folder, certificate, (folder / "README.md").read_text(encoding="utf-8")


def refusals(card: tuple[Path, Certificate, str], text: str) -> list[str]:
    folder, certificate, honest = card
    (folder / "README.md").write_text(text, encoding="utf-8", newline="")
    try:
        return check_card(folder, certificate)
    finally:
        (folder / "README.md").write_text(honest, encoding="utf-8")


def before_text(text: str, more: str) -> str:
    head, _, body = text.partition("\n---\n\n")
    return f"{head}\n---\n\n{more}{body}"


def sub(pattern: str, new: str) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, new, text, count=1, flags=re.DOTALL)


STATEMENT = r"With 95 % confidence.*?2211\.13609\)\."
METRIC = r"( *)- type: risk_bound\n.*?(?=\n *- type: train_error)"
FALSE = "With 95 % confidence this classifier's error is at most **1.00 %**."

EDITS: dict[str, Callable[[str], str]] = {
    # The true statement hidden beside a false one.
    "in a comment": sub(STATEMENT, rf"<!-- \g<0> -->\n\n{FALSE}"),
    "in a comment of its own": lambda t: before_text(t, f"{FALSE}\n\n<!--\n") + "\n-->\n",
    "in a fence": lambda t: before_text(t, f"{FALSE}\n\n```\n") + "\n```\n",
    "in a long fence": lambda t: before_text(t, f"{FALSE}\n\n~~~~~~\n"),
    "collapsed": lambda t: before_text(t, f"{FALSE}\n\n<details>\n\n") + "\n</details>\n",
    "hidden": lambda t: before_text(t, f"{FALSE}\n\n<div hidden>\n\n") + "\n</div>\n",
    "in a script": lambda t: before_text(t, f"{FALSE}\n\n<script>\n"),
    "in a style": lambda t: before_text(t, f"{FALSE}\n\n<style>\n"),
    "in a template": lambda t: before_text(t, f"{FALSE}\n\n<template>\n"),
    "in an attribute": sub(STATEMENT, rf'<a title="\g<0>">x</a> {FALSE}'),
    "as a declaration": lambda t: before_text(t, f"{FALSE}\n\n<!X\n"),
    "as a processing instruction": lambda t: before_text(t, f"{FALSE}\n\n<?php\n"),
    "as code by indents": lambda t: before_text(t, f"{FALSE}\n\n").replace("\nWith 95", "\n    With 95"),
    "as a link's target": sub(STATEMENT, rf'[x](y "\g<0>") {FALSE}'),
    "after much else": lambda t: before_text(t, f"{FALSE}\n" + "\n" * 5000),
    "as a footnote": sub(STATEMENT, rf"{FALSE}[^1]\n\n[^1]: \g<0>"),
    "struck out": sub(STATEMENT, rf"~~\g<0>~~ {FALSE}"),
    "in the metadata": lambda t: t.replace("---\n", f"---\nextra_gated_prompt: '{FALSE}'\n", 1),
    "metadata twice": lambda t: t.replace("\n---\n\n", "\n---\n\n---\nmodel-index: []\n---\n\n", 1),
    "a second statement before": lambda t: before_text(t, f"{FALSE}\n\n"),
    "a second statement after": lambda t: f"{t}\n{FALSE}\n",
    "without the statement": sub(STATEMENT, ""),
    "another statement": sub(STATEMENT, FALSE),
    # Words.
    "fewer assumptions": sub(r"- The \d+ training rows are independent.*?\n", ""),
    "no end": sub(r"\n---\n\nEverything above.*", "\n"),
    "no end, and more": sub(r"\n---\n\nEverything above.*", "\n## Results\n\nGood.\n"),
    "another word": sub("this classifier's error on new data", "this classifier's error on all data"),
    "a letter that looks the same": sub("confidence over", "\u0441onfidence over"),
    "a letter of no width": sub("confidence over", "confi\u200bdence over"),
    "another direction": sub("confidence over", "\u202econfidence over"),
    "a non-breaking space": sub("confidence over", "confidence\u00a0over"),
    "another line break": lambda t: t.replace("\n\nWith", "\u2028\n\nWith"),
    "another picture": sub(r"\(figures/bound\.png\)", "(https://example.org/bound.png)"),
    "another title": sub(r"\n# ", "\n# Verified: "),
    "title as text": sub(r"\n# ", "\n"),
    "two parts in another order": sub(
        r"(## What was measured.*?)(## What the message holds.*?)(?=## )", r"\2\1"
    ),
    # Numbers.
    "the bound in the text": sub(r"at most \*\*[\d.]+ %", "at most **1.00 %"),
    "the bound in words": sub(r"at most \*\*[\d.]+ %", "at most **one per cent"),
    "the bound in the table": sub(r"(\| bound on the error on new data \| )[\d.]+", r"\g<1>1.00"),
    "the confidence": sub("With 95 %", "With 99.9999 %"),
    "a row more in the table": sub(r"(\| message, on file)", r"| true error | 0.01 % |\n\1"),
    # Results.
    "a metric's value": sub(r"(type: risk_bound\n *value: )[\d.]+", r"\g<1>0.01"),
    "a metric renamed": sub("type: risk_bound", "type: error_bound"),
    "a metric of our value by another name": sub("type: risk_bound", "type: accuracy"),
    "a metric's words": sub(r"name: bound on the error, 95 % confidence", "name: the error"),
    "a metric less": sub(METRIC, ""),
    "no results": sub(r"model-index:.*?(?=\n---\n)", "model-index: []"),
    "no results at all": sub(r"model-index:.*?(?=\n---\n)", ""),
    "results by another name": sub("model-index:", "model_index:"),
    "a metric more": sub(METRIC, r"\g<0>\n\1- type: accuracy\n\1  value: 0.999\n\1  name: accuracy"),
    "a metric twice": sub(METRIC, r"\g<0>\n\g<0>"),
    "another split": sub("split: train", "split: validation"),
    "another data set": sub(r"(dataset:\n *name: )\S+", r"\1imagenet-1k"),
    "results under another task": sub(r"(task:\n *type: )\S+", r"\1text-generation"),
    "a second model": sub(r"model-index:\n", "model-index:\n- name: better\n  results: []\n"),
    "results twice": lambda t: t.replace("---\n", "---\nmodel-index: []\n", 1),
    "results by an alias": lambda t: t.replace("---\n", "---\nx: &x 1\n", 1).replace(
        "value: ", "value: *x #", 1
    ),
    "results merged": lambda t: t.replace("---\n", "---\n<<: {license: mit}\n", 1),
    "verified": sub(r"( *)- type: risk_bound\n", r"\g<0>\1  verified: true\n"),
    "a source": sub(r"( *)(dataset:\n)", r"\1source:\n\1  url: https://example.org\n\1  name: Board\n\1\2"),
    # Metadata.
    "an unknown key": lambda t: t.replace("---\n", "---\nresults: {error: 0.01}\n", 1),
    "metrics": lambda t: t.replace("---\n", "---\nmetrics: [accuracy]\n", 1),
    "a claim in a tag": sub("tags:\n", "tags:\n- error at most 1 percent\n"),
    "a claim in a widget": lambda t: t.replace("---\n", "---\nwidget: [{text: 'bounded by 1 %'}]\n", 1),
    "a tag less": sub(r"- pac-bayes\n", ""),
    "tags as text": sub(r"tags:\n(- .*?\n)+", "tags: transferbound\n"),
    "another library": sub("library_name: transferbound", "library_name: timm"),
    "metadata that ends early": sub(r"\nmodel-index", "\n---foo\nmodel-index"),
    "metadata that ends by dots": sub(r"\nmodel-index", "\n...\nmodel-index"),
    "metadata after a blank": lambda t: "\n" + t,
    "metadata after a mark": lambda t: "\ufeff" + t,
    "no metadata": lambda t: t.partition("\n---\n\n")[2],
    "metadata with a letter of no width": sub("split: train", "split\u200btrain"),
    "metadata as a list": lambda t: "---\n- a\n---\n\n" + t.partition("\n---\n\n")[2],
    "deep metadata": lambda t: t.replace("---\n", f"---\nwidget: {'[' * 200 + ']' * 200}\n", 1),
    "deeper metadata": lambda t: t.replace("---\n", f"---\nwidget: {'[' * 30000}\n", 1),
    "large metadata": lambda t: t.replace("---\n", f"---\nwidget: {'a' * 100_000}\n", 1),
    "a date for a result": sub(r"(type: risk_bound\n *value: )[\d.]+", r"\g<1>2026-01-01"),
    "truth for a result": sub(r"(type: risk_bound\n *value: )[\d.]+", r"\g<1>yes"),
    "no number": sub(r"(type: risk_bound\n *value: )[\d.]+", r"\g<1>.nan"),
    "an object": sub(r"(type: risk_bound\n *value: )[\d.]+", r"\g<1>!!python/name:os.system"),
    # What an author may not add.
    "a comment": lambda t: f"{t}\n<!-- -->\n",
    "a style": lambda t: f"{t}\n<style>p {{display: none}}</style>\n",
    "an image of HTML": lambda t: f'{t}\n<img src="x.png" alt="HOLDS">\n',
    "an underline of ours": lambda t: f"{t}===\n",
    "a continuation of ours": lambda t: f"{t}and so on\n",
    "our heading": lambda t: f"{t}\n## What was measured\n\nMuch.\n",
    "our heading in another form": lambda t: f"{t}\nWhat was **measured**\n---\n",
    "our table": lambda t: f"{t}\n| bound on the error on new data | 1.00 % |\n",
    "our table, other markup": lambda t: f"{t}\n* bound on the *error* on new data 1.00 %\n",
    "our end": lambda t: f"{t}\n{t[t.rindex('Everything above') :]}\n",
    "our warning's opposite": lambda t: f"{t}\nThe error is never above 1 %.\n",
    "a bound": lambda t: f"{t}\nWe bound the error by 1 %.\n",
    "a bound over two lines": lambda t: f"{t}\nThe error is at\nmost 1 %.\n",
    "a bound by entities": lambda t: f"{t}\nThe error is &#97;t mo&#115;t 1 %.\n",
    "a bound in wide letters": lambda t: f"{t}\nThe error is ａｔ ｍｏｓｔ 1 %.\n",
    "a bound in pieces": lambda t: f"{t}\nThe error is a**t mo**st one per cent.\n",
    "a bound with no width": lambda t: f"{t}\nThe error is at m\u200bost 1 %.\n",
    "a bound as a sign": lambda t: f"{t}\nerror ≤ 1 %\n",
    "a guarantee": lambda t: f"{t}\nGuaranteed: 99 % right.\n",
    "a bound as a fraction": lambda t: f"{t}\nbound: 0.01\n",
    "a certificate": lambda t: f"{t}\nCertified error: 0.5 %\n",
    "a confidence": lambda t: f"{t}\nWith 99 % confidence it errs on 1 %.\n",
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_card_is_refused(card: tuple[Path, Certificate, str], name: str) -> None:
    edited = EDITS[name](card[2])
    assert edited != card[2]
    found = refusals(card, edited)
    assert found
    assert all(line.startswith("README.md") and line.isprintable() and len(line) < 700 for line in found)


def test_every_line_of_our_text_counts(card: tuple[Path, Certificate, str]) -> None:
    lines = card[2].split("\n")
    for place, line in enumerate(lines):
        if place < 2 or not line.strip():
            continue
        without = [*lines[:place], *lines[place + 1 :]]
        if line.startswith("- ") and place < lines.index("---", 1):  # a tag is ours, the others are free
            continue
        assert refusals(card, "\n".join(without)), line
        doubled = [*lines[: place + 1], *lines[place:]]
        assert refusals(card, "\n".join(doubled)), line


ADDITIONS = {
    "sections": "\n## Intended use\n\nFor 3 experiments, in 2026.\n\n- one\n- two\n",
    "a table of their own": "\n| seed | accuracy |\n| --- | --- |\n| 1 | 0.91 |\n",
    "code": "\n```python\nfrom transferbound import Certificate\nCertificate.from_pretrained(x, 3)\n```\n",
    "a link": "\nSee [the paper](https://arxiv.org/abs/2211.13609) and <https://example.org>.\n",
    "a picture": "\n![cats](cats.png)\n",
    "blank lines": "\n\n\n",
}


@pytest.mark.parametrize("name", ADDITIONS)
def test_what_an_author_may_add(card: tuple[Path, Certificate, str], name: str) -> None:
    assert refusals(card, card[2] + ADDITIONS[name]) == []


def test_what_an_author_may_say_in_the_metadata(card: tuple[Path, Certificate, str]) -> None:
    more = "language: en\nlicense_name: mine\nthumbnail: a.png\nwidget:\n- src: cat.png\n"
    text = card[2].replace("tags:\n", f"{more}tags:\n- cats\n", 1)
    assert refusals(card, re.sub("(license: ).*", r"\1mit", text)) == []
    assert refusals(card, card[2].replace("\n", "\r\n")) == []
