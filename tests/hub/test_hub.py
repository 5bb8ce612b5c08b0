"""Publishing a certificate and checking a published one, against a Hub of the tests' own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import TOKEN, HubStandIn, Repository
from huggingface_hub import constants
from spine_fixtures import here_cli, image_certificate

from transferbound import Certificate, Predictor, verify
from transferbound.certificate.remote import certificate_folder
from transferbound.errors import ArgumentError, CertificateError, HubError
from transferbound.export.export import export
from transferbound.hub.listing import files_to_push
from transferbound.hub.push import push
from transferbound.report.card import write_card

Capture = pytest.CaptureFixture[str]
OWN = {"README.md", "certificate.json", "figures/bound.png", "offset.bin"}
REPO = "somebody/bright-squares"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubStandIn]:
    with HubStandIn() as made:
        monkeypatch.setattr(constants, "ENDPOINT", made.url)
        template = made.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = Path(shutil.copytree(image_certificate(), tmp_path / "certificate"))
    (copied / "notes.txt").write_text("mine alone", encoding="utf-8")
    (copied / ".env").write_text("HF_TOKEN=secret", encoding="utf-8")
    (copied / "figures" / "draft.pdf").write_bytes(b"no")
    return copied


def test_published_and_verified_from_there(hub: HubStandIn, folder: Path, capsys: Capture) -> None:
    assert here_cli("push", folder, REPO) == 0
    told = capsys.readouterr().out
    assert f"{hub.url}/{REPO}/commit/" in told
    assert f"transferbound verify hf://{REPO}" in told
    assert set(hub.files(REPO)) == OWN  # and nothing else that lies there
    for name in OWN:
        assert hub.files(REPO)[name] == (folder / name).read_bytes()
    assert here_cli("verify", f"hf://{REPO}", "--quiet") == 0
    assert Certificate.from_pretrained(certificate_folder(f"hf://{REPO}")) == Certificate.from_pretrained(
        folder
    )
    assert [path for method, path in hub.asked if method == "POST" and "/commit/" in path] == [
        f"/api/models/{REPO}/commit/main"
    ]
    assert Predictor.from_pretrained(f"hf://{REPO}").modality == "image"


def test_a_dry_run_sends_nothing(hub: HubStandIn, folder: Path, capsys: Capture) -> None:
    assert here_cli("push", folder, REPO, "--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["url"] is None
    assert set(told["files"]) == OWN
    assert told["files"]["offset.bin"] == (folder / "offset.bin").stat().st_size
    assert hub.asked == []


def test_with_the_exported_model(hub: HubStandIn, folder: Path, tmp_path: Path) -> None:
    out = export(folder, tmp_path / "model", check=4)
    (out / "scratch.bin").write_bytes(b"mine")
    pushed = push(folder, REPO, exported=out, private=True)
    model = {"config.json", "export.json", "model.safetensors"}
    assert set(hub.files(REPO)) == OWN | model == set(pushed.files)
    assert hub.files(REPO)["model.safetensors"] == (out / "model.safetensors").read_bytes()
    assert "library_name: timm" in hub.files(REPO)["README.md"].decode()
    assert hub.repositories[REPO].private
    assert verify(f"hf://{REPO}").holds
    with pytest.raises(CertificateError, match="the Hub has no somebody/bright-squares that you may read"):
        _as_somebody_else(f"hf://{REPO}")
    assert set(files_to_push(out)) == OWN | model  # an export is published by itself, too


def _as_somebody_else(address: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HF_TOKEN")
        certificate_folder(address)


def test_revisions(hub: HubStandIn, folder: Path) -> None:
    push(folder, REPO, revision="second")
    assert hub.files(REPO) == {}
    assert set(hub.files(REPO, "second")) == OWN
    assert verify(f"hf://{REPO}@second").holds
    commit = hub.repositories[REPO].branches["second"]
    assert certificate_folder(f"hf://{REPO}@{commit}").name == commit
    with pytest.raises(CertificateError, match="has no revision third"):
        verify(f"hf://{REPO}@third")
    with pytest.raises(CertificateError, match="holds no certificate"):
        verify(f"hf://{REPO}")


def test_from_memory(hub: HubStandIn, folder: Path) -> None:
    pushed = Certificate.from_pretrained(folder).push_to_hub(REPO)
    assert set(pushed.files) == OWN == set(hub.files(REPO))
    again = push(folder, REPO)  # the repository is there already
    assert again.url != pushed.url


@pytest.mark.parametrize("edited", ["card", "message", "no card", "export"])
def test_what_does_not_agree_is_not_published(
    edited: str, hub: HubStandIn, folder: Path, tmp_path: Path
) -> None:
    exported = None
    if edited == "card":
        text = (folder / "README.md").read_text()
        (folder / "README.md").write_text(text.replace("is at most **", "is at most **0.0"))
    elif edited == "message":
        (folder / "offset.bin").write_bytes(b"\0" + (folder / "offset.bin").read_bytes()[1:])
    elif edited == "no card":
        (folder / "README.md").unlink()
    else:
        exported = export(folder, tmp_path / "model", check=4)
        with (exported / "model.safetensors").open("ab") as file:
            file.write(b"\0")
    wanted = {
        "card": r"is not published: README.md .* `transferbound card",
        "message": "is not published: message.sha256",
        "no card": "has no card .* `transferbound card",
        "export": "is not what `transferbound export` wrote; export anew",
    }
    with pytest.raises(HubError, match=wanted[edited]):
        push(folder, REPO, exported=exported)
    assert hub.asked == []


def test_an_export_of_another_certificate(hub: HubStandIn, folder: Path, tmp_path: Path) -> None:
    out = export(folder, tmp_path / "model", check=4)
    content = json.loads((folder / "certificate.json").read_text())
    content["unverified"]["versions"]["other"] = "1"
    (folder / "certificate.json").write_text(json.dumps(content))
    write_card(folder, Certificate.from_pretrained(folder))
    with pytest.raises(HubError, match="is of another certificate than"):
        push(folder, REPO, exported=out)
    with pytest.raises(
        HubError, match=r"has no export.json; give a folder that `transferbound export` wrote"
    ):
        push(folder, REPO, exported=folder)


def test_who_may_not_write(
    hub: HubStandIn, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    assert here_cli("push", folder, REPO) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "the Hub says 401: `hf auth login` with a token that may write there" in told.err
    assert "hf_another" not in told.err
    with pytest.raises(ArgumentError, match=r"REPO_ID is 'a/b/c'; give OWNER/NAME"):
        push(folder, "a/b/c")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set; unset it to publish"):
        push(folder, REPO)
    with pytest.raises(CertificateError, match="is not in the local Hub cache, and HF_HUB_OFFLINE is set"):
        verify(f"hf://{REPO}")


@pytest.mark.parametrize(
    "address", ["hf://", "hf://one", "hf://a/b/c", "hf://a/../b", "hf://a/b@", "hf://a/b@x y"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(CertificateError, match="is no address on the Hub"):
        certificate_folder(address)


def test_what_is_no_certificate_is_not_fetched(hub: HubStandIn, folder: Path) -> None:
    repository = hub.repositories[REPO] = Repository()
    good = {name: (folder / name).read_bytes() for name in OWN}
    more = {
        "model.py": b"import os",
        "prior/code.py": b"no",
        "prior/model.pth": b"no",
        "big.bin": b"0" * 10_000,
    }
    repository.commit("main", good | more, set())
    found = certificate_folder(f"hf://{REPO}")
    assert {path.relative_to(found).as_posix() for path in found.rglob("*") if path.is_file()} == OWN
    assert not [path for _, path in hub.asked if path.endswith((".py", ".pth", "big.bin"))]
    repository.commit("main", {"offset.bin": b"\0" * (2**20 + 1)}, set())
    before = len(hub.asked)
    with pytest.raises(CertificateError, match=r"offset.bin has 1,048,577 bytes; 1,048,576 are the most"):
        certificate_folder(f"hf://{REPO}")
    assert not [path for _, path in hub.asked[before:] if "/resolve/" in path]


def test_from_the_command_line_by_its_environment(folder: Path, tmp_path: Path) -> None:
    """As a user has it: HF_ENDPOINT names the Hub, and nothing in the process is changed."""
    with HubStandIn() as hub:
        environment = os.environ | {
            "HF_ENDPOINT": hub.url,
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(tmp_path / "home"),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "transferbound.cli", "push", str(folder), REPO, "--quiet"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert set(hub.files(REPO)) == OWN
