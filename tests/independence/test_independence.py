"""Prior independence: what is refused, what is warned of, and what is recorded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import image_rows, save_rows, text_rows
from PIL import Image

from transferbound.data.examples import Examples
from transferbound.data.labelled import LabelledData
from transferbound.errors import DataError, PriorIndependenceError
from transferbound.independence.check import check_independence
from transferbound.independence.names import canonical_names, compare_names, names_of_data
from transferbound.priors import Prior

SENTENCE = "the film is a long and winding road to nowhere that never once looks back at {}"


@pytest.fixture
def prior_named(tiny_bert: Path, tmp_path: Path) -> Callable[..., Prior]:
    def make(name: str, card: str = "") -> Prior:
        folder = tmp_path / name
        shutil.copytree(tiny_bert, folder)
        (folder / "README.md").write_text(card, encoding="utf-8")
        return Prior.from_pretrained(str(folder))

    return make


def texts_in(folder: Path, texts: list[str] | None = None) -> LabelledData:
    rows = text_rows() if texts is None else {"text": texts, "label": [i % 2 for i in range(len(texts))]}
    return LabelledData.load(str(save_rows(folder, rows)))


# Names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("distilbert-base-uncased-finetuned-sst-2-english", {"sst2"}),
        ("zalando-datasets/fashion_mnist", {"fashionmnist"}),
        ("augreg_in21k_ft_in1k", {"imagenet21k", "imagenet1k"}),
        ("CIFAR-100", {"cifar100"}),
        ("resnet18-cifar10-tuned", {"cifar10"}),
        ("all-MiniLM-L6-v2", set()),
        ("nyu-mll/multi_nli", {"mnli"}),
    ],
)
def test_spellings(text: str, expected: set[str]) -> None:
    assert canonical_names(text) == expected


def test_names_of_a_data_set(tmp_path: Path) -> None:
    assert names_of_data("nyu-mll/glue", "sst2") == {"sst2"}
    assert names_of_data("/data/of/mine/glue_sst2", None) == {"sst2"}
    assert names_of_data("my-org/cough-sounds", None) == {"coughsounds"}
    (tmp_path / "export1").mkdir()
    (tmp_path / "export1" / "README.md").write_text("---\npretty_name: Fashion-MNIST\n---\n# x\n")
    assert names_of_data(str(tmp_path / "export1"), "default") == {"fashionmnist"}


@pytest.mark.parametrize(
    ("where", "value", "data", "severity"),
    [
        ("datasets", "stanfordnlp/sst2", "glue_sst2", "refuse"),
        ("datasets", "glue", "glue_sst2", "warn"),
        ("datasets", "glue", "fashion_mnist", None),
        ("datasets", "mnist", "fashion_mnist", None),
        ("datasets", "emnist", "ylecun/mnist", "warn"),
        ("datasets", "imagenet-1k", "uoft-cs/cifar10", None),
        ("tag", "augreg_in21k", "ILSVRC/imagenet-1k", "warn"),
        ("base_model", "someone/bert-imdb", "stanfordnlp/imdb", "refuse"),
        ("model-index", "imdb", "stanfordnlp/imdb", "refuse"),
        ("model-index", "mteb/imdb", "stanfordnlp/imdb", "warn"),
        ("title", "Tuned on IMDB reviews", "stanfordnlp/imdb", "warn"),
        ("datasets", "my-org/cough_sounds", "my-org/cough-sounds", "refuse"),
        ("id", "me/bert-cough-sounds-v2", "my-org/cough-sounds", "warn"),
        ("id", "me/bert-base", "my-org/cough-sounds", None),
    ],
)
def test_name_comparison(where: str, value: str, data: str, severity: str | None) -> None:
    found = compare_names({where: [value]}, names_of_data(data, None))
    assert [match.severity for match in found] == ([] if severity is None else [severity])


def test_finetuned_checkpoint_is_refused_and_an_override_recorded(
    prior_named: Callable[..., Prior], tmp_path: Path
) -> None:
    prior = prior_named("bert-finetuned-sst-2", "---\ndatasets:\n- sst2\n---\n")
    data = texts_in(tmp_path / "glue_sst2")
    with pytest.raises(PriorIndependenceError, match=r"not independent .* id names .* datasets names 'sst2'"):
        check_independence(prior, data)
    record = check_independence(prior, data, override=True)
    assert (record["verdict"], record["override"]) == ("overridden", True)
    assert len(record["findings"]) == 2
    assert "OVERRIDDEN" in record["assumption"]
    json.dumps(record, allow_nan=False)


def test_model_index_of_the_card_is_read(prior_named: Callable[..., Prior], tmp_path: Path) -> None:
    card = (
        "---\nmodel-index:\n- name: x\n  results:\n  - task: {type: text-classification}\n"
        "    dataset: {name: GLUE COLA, type: glue, config: cola, split: validation}\n"
        "    metrics: [{type: accuracy, value: 0.5}]\n---\n"
    )
    with pytest.raises(PriorIndependenceError, match="model-index names"):
        check_independence(prior_named("plain", card), texts_in(tmp_path / "glue_cola"))


def test_nothing_found_is_said_to_prove_nothing(prior_named: Callable[..., Prior], tmp_path: Path) -> None:
    record = check_independence(prior_named("plain"), texts_in(tmp_path / "glue_sst2"))
    assert (record["verdict"], record["findings"], record["override"]) == ("none found", [], False)
    assert record["checked"]["data_names"] == ["sst2"]
    assert "proves nothing" in record["assumption"]


def test_a_warning_does_not_stop(prior_named: Callable[..., Prior], tmp_path: Path) -> None:
    prior = prior_named("plain", "---\ndatasets:\n- glue\n---\n")
    record = check_independence(prior, texts_in(tmp_path / "glue_sst2"))
    assert record["verdict"] == "warning"
    assert "in doubt" in record["assumption"]


# Content


def test_sentences_inside_pretraining_documents_are_found(
    prior_named: Callable[..., Prior], tmp_path: Path
) -> None:
    prior = prior_named("plain")
    names = "alpha beta gamma delta".split()  # noqa: SIM905
    data = texts_in(tmp_path / "task", [SENTENCE.format(name) for name in names] + ["good film", "bad"])
    document = f"Preface! {SENTENCE.format('alpha').upper()}, and much more besides was said; good film."
    corpus = save_rows(tmp_path / "corpus", {"text": [document, SENTENCE.format("beta")]})
    with pytest.raises(PriorIndependenceError, match=r"4 of 6 training rows .* \(1 exactly"):
        check_independence(prior, data, str(corpus))
    record = check_independence(prior, data, str(corpus), override=True)
    counts = record["checked"]["pretraining_data"]
    # The two short rows may recur by chance: they were looked for as they are, and not for near duplicates.
    assert (counts["rows_compared"], counts["near_rows_compared"]) == (6, 4)
    assert (counts["exact_duplicates"], counts["near_duplicates"]) == (1, 3)
    assert counts["first_rows"] == [0, 1, 2, 3]


def test_unrelated_texts_are_not_found(prior_named: Callable[..., Prior], tmp_path: Path) -> None:
    words = np.array([f"w{i}" for i in range(500)])
    generator = np.random.default_rng(0)
    rows = [" ".join(generator.choice(words, size=20)) for _ in range(60)]
    data = texts_in(tmp_path / "task", rows[:30])
    corpus = save_rows(tmp_path / "corpus", {"text": rows[30:]})
    record = check_independence(prior_named("plain"), data, Examples.open(str(corpus)))
    assert record["verdict"] == "none found"
    assert record["checked"]["pretraining_data"]["rows_compared"] == 30


def test_a_few_rows_of_many_are_a_warning(prior_named: Callable[..., Prior], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(900)])
    rows = [" ".join(generator.choice(words, size=10)) for _ in range(2000)]
    corpus = save_rows(tmp_path / "corpus", {"text": rows[:2]})
    record = check_independence(prior_named("plain"), texts_in(tmp_path / "task", rows), str(corpus))
    assert record["verdict"] == "warning"
    assert record["checked"]["pretraining_data"]["exact_duplicates"] == 2


def smooth_images(n: int, seed: int) -> list[Image.Image]:
    """Blurred noise: pictures with large shapes, as photographs have."""
    generator = np.random.default_rng(seed)
    small = generator.integers(0, 256, (n, 6, 6), dtype=np.uint8)
    return [Image.fromarray(item).resize((48, 48), Image.Resampling.BICUBIC) for item in small]


def test_rescaled_and_brightened_images_are_near_duplicates(tiny_timm: Path, tmp_path: Path) -> None:
    images = smooth_images(20, 0)
    labels = [i % 2 for i in range(20)]
    data = LabelledData.load(str(save_rows(tmp_path / "task", {"image": images, "label": labels})))
    copies = [images[0], images[1].resize((96, 96), Image.Resampling.BICUBIC)]
    copies.append(images[2].point(lambda value: value * 0.8 + 20))
    corpus = save_rows(tmp_path / "corpus", {"image": [*copies, *smooth_images(30, 1)]})
    prior = Prior.from_pretrained(str(tiny_timm))
    record = check_independence(prior, data, str(corpus), override=True)
    counts = record["checked"]["pretraining_data"]
    assert (counts["exact_duplicates"], counts["near_duplicates"]) == (1, 2)
    assert counts["first_rows"] == [0, 1, 2]
    other = save_rows(tmp_path / "other", {"image": smooth_images(30, 2)})
    assert check_independence(prior, data, str(other))["verdict"] == "none found"


def test_pretraining_data_of_another_kind(prior_named: Callable[..., Prior], tmp_path: Path) -> None:
    images = save_rows(tmp_path / "images", image_rows(4))
    with pytest.raises(DataError, match="cannot be compared"):
        check_independence(prior_named("plain"), texts_in(tmp_path / "task"), str(images))
