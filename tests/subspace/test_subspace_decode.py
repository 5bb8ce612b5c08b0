"""The decoder: exact, the same on every machine, and consistent with training."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest
import torch
from subspace_helpers import CONFIGS, HEAD, batch, small_net

from transferbound import streams
from transferbound.errors import SubspaceError
from transferbound.subspace import (
    SubspaceConfig,
    SubspaceModel,
    build_layout,
    build_projection,
    decode_offset_,
)

STEP = 0.0123

#: Of the decoded weights of `fixed_net`, by kind: the first 16 hex digits of their SHA-256.
GOLDEN = {
    "dense": "34732980879ebefc",
    "kron": "96079fe5cbfa4ef7",
    "kron-sum": "c6284d559a6530d1",
    "hashed-tiny": "d08c461f89db2a3c",
    "hashed": "0e702ffbfd9a3f29",
    "film": "e971f4c0a3599d6e",
    "head": "29a449df66a68d04",
    "modules": "04b4873979e84cb5",
    "lora": "210d111dc0fc5a05",
    "film+kron": "a011f4955f12d753",
    "head+lora+hashed": "d1491bfc2dfcd2fd",
}


def integers(dim, levels=7):
    return streams.below(0, "test integers", 0, dim, levels) - levels // 2


def decoded(config, dtype=torch.float32, step=STEP, q=None):
    net = small_net(dtype)
    decode_offset_(net, config, integers(config.dim) if q is None else q, step, HEAD)
    return net


def digest(net):
    sha = hashlib.sha256()
    for name, p in net.named_parameters():
        sha.update(name.encode() + p.detach().float().numpy().astype("<f4").tobytes())
    return sha.hexdigest()[:16]


def fixed_net():
    """Weights from our own streams: no library's generator stands between the vectors and the machine."""
    net = small_net()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if not name.startswith("fc"):
                raw = streams.gaussian_integers(1, f"golden/{name}", 0, p.numel())
                p.copy_(torch.from_numpy(raw.astype(np.float32) / 4096).view(p.shape))
    return net


def golden(name):
    net = fixed_net()
    decode_offset_(net, CONFIGS[name], integers(CONFIGS[name].dim), 2.0**-5.5, HEAD)
    return digest(net)


@pytest.mark.parametrize("name", CONFIGS)
def test_golden_vectors(name):
    assert golden(name) == GOLDEN[name]


@pytest.mark.parametrize("name", CONFIGS)
def test_training_path_agrees_with_the_decoder(name):
    config = CONFIGS[name]
    model = SubspaceModel(small_net(), config, HEAD).eval()
    model.coordinates.data.copy_(torch.from_numpy(integers(config.dim) * STEP))
    exact = decoded(config).eval()
    x, _ = batch()
    assert torch.allclose(model(x), exact(x), atol=1e-5)
    moved = 0.0
    for (key, p), q, start in zip(
        model.model.named_parameters(), exact.parameters(), small_net().parameters(), strict=True
    ):
        assert (p - q).abs().max() <= 2e-6 * max(1.0, q.abs().max().item()), key
        moved += (q - start).abs().sum().item()
    assert moved > 0


@pytest.mark.parametrize("name", CONFIGS)
def test_one_and_two_threads_give_the_same_bits(name):
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(digest(decoded(CONFIGS[name])))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["kron", "dense", "kron-sum", "lora", "hashed"])
def test_offset_is_correctly_rounded(name):
    """theta against rational arithmetic: float32(float64(theta0) + c * integers), entry by entry."""
    config = CONFIGS[name]
    start, end = small_net(), decoded(config)
    layout = build_layout(start, HEAD)
    projection = build_projection(config, layout)
    q = torch.from_numpy(integers(config.dim)).double()
    index = next(i for i, s in enumerate(layout.specs) if s.name == "mix.weight")
    theta0 = start.mix.weight.detach().reshape(-1)
    theta = end.mix.weight.detach().reshape(-1)
    terms = projection.exact(q, index)
    for k in range(0, len(theta), 17):
        exact = Fraction(theta0[k].item())
        for factor, power, offset in terms:
            assert offset[k] == offset[k].round()
            exact += Fraction(factor) * Fraction(STEP) ** power * Fraction(int(offset[k]))
        assert abs(Fraction(theta[k].item()) - exact) <= Fraction(2) ** -24 * abs(exact) * (
            1 + Fraction(1, 10**6)
        )


def test_half_precision_and_double():
    plain = decoded(CONFIGS["hashed"], torch.float64)
    assert plain.mix.weight.dtype == torch.float64
    half = small_net(torch.bfloat16)
    decode_offset_(half, CONFIGS["hashed"], integers(100), STEP, HEAD)
    full = small_net(torch.bfloat16).float()
    decode_offset_(full, CONFIGS["hashed"], integers(100), STEP, HEAD)
    assert all(
        torch.equal(p, q.bfloat16()) for p, q in zip(half.parameters(), full.parameters(), strict=True)
    )


def test_any_integer_container_and_frozen_parameters():
    config = CONFIGS["film"]
    q = integers(config.dim)
    expected = digest(decoded(config))
    for form in (q.astype(np.int16), q.tolist(), torch.from_numpy(q)):
        assert digest(decoded(config, q=form)) == expected
    net, start = decoded(config), small_net()
    assert torch.equal(net.mix.weight, start.mix.weight)
    assert not torch.equal(net.mix.bias, start.mix.bias)
    assert net.again.weight is net.mix.weight
    assert digest(decoded(config, q=np.zeros(config.dim, dtype=int))) == digest(start)


@pytest.mark.parametrize(
    ("q", "step", "what"),
    [
        (np.zeros(60), STEP, "must be integers"),
        (np.zeros(59, dtype=int), STEP, "dim=60"),
        (np.zeros((60, 1), dtype=int), STEP, "dim=60"),
        (np.zeros(60, dtype=bool), STEP, "must be integers"),
        (np.full(60, 2**60), STEP, "2\\*\\*53"),
        (np.ones(60, dtype=int), 0.0, "step"),
        (np.ones(60, dtype=int), float("nan"), "step"),
        (np.ones(60, dtype=int), 1e300, "out of the range"),
    ],
)
def test_bad_messages_are_refused(q, step, what):
    with pytest.raises(SubspaceError, match=what):
        decode_offset_(small_net(), CONFIGS["film"], q, step, HEAD)


@pytest.mark.parametrize("name", ["dense", "kron", "kron-sum", "lora", "film+kron"])
def test_sums_past_the_exact_range_are_refused(name):
    config = CONFIGS[name]
    with pytest.raises(SubspaceError, match="too large to decode exactly"):
        decode_offset_(small_net(), config, np.full(config.dim, 2**50), 2.0**-60, HEAD)


def test_the_decoder_depends_on_every_choice():
    seen = {
        digest(decoded(c))
        for c in (
            SubspaceConfig("hashed", 60),
            SubspaceConfig("hashed", 60, seed=1),
            SubspaceConfig("hashed", 60, head_scale=1),
            SubspaceConfig("film", 60),
            SubspaceConfig("kron", 60),
            SubspaceConfig("lora", 60),
            SubspaceConfig("lora", 60, rank=3),
            SubspaceConfig("film+kron", 60),
            SubspaceConfig("kron+film", 60),
        )
    }
    assert len(seen) == 9
