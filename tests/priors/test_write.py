"""The writer of checkpoints: what it writes is read back, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file

from transferbound import Prior
from transferbound.errors import OutputError
from transferbound.priors.checkpoint import write
from transferbound.priors.checkpoint.card import provenance
from transferbound.priors.checkpoint.write import new_checkpoint, write_checkpoint

CARD = "---\nlicense: mit\ndatasets:\n- owner/pictures\n---\n# Tiny\n"


def test_what_is_written_is_a_prior(tmp_path: Path) -> None:
    network = timm.create_model("transferbound_convnet", num_classes=10, in_chans=1)
    pretrained = {"input_size": [1, 28, 28], "num_classes": 10}
    config = {"architecture": "transferbound_convnet", "num_classes": 10, "pretrained_cfg": pretrained}
    written = write_checkpoint(tmp_path / "below" / "tiny", network.state_dict(), config, CARD)
    assert written == tmp_path / "below" / "tiny"
    assert sorted(path.name for path in written.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    prior = Prior.from_pretrained(str(written))
    assert prior.licence == "mit"
    assert prior.provenance["datasets"] == ["owner/pictures"]
    built = prior.build(10).state_dict()
    assert all(torch.equal(built[f"network.{name}"], value) for name, value in network.state_dict().items())


def test_views_are_written_as_what_they_hold(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4).requires_grad_()
    write_checkpoint(tmp_path / "views", {"turned": whole.T, "cut": whole[:, 1:3]}, {}, "")
    found = load_file(tmp_path / "views" / "model.safetensors")
    assert torch.equal(found["turned"], whole.detach().T)
    assert torch.equal(found["cut"], whole.detach()[:, 1:3])


def test_a_full_folder_stays_as_it_is(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "tiny", {"a": torch.zeros(2)}, {"one": 1}, CARD)
    with pytest.raises(OutputError, match="exists already"):
        write_checkpoint(folder, {"a": torch.ones(2)}, {"one": 2}, CARD)
    assert json.loads((folder / "config.json").read_text()) == {"one": 1}
    assert not load_file(folder / "model.safetensors")["a"].any()


def test_tensors_that_share_memory_are_refused(tmp_path: Path) -> None:
    shared = torch.zeros(3, 3)
    with pytest.raises(OutputError, match=r"model\.safetensors cannot be written"):
        write_checkpoint(tmp_path / "tied", {"a": shared, "b": shared}, {}, CARD)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("last", ["write_tensors", "write_json", "write_text"])
def test_nothing_is_left_of_a_writing_that_failed(
    last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, last, fail)
    with pytest.raises(OutputError, match="No space left"):
        write_checkpoint(tmp_path / "tiny", {"a": torch.zeros(2)}, {}, CARD)
    assert list(tmp_path.iterdir()) == []


def test_the_card_is_the_callers(tmp_path: Path) -> None:
    """A library that writes the other files may write a card of its own, which says less."""
    with new_checkpoint(tmp_path / "tiny", CARD) as partial:
        (partial / "README.md").write_text("# Made by a library\n")
        (partial / "config.json").write_text("{}")
        assert not (tmp_path / "tiny").exists()
    assert (tmp_path / "tiny" / "README.md").read_text() == CARD
    assert provenance(tmp_path / "tiny", {})["datasets"] == ["owner/pictures"]
