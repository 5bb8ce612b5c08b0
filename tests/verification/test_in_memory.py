"""Prior, data and certificate as objects: what they are called, and what still has to agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import datasets
import language_fixtures
import numpy as np
import pytest
import timm
import torch
import transformers
from conftest import _HOME, image_rows
from spine_fixtures import QUICK as LONGER
from spine_fixtures import assigned, bright_rows, here_cli, world

import transferbound
from transferbound import Certificate, CertifySettings, LabelledData, Predictor, Prior, certify, verify
from transferbound.errors import (
    ArgumentError,
    CertificateError,
    DataError,
    PriorError,
    PriorIndependenceError,
    TransferboundError,
)

QUICK = replace(LONGER, finetune=replace(LONGER.finetune, epochs=2))
TEXTS = replace(QUICK, input_size=None)


@cache
def rows(name: str | None = "squares", n: int = 60, seed: int = 0) -> datasets.Dataset:
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["dark", "bright"])}
    )
    made = datasets.Dataset.from_dict(bright_rows(n, seed), features=features)
    made.info.dataset_name = name
    return made


@cache
def network() -> torch.nn.Module:
    model = timm.create_model("test_efficientnet", num_classes=10)
    model.load_state_dict(timm.create_model(f"local-dir:{world() / 'prior'}", pretrained=True).state_dict())
    return model.eval()


@cache
def certificate() -> tuple[Certificate, Path]:
    """Of :func:`network` on :func:`rows`, both given as objects."""
    out = Path(mkdtemp(dir=_HOME, prefix="objects-")) / "certificate"
    return certify(network(), rows(), out, QUICK, progress=False), out


def texts(n: int = 40) -> datasets.Dataset:
    words = np.random.default_rng(0).choice(["good", "dull"], size=(n, 4))
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    made = {
        "text": [f"{' '.join(line)} film {i}" for i, line in enumerate(words)],
        "label": [0, 1] * (n // 2),
    }
    return datasets.Dataset.from_dict(made, features=features)


def test_objects_are_certified_and_verified_as_objects() -> None:
    made, _ = certificate()
    assert made.content["dataset"]["id"] == "squares (in memory)"
    assert made.content["prior"]["id"] == "test_efficientnet (in memory)"
    verdict = verify(made, prior=network(), dataset=rows())
    assert verdict.holds, verdict.problems
    assert "no card" in " ".join(verdict.notes)
    assert "nothing tells whether it was trained after it was loaded" in " ".join(verdict.notes)
    found = Predictor.from_pretrained(made, prior=network()).predict(rows()["image"])
    wrong = sum(one.label_id != label for one, label in zip(found, rows()["label"], strict=True))
    assert wrong == made.content["errors"]


def test_what_it_says_of_objects_and_how_they_are_checked() -> None:
    said = "\n".join(certificate()[0].content["assumptions"])
    assert "The rows were given in memory, and no name leads to them" in said
    assert "WARNING: Data-independent prior: test_efficientnet (in memory)" in said
    assert "nothing tells what it was trained on before that" in said
    assert str(world()) not in json.dumps(certificate()[0].content)
    assert "in memory" in (certificate()[1] / "README.md").read_text(encoding="utf-8")


def test_the_folder_holds_the_checkpoint_and_asks_for_the_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = certificate()[1]
    with pytest.raises(DataError, match=r"given in memory, and no name leads to it.*--dataset"):
        verify(out)
    rows().save_to_disk(tmp_path / "rows")
    assert here_cli("verify", out, "--dataset", tmp_path / "rows") == 0
    assert "HOLDS" in capsys.readouterr().out
    assert Predictor.from_pretrained(out).class_names == ("dark", "bright")
    with pytest.raises(PriorError, match=r"given in memory, and no name leads to it.*--prior"):
        verify(certificate()[0], dataset=rows())


def test_the_order_of_rows_does_not_matter_where_none_is_set_aside() -> None:
    assert verify(certificate()[0], prior=network(), dataset=rows().shuffle(seed=1)).holds


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.select(range(59)),
        lambda data: data.select([*range(59), 0]),
        lambda data: data.map(lambda row: {"label": 1 - row["label"]}, keep_in_memory=True),
        lambda data: rows(n=60, seed=5),
        lambda data: data.cast_column("label", datasets.ClassLabel(names=["bright", "dark"])),
    ],
    ids=["one row less", "one row twice", "labels turned", "other rows of that name", "classes renamed"],
)
def test_other_rows_of_the_same_name_do_not_verify(change: Callable[[Any], datasets.Dataset]) -> None:
    other = change(rows())
    other.info.dataset_name = "squares"
    assert not verify(certificate()[0], prior=network(), dataset=other).holds


def test_a_model_that_was_trained_since_does_not_verify_and_leaves_the_prior_alone() -> None:
    model = timm.create_model("test_efficientnet", num_classes=10)
    model.load_state_dict(network().state_dict())
    prior = Prior.from_model(model)
    with torch.no_grad():
        model.classifier.bias.add_(0.5)
    assert verify(certificate()[0], prior=prior, dataset=rows()).holds
    verdict = verify(certificate()[0], prior=model, dataset=rows())
    assert not verdict.holds
    assert "prior.sha256" in verdict.problems[0]


def test_shuffled_rows_do_not_verify_where_some_are_set_aside() -> None:
    settings = CertifySettings(set_aside=10, finetune=transferbound.FinetuneSettings(budget_minutes=0.02))
    made = certify(network(), rows(), None, settings, progress=False)
    assert made.content["dataset"]["set_aside"]["units"] == 10
    assert verify(made, prior=network(), dataset=rows()).holds
    assert not verify(made, prior=network(), dataset=rows().shuffle(seed=1)).holds


def test_a_certificate_in_memory_is_checked_like_a_folder() -> None:
    made = certificate()[0]
    false = Certificate(assigned(made.content, ("errors",), made.content["errors"] - 1), made.message)
    assert not verify(false, prior=network(), dataset=rows()).holds
    with pytest.raises(CertificateError, match="the key extra is unknown"):
        verify(Certificate({**made.content, "extra": 1}, made.message), prior=network(), dataset=rows())


def test_splits_of_a_dict_and_slices() -> None:
    both = datasets.DatasetDict({"train": rows(), "test": rows(n=12, seed=1)})
    data = LabelledData.load(both, split="train[:50%]")
    test = data.other_split("test")
    assert (data.n, test.n, data.split, data.name) == (30, 12, "train[:50%]", "squares (in memory)")
    both["test"] = rows(n=20, seed=2)
    assert data.other_split("test").n == 12  # what was given then
    made = certify(network(), data, None, QUICK, test=test, progress=False)
    both["test"] = rows(n=12, seed=1)
    assert verify(made, prior=network(), dataset=both).holds
    both["test"] = rows(n=12, seed=3)
    assert not verify(made, prior=network(), dataset=both).holds


def test_a_table_alone_is_its_own_split(tmp_path: Path) -> None:
    part = datasets.Dataset(rows().data, info=rows().info, split=datasets.Split.VALIDATION)
    assert LabelledData.load(part).split == "validation"
    with pytest.raises(DataError, match="no split 'train'; it has validation"):
        LabelledData.load(part, split="train[:50%]")
    part.save_to_disk(tmp_path / "part")
    assert (
        LabelledData.load(tmp_path / "part", split="validation").fingerprint
        == LabelledData.load(part).fingerprint
    )
    cut = datasets.Dataset(rows().data, info=rows().info, split=datasets.NamedSplit("train[:10%]"))
    assert LabelledData.load(cut).split == "train"
    cut.save_to_disk(tmp_path / "cut")
    assert LabelledData.load(tmp_path / "cut").n == 60


def test_formats_and_transforms_are_not_applied() -> None:
    plain = LabelledData.load(texts()).fingerprint
    spoken = texts().with_transform(lambda batch: {"text": ["loud"], "label": [0]})
    assert LabelledData.load(spoken).fingerprint == plain
    assert LabelledData.load(texts().with_format("numpy")).fingerprint == plain


def test_names_are_compared_where_an_object_has_one(
    tiny_bert: Path, tiny_tokenizer: Any, tmp_path: Path
) -> None:
    seen = transformers.AutoModel.from_pretrained(tiny_bert)
    seen.save_pretrained(tmp_path / "bert-finetuned-imdb")
    seen = transformers.AutoModel.from_pretrained(tmp_path / "bert-finetuned-imdb")
    named = texts()
    named.info.dataset_name = "imdb"
    with pytest.raises(PriorIndependenceError, match="'bert-finetuned-imdb', which is 'imdb"):
        certify((seen, tiny_tokenizer), named, None, TEXTS, progress=False)
    made = certify((seen, tiny_tokenizer), texts(), None, TEXTS, progress=False)
    assert made.content["dataset"]["id"] == "unnamed (in memory)"
    assert "info.dataset_name of the object can tell" in "".join(made.content["assumptions"])
    assert made.content["independence"]["checked"]["data_names"] == []


def test_the_card_of_what_a_model_was_loaded_from_is_compared(
    tiny_bert: Path, tiny_tokenizer: Any, tmp_path: Path
) -> None:
    transformers.AutoModel.from_pretrained(tiny_bert).save_pretrained(tmp_path / "mine")
    (tmp_path / "mine" / "README.md").write_text(
        "---\nlicense: mit\ndatasets:\n- imdb\n---\n", encoding="utf-8"
    )
    model = transformers.AutoModel.from_pretrained(tmp_path / "mine")
    prior = Prior.from_model(model, tiny_tokenizer)
    assert (prior.name, prior.licence, prior.provenance["datasets"]) == ("mine (in memory)", "mit", ["imdb"])


def test_transformers_objects_are_read_like_their_folder(tiny_bert: Path, tiny_tokenizer: Any) -> None:
    model = transformers.AutoModel.from_pretrained(tiny_bert)
    tiny_tokenizer(["a film"], padding="max_length", truncation=True, max_length=5)  # which it keeps
    kept = tiny_tokenizer.backend_tokenizer.padding, tiny_tokenizer.backend_tokenizer.truncation
    prior, saved = Prior.from_model(model, tiny_tokenizer), Prior.from_pretrained(tiny_bert)
    assert (tiny_tokenizer.backend_tokenizer.padding, tiny_tokenizer.backend_tokenizer.truncation) == kept
    assert None not in kept
    assert prior.fingerprint == saved.fingerprint
    assert prior.files == saved.files
    made = certify((model, tiny_tokenizer), texts(), None, TEXTS, progress=False)
    assert verify(made, prior=tiny_bert, dataset=texts()).holds
    tiny_tokenizer.add_tokens(["loud"])
    try:
        assert not verify(made, prior=(model, tiny_tokenizer), dataset=texts()).holds
    finally:
        tiny_tokenizer._tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_bert)._tokenizer


def test_an_image_classifier_with_its_processor(tiny_vit_classifier: Path) -> None:
    model = transformers.AutoModelForImageClassification.from_pretrained(tiny_vit_classifier)
    processor = transformers.AutoImageProcessor.from_pretrained(tiny_vit_classifier)
    made = certify((model, processor), rows(), None, QUICK, progress=False)
    assert verify(made, prior=(model, processor), dataset=rows()).holds
    processor.image_mean = [0.1, 0.1, 0.1]
    assert not verify(made, prior=(model, processor), dataset=rows()).holds


def test_a_compiled_model_is_the_model() -> None:
    assert Prior.from_model(torch.compile(network())).fingerprint == Prior.from_model(network()).fingerprint
    wrapped = torch.nn.DataParallel(network())
    assert Prior.from_model(wrapped).fingerprint == Prior.from_model(network()).fingerprint


def test_a_language_model_with_its_tokenizer() -> None:
    folder = language_fixtures.checkpoint("llama")
    pair = (
        transformers.AutoModelForCausalLM.from_pretrained(folder),
        transformers.AutoTokenizer.from_pretrained(folder),
    )
    documents = datasets.Dataset.from_dict({"text": language_fixtures.document_texts(40)})
    language = transferbound.LanguageSettings(language_fixtures.MAX_TOKENS, language_fixtures.MIN_TOKENS)
    settings = language_fixtures.quick(epochs=1.0)
    made = certify(pair, documents, None, settings, language=language, progress=False)
    assert made.content["prior"]["id"].endswith("(in memory)")
    assert "The rows were given in memory" in "\n".join(made.content["assumptions"])
    assert verify(made, prior=pair, dataset=documents).holds
    other = datasets.Dataset.from_dict({"text": language_fixtures.document_texts(40, seed=3)})
    assert not verify(made, prior=pair, dataset=other).holds


def test_paths() -> None:
    made = certify(world() / "prior", world() / "bright-squares", None, QUICK, progress=False)
    assert made.content["prior"]["id"] == str(world() / "prior")
    assert verify(made, prior=world() / "prior", dataset=world() / "bright-squares").holds
    with pytest.raises(
        PriorError, match=r"the prior no/where is a path, and nothing is there; give a Hub id"
    ):
        Prior.from_pretrained(Path("no/where"))
    with pytest.raises(
        DataError, match=r"the data set no/where is a path, and nothing is there; give a Hub id"
    ):
        LabelledData.load(Path("no/where"))


class Own(torch.nn.Module):
    """Of no library."""


def test_other_objects_are_refused_with_what_to_give(tiny_bert: Path, tiny_tokenizer: Any) -> None:
    bert, table = transformers.AutoModel.from_pretrained(tiny_bert), rows().to_pandas()
    cases: list[tuple[type[TransferboundError], str, Any, Any]] = [
        (PriorError, r"prior is a .*Own; give a Hub id, a folder, a model of timm", Own(), rows()),
        (PriorError, "prior is a builtins.int; give a Hub id", 3, rows()),
        (PriorError, "prepares its inputs by itself; leave", (network(), tiny_tokenizer), rows()),
        (PriorError, r"BertModel without what prepares its inputs; give \(model, tokenizer\)", bert, texts()),
        (PriorError, "processor is a builtins.int; give the tokenizer", (bert, 3), texts()),
        (ArgumentError, "data is a builtins.list; give .*from_list", network(), [{"text": "a"}]),
        (ArgumentError, "data is a pandas.*DataFrame; give .*from_pandas", network(), table),
        (ArgumentError, "data is a datasets.*; .*without streaming", network(), rows().to_iterable_dataset()),
        (ArgumentError, "data is a builtins.dict; give .*from_dict", network(), image_rows()),
    ]
    with pytest.raises(DataError, match=r"revision is 'main', but .* is an object in memory; leave it out"):
        LabelledData.load(rows(), revision="main")
    for kind, words, prior, data in cases:
        with pytest.raises(kind, match=words):
            certify(prior, data, None, QUICK, progress=False)


def test_a_model_for_pictures_of_another_size_than_it_says_is_refused() -> None:
    model = timm.create_model("test_vit", img_size=64, num_classes=3).eval()
    with pytest.raises(PriorError, match=r"64 x 64 pixels.*160 x 160: set .*= \(3, 64, 64\)"):
        Prior.from_model(model)
    model.pretrained_cfg["input_size"] = (3, 64, 64)
    pixels = torch.rand(2, 3, 64, 64)
    built = Prior.from_model(model).build(3)
    assert torch.equal(built.network(pixels), model(pixels))


class Changed(transformers.BertModel):
    """A class of transformers with code that nobody else has."""


def test_a_class_of_ones_own_is_refused(tiny_bert: Path, tiny_tokenizer: Any) -> None:
    with pytest.raises(PriorError, match=r"Changed; give a Hub id"):
        Prior.from_model(Changed.from_pretrained(tiny_bert), tiny_tokenizer)


def test_a_model_of_sentence_transformers(tiny_bert: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(str(tiny_bert), device="cpu")  # which puts mean pooling on it
    prior = Prior.from_model(model)
    assert (prior.name, prior.modality) == (f"{tiny_bert.name} (in memory)", "text")
    assert {"modules.json", "1_Pooling/config.json"} <= set(prior.files)
    made = certify(prior, texts(), tmp_path / "certificate", TEXTS, progress=False)
    assert (tmp_path / "certificate" / "prior" / "modules.json").is_file()
    assert verify(made, prior=model, dataset=texts()).holds
