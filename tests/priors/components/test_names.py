"""Heads that start from the names of the classes: what is a name, what it says, and that nothing else comes in."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import save_rows, text_rows

from transferbound import CertifySettings, FinetuneSettings, LabelledData, Prior, certify, verify
from transferbound.certification.automatic import Automatic
from transferbound.errors import PriorError
from transferbound.priors.components import FAMILY, FeatureChoice
from transferbound.priors.components.basis import basis_of, component_classifier, fitted_start
from transferbound.priors.components.names import are_words, name_weights
from transferbound.priors.components.principal import POWER
from transferbound.priors.reference import Reference

PLACE = FAMILY["text"].index(FeatureChoice(names=True))  # a network of one layer has this one
FITTED = FAMILY["text"].index(FeatureChoice(names=True, fitted=True))
NAMES = ("bad film", "good_film", "no-film")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["negative", "positive"], True),
        (["Sci/Tech", "World"], True),
        (["ham", "0"], False),
        (["0", "1", "2"], False),
        (["LABEL_0", "LABEL_1"], False),
        (["class 3", "class 4"], False),
        (["good_film", "good film"], False),  # the same words
        (["?", "!"], False),
        (["negative", "x" * 41], False),
        (["negative", "a film that moves, and " * 40], False),  # leak 2: a text that says more than a name
        (None, False),
    ],
)
def test_what_is_a_name(names: list[str] | None, words: bool) -> None:
    assert are_words(names) is words


def test_each_class_is_what_its_name_holds(tiny_bert: Path) -> None:
    prior = Prior.from_pretrained(str(tiny_bert))
    basis = basis_of(prior, None, 0, [PLACE])
    directions, taps = basis.directions[PLACE], basis.taps[PLACE]
    weights = name_weights(prior, NAMES, directions, taps, 8)
    assert weights.shape == (3, 8)
    torch.testing.assert_close(weights.sum(0), torch.zeros(8), atol=1e-5, rtol=0)
    variance = (weights.double().square() @ directions.scaled(8, POWER).square()).mean()
    assert float(variance) == pytest.approx(1.0, abs=1e-5)
    turned = name_weights(prior, NAMES[::-1], directions, taps, 8)
    torch.testing.assert_close(turned, weights.flip(0))
    module = component_classifier(prior, 3, features=PLACE, components=8, class_names=NAMES)
    torch.testing.assert_close(module.head.weight.data, weights)
    assert not module.head.bias.any()


def test_names_that_say_nothing_are_refused(tiny_bert: Path) -> None:
    prior = Prior.from_pretrained(str(tiny_bert))
    for names in (("0", "1"), None):
        with pytest.raises(PriorError, match="have no names that the prior"):
            component_classifier(prior, 2, features=PLACE, components=8, class_names=names)


@pytest.mark.parametrize("place", [PLACE, FITTED])
def test_a_head_from_names_certifies_and_verifies(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    import datasets

    places = Automatic._places
    monkeypatch.setattr(
        Automatic, "_places", lambda self, table: [p for p in places(self, table) if p == place]
    )
    rows = text_rows(400)
    random = np.random.default_rng(0)
    for row, label in enumerate(rows["label"]):
        words = rows["text"][row].split()
        rows["text"][row] = " ".join(random.permutation([*words, ("the", "cat")[label]] * 2))
    label = datasets.ClassLabel(names=["the", "cat"])
    save_rows(tmp_path / "texts", rows, label=label)
    data = LabelledData.load(str(tmp_path / "texts"))
    aside = 100 if place == FITTED else 0
    settings = CertifySettings(set_aside=aside, finetune=FinetuneSettings(budget_minutes=0.3))
    content = certify(str(tiny_bert), data, tmp_path / "out", settings, progress=False).content
    assert content["decoder"]["kind"] == "sparse"
    assert content["decoder"]["features"] == place
    assert content["decoder"]["head_start"] == "class names"
    assert any(
        "The head starts from the names of the classes. By the word" in line
        for line in content["assumptions"]
    )
    assert "from the names of the classes" in content["decoder"]["features_of"]
    assert verify(tmp_path / "out").holds
    save_rows(tmp_path / "renamed", rows, label=datasets.ClassLabel(names=["cat", "the"]))
    assert not verify(tmp_path / "out", dataset=str(tmp_path / "renamed")).holds


def test_a_start_that_is_fitted_to_the_reference_inputs(tmp_path: Path, tiny_bert: Path) -> None:
    prior = Prior.from_pretrained(str(tiny_bert))
    texts = text_rows(80)["text"]
    reference = Reference("own", "text", "", "", lambda: texts)
    module = component_classifier(
        prior, 3, features=FITTED, components=4, reference=reference, class_names=NAMES
    )
    basis = basis_of(prior, reference, 0, [FITTED])
    start = fitted_start(prior, basis, FITTED, NAMES)
    assert module.start is not None
    torch.testing.assert_close(module.start, start)
    answers = basis.seen[FITTED].components @ start.double().T
    torch.testing.assert_close(answers.std(0, unbiased=False), torch.ones(3, dtype=torch.float64))
    turned = fitted_start(prior, basis, FITTED, NAMES[::-1])
    torch.testing.assert_close(turned, start.flip(0), atol=1e-4, rtol=1e-4)
    for names in (("0", "1"), None):
        with pytest.raises(PriorError, match="have no names that the prior"):
            component_classifier(
                prior, 2, features=FITTED, components=4, reference=reference, class_names=names
            )
