"""Files that are no certificate, and checkpoints and data other than the certified ones."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import save_rows
from safetensors.torch import load_file, save_file
from spine_fixtures import assigned, bright_rows, dotted, image_certificate, world

from transferbound.errors import CertificateError, TransferboundError
from transferbound.verification.verdict import Verdict
from transferbound.verification.verify import verify

# Files ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(image_certificate(), tmp_path / "certificate"))


def deep(text: str) -> bytes:
    return text.replace(
        '"training": {', '"training": {"deep": ' + "[" * 100_000 + "]" * 100_000 + ", ", 1
    ).encode()


RAW: dict[str, tuple[Callable[[str], bytes], str]] = {
    "empty": (lambda text: b"", "not valid JSON"),
    "half": (lambda text: text[: len(text) // 2].encode(), "not valid JSON"),
    "not UTF-8": (lambda text: text.encode("utf-16"), "not valid JSON"),
    "latin": (lambda text: text.replace('"schema"', '"sch\xe9ma"', 1).encode("latin-1"), "not valid JSON"),
    "byte order mark": (lambda text: b"\xef\xbb\xbf" + text.encode(), "not valid JSON"),
    "a list": (lambda text: f"[{text}]".encode(), "not an object"),
    "a number": (lambda text: b"1", "not an object"),
    "NaN": (lambda text: text.replace('"risk_bound": ', '"risk_bound": NaN, "x": ', 1).encode(), "NaN"),
    "infinite": (lambda text: text.replace('"n": ', '"n": Infinity, "x": ', 1).encode(), "Infinity"),
    "huge float": (lambda text: text.replace('"n": ', '"n": 1e999, "x": ', 1).encode(), "out of range"),
    "huge integer": (lambda text: text.replace('"n": ', '"n": 1' + "0" * 5000 + "1", 1).encode(), "too long"),
    "key twice": (lambda text: text.replace('"n": ', '"n": 1, "n": ', 1).encode(), "'n' appears twice"),
    "key twice within": (
        lambda text: text.replace('"levels": ', '"levels": 3, "levels": ', 1).encode(),
        "'levels' appears twice",
    ),
    "deep": (deep, "nested too deeply"),
    "shallow but too deep": (
        lambda text: text.replace(
            '"training": {', '"training": {"deep": ' + "[" * 40 + "]" * 40 + ",", 1
        ).encode(),
        "nested too deeply",
    ),
    "half a surrogate pair": (
        lambda text: text.replace('"id": "', '"id": "\\ud800', 1).encode(),
        "not valid JSON",
    ),
    "two documents": (lambda text: (text + text).encode(), "not valid JSON"),
    "a comment": (lambda text: ("// fine\n" + text).encode(), "not valid JSON"),
    "too large": (lambda text: text.encode() + b" " * 2**22, "larger than"),
    "version 3": (
        lambda text: text.replace('"schema_version": 2', '"schema_version": 3', 1).encode(),
        "schema_version 3",
    ),
    "version true": (
        lambda text: text.replace('"schema_version": 2', '"schema_version": true', 1).encode(),
        "schema_version",
    ),
    "another schema": (
        lambda text: text.replace("transferbound-certificate", "my-certificate", 1).encode(),
        "my-certificate",
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_json_that_is_not_a_certificate(folder: Path, name: str) -> None:
    change, message = RAW[name]
    file = folder / "certificate.json"
    written = change(file.read_text(encoding="utf-8"))
    assert written != file.read_bytes()
    file.write_bytes(written)
    with pytest.raises(CertificateError, match=message):
        verify(folder)


@pytest.mark.parametrize("name", ["certificate.json", "offset.bin"])
@pytest.mark.parametrize("how", ["missing", "folder", "pipe", "endless", "dangling", "loop", "large"])
def test_files_that_are_not_files(folder: Path, name: str, how: str) -> None:
    file = folder / name
    file.unlink()
    if how == "folder":
        file.mkdir()
    elif how == "pipe":
        os.mkfifo(file)
    elif how == "endless":
        file.symlink_to("/dev/zero")
    elif how == "dangling":
        file.symlink_to(folder / "nowhere")
    elif how == "loop":
        file.symlink_to(file)
    elif how == "large":
        with file.open("wb") as stream:
            stream.truncate(2**34)  # sparse
    with pytest.raises(CertificateError, match=name):
        verify(folder)


def test_a_file_or_nothing_in_place_of_the_folder(folder: Path) -> None:
    for place in (folder / "certificate.json", folder / "nothing"):
        with pytest.raises(CertificateError, match="not a folder"):
            verify(place)


def test_a_certificate_of_links_is_as_good_as_one_of_files(folder: Path, tmp_path: Path) -> None:
    """The Hub's own cache is made of links."""
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in ("certificate.json", "offset.bin"):
        (linked / name).symlink_to(folder / name)
    assert verify(linked).holds


# Checkpoint and data -------------------------------------------------------------------------------


def verify_with(prior: Path | None = None, data: Path | None = None) -> Verdict:
    return verify(
        image_certificate(),
        prior=None if prior is None else str(prior),
        dataset=None if data is None else str(data),
    )


@pytest.fixture
def prior_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(world() / "prior", tmp_path / "prior"))


def test_another_place_is_no_other_prior(prior_copy: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(world() / "bright-squares", tmp_path / "data"))
    verdict = verify_with(prior_copy, data)
    assert verdict.holds, verdict.problems
    assert any("was not checked" in note for note in verdict.notes)


def _edit_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _first(tensors: dict[str, torch.Tensor], ending: str) -> str:
    return next(name for name in tensors if name.endswith(ending))


@pytest.mark.parametrize("ending", ["running_mean", "running_var", "num_batches_tracked", "weight", "bias"])
def test_a_moved_tensor_of_the_prior(prior_copy: Path, ending: str) -> None:
    _edit_tensors(prior_copy, lambda tensors: tensors[_first(tensors, ending)].add_(1))
    verdict = verify_with(prior_copy)
    assert not verdict.holds
    assert "prior.sha256" in verdict.problems[0]


def test_an_extra_tensor_in_the_prior(prior_copy: Path) -> None:
    _edit_tensors(prior_copy, lambda tensors: tensors.__setitem__("offset", torch.ones(3)))
    with pytest.raises(TransferboundError, match="offset"):
        verify_with(prior_copy)


def test_a_prior_of_other_random_weights(tmp_path: Path) -> None:
    import timm
    from timm.models import save_for_hf

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(9)
        model = timm.create_model("test_efficientnet", num_classes=10)
    save_for_hf(model, str(tmp_path / "prior"), safe_serialization=True)
    verdict = verify_with(tmp_path / "prior")
    assert not verdict.holds
    assert "prior.sha256" in verdict.problems[0]


def test_a_changed_config_of_the_prior(prior_copy: Path) -> None:
    file = prior_copy / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["pretrained_cfg"]["mean"] = [0.1, 0.2, 0.3]
    file.write_text(json.dumps(config), encoding="utf-8")
    verdict = verify_with(prior_copy)
    assert not verdict.holds
    assert any("prior.files.'config.json' is stated as" in line for line in verdict.problems)
    assert any("decoder.preprocessing.mean" in line for line in verdict.problems)


def relabelled(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return rows | {"label": [1 - rows["label"][0], *rows["label"][1:]]}


DATA: dict[str, tuple[Callable[[], dict[str, list[Any]]], str]] = {
    "one label changed": (lambda: relabelled(bright_rows(100)), "dataset.sha256"),
    "all labels swapped": (
        lambda: bright_rows(100) | {"label": [1 - label for label in bright_rows(100)["label"]]},
        "dataset.sha256",
    ),
    "other images": (lambda: bright_rows(100, seed=5), "dataset.sha256"),
    "one row fewer": (lambda: {key: value[:-1] for key, value in bright_rows(100).items()}, "dataset.rows"),
    "every row twice": (lambda: {key: value * 2 for key, value in bright_rows(100).items()}, "n is"),
}


@pytest.mark.parametrize("name", DATA)
def test_other_data(tmp_path: Path, name: str) -> None:
    make, word = DATA[name]
    save_rows(tmp_path / "data", make())
    save_rows(tmp_path / "data", bright_rows(12, seed=1), split="test")
    verdict = verify_with(data=tmp_path / "data")
    assert not verdict.holds
    assert any(word in line for line in verdict.problems)


def test_other_rows_in_the_test_split(tmp_path: Path) -> None:
    save_rows(tmp_path / "data", bright_rows(100))
    save_rows(tmp_path / "data", bright_rows(12, seed=2), split="test")
    verdict = verify_with(data=tmp_path / "data")
    assert not verdict.holds
    assert any("evaluation.test.sha256" in line for line in verdict.problems)


def test_naming_another_place_does_not_loosen_the_words(folder: Path, prior_copy: Path) -> None:
    """With --prior and --dataset the assumptions and the record of independence are checked as before."""
    content = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    for path, value in (
        (("assumptions",), []),
        (("independence", "verdict"), "proved"),
        (("dataset", "id"), "elsewhere"),
    ):
        (folder / "certificate.json").write_text(json.dumps(assigned(content, path, value)), encoding="utf-8")
        verdict = verify(folder, prior=str(prior_copy), dataset=str(world() / "bright-squares"))
        assert not verdict.holds
        assert any(dotted(path) in line or "independence" in line for line in verdict.problems)


def test_a_card_that_admits_more_than_the_certificate(prior_copy: Path) -> None:
    """The checkpoint at hand says on its card that it was trained on the data; the certificate is silent."""
    (prior_copy / "README.md").write_text("---\ndatasets:\n- bright-squares\n---\n", encoding="utf-8")
    verdict = verify_with(prior_copy)
    assert not verdict.holds
    assert any("independence.findings is without" in line for line in verdict.problems)
