"""Certificates on language models from the command line: written, verified afresh, told of, and resumed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from language_fixtures import (
    KINDS,
    MAX_TOKENS,
    MIN_TOKENS,
    checkpoint,
    corpus,
    document_texts,
    language_certificate,
    quick,
)
from spine_fixtures import here_cli, image_certificate, run_cli, world

from transferbound import (
    Certificate,
    Documents,
    LabelledData,
    LanguageSettings,
    Predictor,
    Prior,
    certify,
    certify_language,
    verify,
)
from transferbound.errors import ArgumentError, CertificateError
from transferbound.finetune.loop import Finetuner

Capture = pytest.CaptureFixture[str]
TASK = "text-generation"
LANGUAGE = LanguageSettings(MAX_TOKENS, MIN_TOKENS)


def jsonl(folder: Path, **splits: int) -> Path:
    """Splits of so many documents, a file of JSON lines each."""
    folder.mkdir()
    for seed, (split, size) in enumerate(splits.items()):
        lines = [json.dumps({"text": text}) for text in document_texts(size, seed)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def bound(out: Path, dataset: Path, *more: object, name: str = "llama") -> int:
    sizes = ("--max-tokens", MAX_TOKENS, "--min-tokens", MIN_TOKENS, "--quiet")
    return here_cli("bound", "--prior", checkpoint(name), "--dataset", dataset, "--out", out, *sizes, *more)


def content_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "certificate.json").read_bytes())
    return content


# From documents to a verdict ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By the command line, which finds out by itself that this is a language model and documents."""
    place = tmp_path_factory.mktemp("written")
    data = jsonl(place / "data", train=40, test=8)
    code = bound(place / "out", data, "--epochs", 1, "--kind", "film", "--dim", 20)
    assert code in (0, 3)
    return place / "out"


def test_it_says_what_it_is_about(written: Path) -> None:
    content = content_of(written)
    assert (content["task"], content["loss"]) == (TASK, "bits_per_token")
    assert content["n"] == content["dataset"]["units"] == 40
    assert content["decoder"]["max_tokens"] == MAX_TOKENS
    assert [stage["kind"] for stage in content["decoder"]["stages"]] == ["film"]
    assert content["risk_bound"] == pytest.approx(
        content["excess_bound"] + content["prior_risk_bound"], abs=3e-4
    )
    assert content["risk_bound"] > content["train_risk"] - 1e-4
    assert content["evaluation"]["test"]["n"] == 8
    assert content["message_bits"] == pytest.approx(sum(cost["bits"] for cost in content["message"]["costs"]))
    said = " ".join(content["assumptions"])
    assert "was trained on was not searched for these documents" in said
    assert f"at least {MIN_TOKENS} tokens" in said


def test_a_fresh_process_verifies_it(written: Path) -> None:
    done = run_cli("verify", written, "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["holds"] is True


def test_it_is_told_of(written: Path, capsys: Capture, tmp_path: Path) -> None:
    assert here_cli("account", written) == 0
    told = capsys.readouterr().out
    assert "mix" in told
    assert "stages" in told
    moved = Path(shutil.copytree(written, tmp_path / "moved"))
    card = (moved / "README.md").read_text(encoding="utf-8")
    (moved / "README.md").unlink()
    assert here_cli("card", moved) == 0
    assert (moved / "README.md").read_text(encoding="utf-8") == card
    assert "for reporting only" in card
    assert "bits per token" in card
    assert verify(moved).holds


def test_it_predicts_no_class(written: Path, capsys: Capture) -> None:
    assert here_cli("predict", written, "ba be") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1
    assert "language model" in told.err
    with pytest.raises(CertificateError, match="names no class"):
        Predictor.from_pretrained(written)


def test_what_left_out_documents_are_is_said(tmp_path: Path) -> None:
    data = jsonl(tmp_path / "data", train=40)
    assert bound(tmp_path / "out", data, "--epochs", 1, "--dim", 20, "--min-tokens", 9) in (0, 3)
    content = content_of(tmp_path / "out")
    left_out = sum(len(text.split()) < 9 for text in document_texts(40))
    assert content["dataset"]["left_out"] == left_out > 5
    assert content["n"] == 40 - left_out
    assert content["evaluation"]["test"] is None
    said = " ".join(content["assumptions"])
    assert f"of the 40 rows {left_out} shorter ones were left out" in said
    assert f"of the 40 rows {left_out} shorter ones were left out" in (tmp_path / "out/README.md").read_text()


def test_groups_are_the_units() -> None:
    folder = language_certificate("llama", "film", epochs=1.0, groups=12, test=True)
    content = content_of(folder)
    assert content["n"] == 12
    assert content["dataset"]["columns"]["group"] == "author"
    assert "The 12 groups named by column 'author'" in content["assumptions"][0]
    assert content["evaluation"]["test"]["split"] == "test"
    verdict = verify(folder)
    assert verdict.holds, verdict.problems


@pytest.mark.parametrize("name", ["phi"])
@pytest.mark.parametrize("kind", ["lora", "prompt"])
def test_other_kinds_hold_too(kind: str, name: str, tmp_path: Path) -> None:
    more = ("--budget-minutes", 0.02) if kind == "prompt" else ("--dim", 20, "--epochs", 1, "--rank", 2)
    assert bound(tmp_path / "out", corpus(), "--task", TASK, "--kind", kind, *more, name=name) in (0, 3)
    content = content_of(tmp_path / "out")
    stage = content["decoder"]["stages"][0]
    assert stage["kind"] == kind
    assert ("prompt" in stage) == (kind == "prompt")
    verdict = verify(tmp_path / "out")
    assert verdict.holds, verdict.problems


@pytest.mark.long
@pytest.mark.parametrize("name", ["gpt2", "mamba"])
@pytest.mark.parametrize("kind", ["hashed", "film+lora", "head+film", "modules"])
def test_all_other_kinds_hold(kind: str, name: str, tmp_path: Path) -> None:
    more: tuple[object, ...] = ("--dim", 30, "--epochs", 2)
    more += ("--rank", 2) if "lora" in kind else ()
    more += ("--modules", "*") if kind == "modules" else ()
    code = bound(tmp_path / "out", corpus(), "--kind", kind, *more, name=name)
    if kind == "head+film":
        assert code == 2  # no head that classes are read from
        return
    assert code in (0, 3)
    assert verify(tmp_path / "out", batch_size=3).holds


# Library users ---------------------------------------------------------------------------------------


def test_certify_takes_documents_and_names() -> None:
    prior = Prior.from_pretrained(str(checkpoint("llama")), task=TASK)
    settings = quick(KINDS["film"], 1.0)
    made = [
        certify(prior, str(corpus()), settings=settings, language=LANGUAGE, progress=False),
        certify(
            str(checkpoint("llama")), Documents.load(str(corpus())), settings=settings, language=LANGUAGE,
            progress=False,
        ),
        certify_language(prior, str(corpus()), None, settings, LANGUAGE, progress=False),
    ]  # fmt: skip
    assert made[0].message == made[1].message == made[2].message
    assert made[0].content == made[1].content == made[2].content
    assert "bits per token" in repr(made[0])


def test_certify_says_what_does_not_go_together() -> None:
    prior, data = Prior.from_pretrained(str(checkpoint("llama")), task=TASK), Documents.load(str(corpus()))
    classifier, rows = (
        Prior.from_pretrained(str(world() / "prior")),
        LabelledData.load(str(world() / "bright-squares")),
    )
    for told, what in (
        ((classifier, data), "documents without labels"),
        ((prior, rows), "labelled examples"),
    ):
        with pytest.raises(ArgumentError, match=what):
            certify(*told, progress=False)
    with pytest.raises(ArgumentError, match="opened as a classifier"):
        certify(classifier, rows, language=LANGUAGE, progress=False)
    with pytest.raises(ArgumentError, match="says nothing of a language model"):
        certify(prior, data, reference="somewhere", progress=False)


# Runs that are stopped ---------------------------------------------------------------------------------


def _stopped_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = Finetuner._advance

    def stopping(self: Finetuner, indices: Any) -> None:
        if self.step == steps:
            raise KeyboardInterrupt
        advance(self, indices)

    monkeypatch.setattr(Finetuner, "_advance", stopping)


@pytest.mark.parametrize("steps", [3, 9])
def test_a_run_that_was_stopped_ends_with_the_same_certificate(
    steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    prior, data = Prior.from_pretrained(str(checkpoint("llama")), task=TASK), Documents.load(str(corpus()))
    settings = quick(KINDS["hashed"], 3.0)
    settings = replace(settings, finetune=replace(settings.finetune, save_seconds=0.0))
    unbroken = certify_language(prior, data, None, settings, LANGUAGE, progress=False)
    with monkeypatch.context() as patch:
        _stopped_after(steps, patch)
        with pytest.raises(KeyboardInterrupt):
            certify_language(prior, data, tmp_path / "out", settings, LANGUAGE, progress=False)
    assert (tmp_path / "out.partial").exists()
    resumed = certify_language(prior, data, tmp_path / "out", settings, LANGUAGE, progress=False)
    assert resumed.message == unbroken.message
    assert resumed.content == unbroken.content
    assert not (tmp_path / "out.partial").exists()


def test_a_prompt_that_was_found_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of its search follows the clock; what stands on it must not."""
    prior, data = Prior.from_pretrained(str(checkpoint("llama")), task=TASK), Documents.load(str(corpus()))
    language = LanguageSettings(MAX_TOKENS, MIN_TOKENS, stage=["prompt", "hashed:10"])
    settings = quick(None, 1.0)
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        _stopped_after(2, patch)
        with pytest.raises(KeyboardInterrupt):
            certify_language(prior, data, out, settings, language, progress=False)

    def searched(*_: object, **__: object) -> None:
        raise AssertionError("the prompt was searched for again")

    monkeypatch.setattr("transferbound.certification.language_chain.search_prompt", searched)
    certify_language(prior, data, out, settings, language, progress=False)
    assert verify(out).holds


# Two kinds of certificates ------------------------------------------------------------------------------


def test_a_message_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    import hashlib

    language, image = language_certificate("llama", "film", 1.0, groups=12, test=True), image_certificate()
    for folder, other in ((language, image), (image, language)):
        forged = Path(shutil.copytree(folder, tmp_path / folder.name / "forged"))
        message = (other / "offset.bin").read_bytes()
        content = content_of(forged)
        content["message"] |= {
            "sha256": hashlib.sha256(message).hexdigest(),
            "file_bits": 8 * len(message),
        }
        content["file_bits"] = 8 * len(message)
        (forged / "certificate.json").write_text(json.dumps(content), encoding="utf-8")
        (forged / "offset.bin").write_bytes(message)
        verdict = verify(forged)
        assert not verdict.holds
        assert verdict.problems[0].startswith("offset.bin: the message begins with")


def test_a_certificate_of_one_kind_that_names_the_other_is_malformed(tmp_path: Path) -> None:
    for folder, change in (
        (language_certificate("llama", "film", 1.0, groups=12, test=True), {"task": "classification"}),
        (image_certificate(), {"task": TASK}),
    ):
        forged = Path(shutil.copytree(folder, tmp_path / folder.name / "forged"))
        (forged / "certificate.json").write_text(json.dumps(content_of(forged) | change), encoding="utf-8")
        with pytest.raises(CertificateError):
            Certificate.from_pretrained(forged)


def test_a_card_that_hides_what_the_checkpoint_at_hand_admits(tmp_path: Path) -> None:
    """Trap 9: the recorded card is silent, and the one beside the same tensors names the documents."""
    folder, prior = tmp_path / "certificate", tmp_path / "prior"
    data = jsonl(tmp_path / "whispered-tales", train=60)
    assert bound(folder, data, "--epochs", 1, "--dim", 20) in (0, 3)
    shutil.copytree(checkpoint("llama"), prior)
    verdict = verify(folder, prior=str(prior))
    assert verdict.holds, verdict.problems
    (prior / "README.md").write_text("---\ndatasets:\n- someone/whispered-tales\n---\n", encoding="utf-8")
    verdict = verify(folder, prior=str(prior))
    assert not verdict.holds
    assert "independence.findings is without" in verdict.problems[0]


def test_weights_beside_a_certificate_are_not_what_holds(tmp_path: Path) -> None:
    folder = tmp_path / "certificate"
    shutil.copytree(language_certificate(), folder)
    assert not any("also holds" in note for note in verify(folder).notes)
    (folder / "model.safetensors").write_bytes(b"other weights")
    verdict = verify(folder)
    assert verdict.holds, verdict.problems
    assert any("also holds model.safetensors, of which nothing was checked" in note for note in verdict.notes)
