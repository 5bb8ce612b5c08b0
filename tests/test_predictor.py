"""The decoder: a message and a checkpoint give the predictor, by the decoder's path alone."""

import numpy as np
import pytest
import torch
from spine_fixtures import world

from transferbound import Prior, SubspaceConfig
from transferbound import predictor as decoder
from transferbound.errors import MessageError
from transferbound.message.stream import encode
from transferbound.predictor import decode_predictor
from transferbound.subspace import decode_offset_
from transferbound.subspace.config import header_for, subspace_config

CONFIG = SubspaceConfig("film+kron", 31, seed=4, head_scale=3)
INTEGERS = np.arange(31) % 3 - 1


def message(contexts: bool) -> bytes:
    header = header_for(CONFIG, step=-9, input_size=32, head_seed=5, contexts=contexts)
    return encode(header, INTEGERS, np.repeat([0, 2], [16, 15]))


@pytest.fixture(scope="module")
def prior() -> Prior:
    return Prior.from_pretrained(str(world() / "prior"))


@pytest.mark.parametrize("contexts", [False, True])
def test_the_predictor_is_theta0_and_the_offset(
    prior: Prior, contexts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the model, its layout and its projection are built once."""
    built = []
    for name in ("build_layout", "build_projection"):
        original = getattr(decoder, name)
        monkeypatch.setattr(
            decoder, name, lambda *a, _of=original, _name=name: built.append(_name) or _of(*a)
        )
    expected = prior.build(2, head_seed=5, input_size=32)
    build = Prior.build
    monkeypatch.setattr(Prior, "build", lambda *a, **how: built.append("module") or build(*a, **how))
    found = decode_predictor(prior, 2, message(contexts))
    assert sorted(built) == ["build_layout", "build_projection", "module"]
    assert found.integers.tolist() == INTEGERS.tolist()
    assert (found.contexts is None) == (not contexts)
    assert subspace_config(found.header) == CONFIG
    decode_offset_(expected, CONFIG, INTEGERS, 2.0**-2.25, prior.head_parameters(2))
    theta, again = found.module.state_dict(), expected.state_dict()
    assert theta.keys() == again.keys()
    assert all(torch.equal(theta[name], again[name]) for name in again)
    assert not found.module.training


def test_a_message_that_does_not_fit_the_prior_names_it(prior: Prior) -> None:
    wide = encode(header_for(SubspaceConfig("head", 5000)), np.zeros(5000, dtype=int))
    with pytest.raises(MessageError, match=r"does not fit the prior .*dim=5000 exceeds"):
        decode_predictor(prior, 2, wide)
