"""What cannot be certified of a language model is refused with one line that says what is wrong and what would help."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from conftest import save_rows
from datasets import ClassLabel, Value
from language_fixtures import (
    ARCHITECTURES,
    MAX_TOKENS,
    MIN_TOKENS,
    checkpoint,
    corpus,
    document_texts,
    quick,
    save_language_model,
    save_tokenizer,
)
from spine_fixtures import here_cli

from transferbound import Documents, LanguageSettings, Prior, certify_language
from transferbound.data.documents import has_label
from transferbound.data.encoded_documents import encode_documents
from transferbound.errors import ArgumentError, DataError, PriorError
from transferbound.message.generation import MOST_PROMPT_TOKENS, Stage
from transferbound.priors.prior import is_language_model

Capture = pytest.CaptureFixture[str]
TASK = "text-generation"
LANGUAGE = LanguageSettings(MAX_TOKENS, MIN_TOKENS)


@pytest.fixture(scope="module")
def llama() -> Prior:
    return Prior.from_pretrained(str(checkpoint("llama")), task=TASK)


def documents(folder: Path, texts: list[Any]) -> Documents:
    return Documents.load(str(save_rows(folder, {"text": texts})))


# Documents ----------------------------------------------------------------------------------------------


def test_empty_and_short_documents_are_left_out_and_counted(llama: Prior, tmp_path: Path) -> None:
    data = documents(tmp_path / "rows", ["", " ", "ba", "ba be", *document_texts(6)])
    encoded = encode_documents(llama.preprocessing(MAX_TOKENS), data, min_tokens=MIN_TOKENS)
    assert (encoded.n, encoded.left_out) == (6, 4)
    whole = encode_documents(llama.preprocessing(MAX_TOKENS), data, min_tokens=1)
    assert whole.left_out == 1 + int(len(llama.preprocessing(0).tokens([" "])[0]) == 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "texts",
    [[""] * 5, ["ba"] * 5, document_texts(1), ["", "ba be di ko ba"]],
    ids=["empty", "short", "one", "1"],
)
def test_too_few_documents(llama: Prior, texts: list[str], tmp_path: Path) -> None:
    data = documents(tmp_path / "rows", texts)
    with pytest.raises(DataError, match="independent units with documents of at least 4 tokens"):
        certify_language(llama, data, tmp_path / "out", quick(), LANGUAGE, progress=False)
    assert not (tmp_path / "out").exists()


def test_rows_without_a_text(llama: Prior, tmp_path: Path) -> None:
    data = documents(tmp_path / "rows", [*document_texts(5), None])
    with pytest.raises(DataError, match="row 5"):
        certify_language(llama, data, None, quick(), LANGUAGE, progress=False)


def test_columns_that_are_no_documents(tmp_path: Path) -> None:
    save_rows(tmp_path / "numbers", {"n": list(range(5))}, n=Value("int64"))
    with pytest.raises(DataError):
        Documents.load(str(tmp_path / "numbers"))
    with pytest.raises(DataError, match="n"):
        Documents.load(str(tmp_path / "numbers"), text_column="n")
    two = {"title": document_texts(5), "body": document_texts(5, 1)}
    save_rows(tmp_path / "two", two)
    with pytest.raises(DataError):
        Documents.load(str(tmp_path / "two"))
    assert Documents.load(str(tmp_path / "two"), text_column="body").columns["text"] == ["body"]
    save_rows(tmp_path / "pairs", {"sentence1": two["title"], "sentence2": two["body"]})
    with pytest.raises(DataError, match="sentence1, sentence2"):
        Documents.load(str(tmp_path / "pairs"))
    with pytest.raises(DataError, match="group-column"):
        Documents.load(str(tmp_path / "two"), text_column="body", group_column="author")


def test_labels_are_not_read(tmp_path: Path) -> None:
    texts = document_texts(6)
    rows = {"text": texts, "label": [0, 1] * 3}
    save_rows(tmp_path / "labelled", rows, label=ClassLabel(names=["a", "b"]))
    save_rows(tmp_path / "plain", {"text": texts})
    assert has_label(str(tmp_path / "labelled"), "train", None, None)
    assert not has_label(str(tmp_path / "plain"), "train", None, None)
    found = [Documents.load(str(tmp_path / name)) for name in ("labelled", "plain")]
    assert found[0].fingerprint == found[1].fingerprint


# Checkpoints --------------------------------------------------------------------------------------------


def test_an_encoder(tmp_path: Path, save_bert: Callable[..., Path]) -> None:
    for name in ("BertModel", "BertForMaskedLM"):
        folder = save_bert(tmp_path / name, name)
        assert not is_language_model(str(folder))
        with pytest.raises(PriorError, match=f"no causal language model .*{name}"):
            Prior.from_pretrained(str(folder), task=TASK)


def test_a_decoder_by_name_that_sees_what_is_to_come(tmp_path: Path, save_bert: Callable[..., Path]) -> None:
    """transformers calls it causal; whether it is, the configuration says."""
    for is_decoder in (False, True):
        folder = save_bert(tmp_path / str(is_decoder), "BertLMHeadModel", is_decoder=is_decoder)
        prior = Prior.from_pretrained(str(folder), task=TASK)
        texts = ["the film is good and the plot is not bad", "a dull film and a very sad scene of it"] * 3
        data = documents(tmp_path / f"rows-{is_decoder}", texts)
        told = (prior, data, None, quick(epochs=1.0), LANGUAGE)
        if is_decoder:
            certify_language(*told, progress=False)
            continue
        with pytest.raises(PriorError, match="it is no causal language model"):
            certify_language(*told, progress=False)


def test_an_encoder_decoder(tmp_path: Path) -> None:
    config = transformers.T5Config(
        vocab_size=100, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    transformers.T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path, ARCHITECTURES["llama"])
    with pytest.raises(PriorError, match="no causal language model"):
        Prior.from_pretrained(str(tmp_path), task=TASK)


def test_a_chat_template_is_not_applied(llama: Prior, tmp_path: Path) -> None:
    folder = save_language_model(tmp_path / "chat", ARCHITECTURES["llama"], "llama")
    template = "{% for message in messages %}<s>user {{ message['content'] }}</s>{% endfor %}"
    told = json.loads((folder / "tokenizer_config.json").read_bytes()) | {"chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    chat = Prior.from_pretrained(str(folder), task=TASK)
    texts = ["ba be di", "<s> ba </s>", ""]
    plain, found = llama.preprocessing(0), chat.preprocessing(0)
    assert "user" in found.tokenizer.chat_template  # type: ignore[attr-defined]
    assert found.tokens(texts) == plain.tokens(texts)  # type: ignore[attr-defined]
    assert found.tokens(["ba be di"]) == [[15, 52, 57]]  # type: ignore[attr-defined]
    assert found.to_dict()["template"] == "none"


def test_a_tokenizer_that_does_not_fit(tmp_path: Path) -> None:
    folder = save_language_model(tmp_path / "other", ARCHITECTURES["llama"], "llama")
    save_tokenizer(folder, ARCHITECTURES["llama"], extra=20)
    with pytest.raises(PriorError, match="114 tokens and embeddings for 100"):
        Prior.from_pretrained(str(folder), task=TASK)


@pytest.mark.parametrize("name", ["gpt2", "opt", "phi"])
def test_documents_up_to_the_last_position_and_none_beyond(name: str, tmp_path: Path) -> None:
    prior = Prior.from_pretrained(str(checkpoint(name)), task=TASK)
    most = 96 - ARCHITECTURES[name].given
    with pytest.raises(PriorError, match=f"max-tokens is {most + 1}, .* documents of 1 to {most} tokens"):
        prior.preprocessing(most + 1)
    data = documents(tmp_path / "rows", ["ba be di ko " * 40, "di ko ba be " * 40, "ko di ba be " * 40])
    size = most - (0 if ARCHITECTURES[name].given else 1)
    encoded = encode_documents(prior.preprocessing(size), data, min_tokens=4)
    assert encoded.lengths.tolist() == [size] * 3
    with torch.inference_mode():
        bits = prior.build_language_model()(**encoded.batch([0, 1]))
    assert bits.shape == (2, size)
    assert bool((bits < 0).all())


def test_no_room_for_a_prompt(llama: Prior, tmp_path: Path) -> None:
    language = LanguageSettings(95 - MOST_PROMPT_TOKENS + 1, MIN_TOKENS)
    with pytest.raises(ArgumentError, match="lower --max-tokens"):
        certify_language(
            llama, str(corpus()), tmp_path / "out", quick(), language, kind="prompt", progress=False
        )
    with pytest.raises(ArgumentError, match="at most 64 can be named"):
        Stage(3, prompt=(1,) * (MOST_PROMPT_TOKENS + 1))


def test_a_prior_that_was_opened_for_another_task(tiny_bert: Path) -> None:
    with pytest.raises(PriorError, match="open it with task="):
        Prior.from_pretrained(str(tiny_bert)).build_language_model()
    with pytest.raises(ArgumentError, match="task is 'chat'"):
        Prior.from_pretrained(str(tiny_bert), task="chat")


# GGUF ---------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    for content in (b"", b"GGUF", b"GGUF" + bytes(range(256)) * 40, b"not a checkpoint at all"):
        (tmp_path / "model.gguf").write_bytes(content)
        with pytest.raises(PriorError, match="cannot be read as a GGUF language model"):
            Prior.from_pretrained(str(tmp_path / "model.gguf"), task=TASK)
        with pytest.raises(PriorError, match="cannot be read as a GGUF language model"):
            Prior.from_pretrained(str(tmp_path), task=TASK)  # the only one in its folder


def test_several_files_in_a_folder(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    with pytest.raises(PriorError, match=r"several GGUF files \(a.gguf, b.gguf\); name the file itself"):
        Prior.from_pretrained(str(tmp_path), task=TASK)


def test_without_the_package_that_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(PriorError, match=r"pip install 'transferbound\[gguf\]'"):
        Prior.from_pretrained(str(tmp_path / "model.gguf"), task=TASK)


# The command line -----------------------------------------------------------------------------------------


def refused(capsys: Capture, out: Path, *options: object) -> str:
    plain = ("--prior", checkpoint("llama"), "--dataset", corpus(), "--out", out, "--quiet")
    assert here_cli("bound", *plain, *options) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1, told.err
    assert not out.exists()
    return told.err


UNUSED = {
    "--num-classes": 3,
    "--label-column": "label",
    "--image-column": "image",
    "--input-size": 12,
    "--head-seed": 1,
    "--head-scale": 3,
    "--search": "dim=10,20",
    "--reference": ".",  # a folder that is there: names are looked up first
    "--prior-split": "train[:50%]",
    "--set-aside": 3,
}


@pytest.mark.parametrize("option", UNUSED)
def test_options_that_say_nothing_of_a_language_model(option: str, capsys: Capture, tmp_path: Path) -> None:
    said = refused(capsys, tmp_path / "out", "--task", TASK, option, UNUSED[option])
    assert f"{option.removeprefix('--')} is" in said
    assert "says nothing of a language model" in said


WRONG: dict[str, tuple[tuple[object, ...], str]] = {
    "no such task": (("--task", "chat"), "task is 'chat'"),
    "over the table": (("--max-tokens", 500), "max-tokens is 500"),
    "none left": (("--max-tokens", 5, "--min-tokens", 6), "no document is left"),
    "least": (("--min-tokens", 0), "min-tokens is 0"),
    "negative": (("--max-tokens", -1), "max-tokens is -1"),
    "two columns": (("--text-column", "a", "--text-column", "b"), "text-column is given 2 times"),
    "another column": (("--text-column", "body"), "body"),
    "no room": (("--kind", "prompt", "--max-tokens", 40), "lower --max-tokens"),
    "kind and stages": (("--kind", "film", "--stage", "hashed:10"), "leave one of the two out"),
    "dim and stages": (("--dim", 10, "--stage", "hashed:10"), "leave one of the two out"),
    "prompt of a list": (("--kind", "prompt", "--candidate", "3/10"), "names no variant"),
    "staged prompt of a list": (("--stage", "prompt", "--candidate", "3/10"), "names no variant"),
    "no such kind": (("--kind", "nothing"), "nothing"),
    "confidence": (("--confidence", 1.5), "confidence"),
    "too many coordinates": (("--kind", "film", "--dim", 100_000, "--epochs", 1), "100,?000"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_done(what: str, capsys: Capture, tmp_path: Path) -> None:
    import re

    options, said = WRONG[what]
    assert re.search(said, refused(capsys, tmp_path / "out", "--task", TASK, *options))


def test_a_classifier_is_told_of_the_task(capsys: Capture, tmp_path: Path, tiny_bert: Path) -> None:
    said = refused(capsys, tmp_path / "out", "--task", TASK, "--prior", tiny_bert)
    assert "choose another prior, or leave out --task" in said


def test_a_card_of_a_checkpoint_that_saw_the_documents(capsys: Capture, tmp_path: Path) -> None:
    """It is refused, unless the writer says so; and then the certificate says so too."""
    folder = Path(shutil.copytree(checkpoint("llama"), tmp_path / "tuned"))
    data = Path(shutil.copytree(corpus(), tmp_path / "letters-corpus"))
    (folder / "README.md").write_text("---\ndatasets:\n- me/letters-corpus\n---\n", encoding="utf-8")
    options = ("--prior", folder, "--dataset", data, "--epochs", 1, "--dim", 20, "--kind", "film")
    assert "letters-corpus" in refused(capsys, tmp_path / "out", *options)
    code = here_cli("bound", *options, "--out", tmp_path / "out", "--quiet", "--allow-dependence")
    assert code in (0, 3)
    content = json.loads((tmp_path / "out/certificate.json").read_bytes())
    assert any(line.startswith("WARNING") and "letters-corpus" in line for line in content["assumptions"])
