"""A kind of subspace is a file in ``subspace/kinds`` and a line in ``message/kinds.py``."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from spine_fixtures import QUICK, world
from subspace_helpers import HEAD, batch, loss_of, small_net

from transferbound import (
    CertifySettings,
    LabelledData,
    Prior,
    SubspaceConfig,
    SubspaceModel,
    certify,
    verify,
)
from transferbound.message import kinds as listed
from transferbound.message.kinds import Kind, known_kinds
from transferbound.subspace import decode_offset_
from transferbound.subspace import kinds as files
from transferbound.subspace.build import class_of

NEW_FILE = """
from transferbound.subspace.kinds.hashed import HashedProjection


class NormScaleProjection(HashedProjection):
    kind = "norm-scale"

    def chosen(self, config, layout):
        return layout.with_roles(["norm_scale"])
"""


@pytest.fixture
def new_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "norm_scale.py").write_text(NEW_FILE)
    monkeypatch.setattr(files, "__path__", [*files.__path__, str(tmp_path)])
    monkeypatch.setattr(listed, "FURTHER_KINDS", (*listed.FURTHER_KINDS, Kind("norm-scale")))
    importlib.invalidate_caches()
    monkeypatch.setitem(sys.modules, "transferbound.subspace.kinds.norm_scale", None)
    monkeypatch.delitem(sys.modules, "transferbound.subspace.kinds.norm_scale")


def test_every_file_is_a_kind_and_every_kind_a_file() -> None:
    found = {path.stem.replace("_", "-") for path in Path(files.__path__[0]).glob("[!_]*.py")}
    assert found == set(known_kinds())
    for kind in known_kinds():
        made = class_of(kind)
        assert getattr(made, "kind", None) == kind
        assert getattr(made, "__module__", "").endswith(kind.replace("-", "_"))


@pytest.mark.usefixtures("new_kind")
def test_a_new_kind_trains_and_decodes() -> None:
    config = SubspaceConfig("norm-scale+head", 20)
    net, decoded = small_net(), small_net()
    for start in (net, decoded):
        torch.nn.init.ones_(start.fc.weight[::2])  # behind a head of zeros nothing else has a gradient
    model = SubspaceModel(net, config, HEAD)
    loss_of(model, *batch()).backward()
    assert (model.coordinates.grad != 0).all()
    with torch.no_grad():
        model.coordinates.copy_(torch.full((20,), 0.25))
    model.sync()
    decode_offset_(decoded, config, np.ones(20, dtype=int), 0.25, HEAD)
    for (name, p), q in zip(decoded.named_parameters(), model.model.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6), name
    assert not torch.equal(decoded.norm.weight, small_net().norm.weight)
    assert torch.equal(decoded.norm.bias, small_net().norm.bias)


def test_a_new_kind_is_certified_and_verified(
    new_kind: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = Prior.from_pretrained(str(world() / "prior"))
    data = LabelledData.load(str(world() / "bright-squares"))
    settings = CertifySettings(
        subspace=SubspaceConfig("norm-scale", 10), input_size=QUICK.input_size, finetune=QUICK.finetune
    )
    content = certify(prior, data, tmp_path / "out", settings, progress=False).content
    assert content["decoder"]["codec"] == "TB2"
    assert content["message"]["costs"][0]["field"] == "version"
    assert verify(tmp_path / "out").holds
    monkeypatch.setattr(listed, "FURTHER_KINDS", ())
    verdict = verify(tmp_path / "out")
    assert not verdict.holds
    assert any("begins with b'TB\\x02'" in line for line in verdict.problems)
