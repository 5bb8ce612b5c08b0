"""A pool: documents drawn at random from a split, and a bound on the mean over the split."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from language_fixtures import MAX_TOKENS, MIN_TOKENS, checkpoint, corpus, quick
from typer.testing import CliRunner

from transferbound import Prior, verify
from transferbound.certification.certify_language import certify_language
from transferbound.certification.language_settings import LanguageSettings
from transferbound.cli.app import app
from transferbound.data.documents import Documents
from transferbound.data.pool import drawn_rows
from transferbound.errors import ArgumentError


def test_every_row_is_drawn_as_often_as_any_other() -> None:
    counts = sum(np.bincount(drawn_rows(20, 5, seed), minlength=20) for seed in range(2000))
    assert abs(counts - 500).max() < 5 * np.sqrt(2000 * 0.25 * 0.75)
    pairs = sum(1 for seed in range(2000) if {3, 4} <= set(drawn_rows(20, 5, seed).tolist()))
    assert abs(pairs - 2000 * (5 * 4) / (20 * 19)) < 5 * np.sqrt(2000 * 0.05)


def test_another_seed_draws_others_and_the_same_the_same() -> None:
    data = Documents.load(str(corpus()))
    texts = [list(data.drawn(10, seed).text_rows()) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert data.drawn(10, 1).fingerprint != data.drawn(10, 2).fingerprint


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (61, 0), (10, -1), (10, 2**64)])
def test_what_cannot_be_drawn(count: int, seed: int) -> None:
    with pytest.raises(ArgumentError, match="pool"):
        Documents.load(str(corpus())).drawn(count, seed)


def test_groups_are_not_drawn() -> None:
    data = Documents.load(str(corpus(groups=5)), group_column="author")
    with pytest.raises(ArgumentError, match="in groups"):
        data.drawn(10, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pool") / "out"
    certify_language(
        Prior.from_pretrained(str(checkpoint("llama")), task="text-generation"),
        Documents.load(str(corpus())),
        out,
        quick(epochs=1.0),
        LanguageSettings(MAX_TOKENS, MIN_TOKENS, pool=40, pool_seed=5),
        progress=False,
    )
    return out


def test_the_certificate_says_what_it_is_about(folder: Path) -> None:
    content = json.loads((folder / "certificate.json").read_text())
    assert content["dataset"]["pool"] == {"rows": 60, "seed": 5}
    assert content["dataset"]["rows"] == 40
    said = " ".join(content["assumptions"])
    assert "40 were drawn at random, without replacement, by the seed 5" in said
    assert "independent draws" not in said
    assert "New documents" not in said
    assert "the 60 documents of" in (folder / "README.md").read_text()
    verdict = verify(folder)
    assert verdict.holds, verdict.problems
    assert "the documents of the pool" in verdict.text()


@pytest.mark.parametrize(
    "change", [{"seed": 6}, {"rows": 61}, {"rows": 40}, {"rows": 2**62}, {"seed": -1}, None]
)
def test_another_pool_does_not_verify(folder: Path, tmp_path: Path, change: dict[str, int] | None) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(folder, forged)
    content = json.loads((forged / "certificate.json").read_text())
    if change is None:
        del content["dataset"]["pool"]
    else:
        content["dataset"]["pool"] |= change
    (forged / "certificate.json").write_text(json.dumps(content))
    (forged / "README.md").unlink()
    assert not verify(forged).holds


def test_a_run_that_was_stopped_goes_on_with_its_own_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    prior = Prior.from_pretrained(str(checkpoint("llama")), task="text-generation")
    out, language = tmp_path / "out", LanguageSettings(MAX_TOKENS, MIN_TOKENS, pool=40)
    where = "transferbound.certification.language_chain.log_likelihoods"
    data = Documents.load(str(corpus()))
    monkeypatch.setattr(where, stop)
    with pytest.raises(KeyboardInterrupt):
        certify_language(prior, data, out, quick(epochs=1.0), language, progress=False)
    monkeypatch.undo()
    seed = json.loads((tmp_path / "out.partial" / "run.json").read_text())["pool_seed"]
    certify_language(prior, data, out, quick(epochs=1.0), language, progress=False)
    assert json.loads((out / "certificate.json").read_text())["dataset"]["pool"]["seed"] == seed
    assert not (tmp_path / "out.partial").exists()


def test_a_seed_without_a_pool_is_refused(tmp_path: Path) -> None:
    command = ["bound", "--prior", str(checkpoint("llama")), "--dataset", str(corpus()), "--pool-seed", "3"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert "pool-seed is 3" in str(result.exception)
    assert not (tmp_path / "out").exists()
