"""Every kind against a materialized P, computed another way."""

import copy

import numpy as np
import pytest
import torch
from subspace_helpers import CONFIGS, HEAD, batch, loss_of, small_net

from transferbound import streams
from transferbound.errors import SubspaceError
from transferbound.subspace import SubspaceConfig, SubspaceModel, build_layout, build_projection
from transferbound.subspace.rowhash import RowHash

HASHED = {"hashed", "film", "head", "modules"}


def hash_matrix(sizes, dim, seed, name):
    """The hashed map, entry by entry, from its documented definition."""
    total = sum(sizes)
    group = max(1, min(65536 // dim, 2 * dim)) if dim >= 64 else 65536 // dim
    skew = max(1, dim // group) if dim >= 64 and group > 1 else 0
    rotation = streams.below(seed, f"{name}/rotation", 0, -(-total // dim), dim).tolist()
    # Whole rows inside one tensor follow the group's first row.
    row_rotation = list(rotation)
    begin = 0
    for size in sizes:
        first, last = -(-begin // dim), (begin + size) // dim
        row = first
        while row < last:
            count = min(group, last - row)
            for k in range(count):
                row_rotation[row + k] = rotation[row] + k * skew
            row += count
        begin += size
    sign = streams.signs(seed, f"{name}/sign", 0, 65537)
    matrix = torch.zeros(total, dim, dtype=torch.float64)
    for i in range(total):
        matrix[i, (i % dim + row_rotation[i // dim]) % dim] = float(sign[i % 65537])
    return matrix


def offset_function(config, layout, projection):
    """w -> the vector of all offsets, with dense matrices and autograd, in float64."""
    specs = layout.specs
    head = config.head_factor

    def scale(i, norm=1.0):
        return specs[i].scale * norm * (head if specs[i].role == "head" else 1.0)

    def hashed(kind, dim):
        trainable = next(t for t in getattr(projection, "terms", [projection]) if t.kind == kind).trainable
        # Kind "head" leaves the first of the classes as it is.
        fixed = {i: specs[i].size // specs[i].shape[0] if kind == "head" else 0 for i in trainable}
        sizes = [specs[i].size - fixed[i] for i in trainable]
        matrix = hash_matrix(sizes, dim, config.seed, kind)

        def apply(w):
            parts = dict(zip(trainable, (matrix @ w).split(sizes), strict=True))
            return {i: scale(i) * torch.cat([part.new_zeros(fixed[i]), part]) for i, part in parts.items()}

        return apply

    def dense(kind, dim):
        raw = streams.gaussian_integers(config.seed, "dense", 0, layout.size * dim).reshape(-1, dim)
        matrix = torch.from_numpy(raw.astype(np.float64))
        norm = 2.0 ** round(np.log2(dim**-0.5 / streams.GAUSSIAN_STD))
        sizes = [s.size for s in specs]
        return lambda w: {i: scale(i, norm) * p for i, p in enumerate((matrix @ w).split(sizes))}

    def kron(kind, dim):
        rows = int(np.ceil(np.sqrt(dim)))
        columns = -(-dim // rows)
        norm = 2.0 ** round(np.log2(dim**-0.5))

        def apply(w):
            out = {}
            for i, spec in enumerate(specs):
                a, b = (spec.shape[0], spec.size // spec.shape[0]) if len(spec.shape) > 1 else (1, spec.size)
                left = streams.signs(config.seed, f"kron/left/{i}", 0, a * rows).reshape(a, rows)
                right = streams.signs(config.seed, f"kron/right/{i}", 0, b * columns).reshape(b, columns)
                product = torch.from_numpy(np.kron(left, right)[:, :dim].astype(np.float64))
                out[i] = scale(i, norm) * (product @ w)
            return out

        return apply

    def kron_sum(kind, dim):
        width = int(np.ceil(np.sqrt(layout.size)))
        height = -(-layout.size // width)
        one = streams.signs(config.seed, "kron-sum/rows", 0, height * dim).reshape(height, dim)
        two = streams.signs(config.seed, "kron-sum/columns", 0, width * dim).reshape(width, dim)
        full = np.kron(one, np.ones((width, 1))) + np.kron(np.ones((height, 1)), two)
        matrix = torch.from_numpy(full[: layout.size])
        norm = 2.0 ** round(np.log2((2 * dim) ** -0.5))
        sizes = [s.size for s in specs]
        return lambda w: {i: scale(i, norm) * p for i, p in enumerate((matrix @ w).split(sizes))}

    def lora(kind, dim):
        rank = config.rank
        norm = 2.0 ** round(np.log2(rank**-0.5))
        shapes = {
            i: (s.shape[0], s.size // s.shape[0])
            for i, s in enumerate(specs)
            if s.role == "weight" and min(s.shape[0], s.size // s.shape[0]) > rank
        }
        trainable = sorted({*shapes, *(i for i, s in enumerate(specs) if s.role == "head")})
        sizes = [
            n
            for i in trainable
            for n in ((rank * shapes[i][1], shapes[i][0] * rank) if i in shapes else (specs[i].size,))
        ]
        matrix = hash_matrix(sizes, dim, config.seed, "lora")

        def apply(w):
            parts = iter((matrix @ w).split(sizes))
            out = {}
            for i in trainable:
                if i not in shapes:
                    out[i] = scale(i) * next(parts)
                    continue
                a, b = shapes[i]
                start = streams.signs(config.seed, f"lora/start/{i}", 0, rank * b).reshape(rank, b)
                right = torch.from_numpy(start.astype(np.float64)) + next(parts).view(rank, b)
                out[i] = (specs[i].scale * norm) * (next(parts).view(a, rank) @ right).reshape(-1)
            return out

        return apply

    makers = {"dense": dense, "kron": kron, "kron-sum": kron_sum, "lora": lora}
    terms = [
        makers.get(kind, hashed)(kind, dim) for kind, dim in zip(config.terms, config.term_dims, strict=True)
    ]

    def offsets(w):
        total = {i: torch.zeros(s.size, dtype=torch.float64) for i, s in enumerate(specs)}
        for term, part in zip(terms, w.split(list(config.term_dims)), strict=True):
            for i, value in term(part).items():
                total[i] = total[i] + value
        return total

    return offsets


def reference_gradient(config, w):
    """theta and the gradient with respect to w by functional_call and autograd, in float64."""
    net = small_net(torch.float64).eval()
    layout = build_layout(net, HEAD)
    offsets = offset_function(config, layout, build_projection(config, layout))
    w = w.clone().requires_grad_()
    base = {n: p.detach() for n, p in net.named_parameters()}
    theta = {}
    for i, offset in offsets(w).items():
        spec = layout.specs[i]
        theta[spec.name] = base[spec.name] + offset.view(spec.shape)
    x, y = batch(torch.float64)
    logits = torch.func.functional_call(net, theta, (x,), tie_weights=True)
    torch.nn.functional.cross_entropy(logits, y).backward()
    return {n: t.detach() for n, t in theta.items()}, w.grad


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("name", CONFIGS)
def test_weights_and_gradient_agree_with_a_materialized_p(name, dtype, tolerance):
    config = CONFIGS[name]
    w = 0.05 * torch.randn(config.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    w = w.float().double()
    theta, gradient = reference_gradient(config, w)
    model = SubspaceModel(small_net(dtype), config, HEAD)
    model.coordinates.data.copy_(w)
    loss_of(model, *batch(dtype)).backward()
    for key, p in model.model.named_parameters():
        assert (p.double() - theta[key]).norm() <= tolerance * theta[key].norm().clamp(min=1e-3)
    error = (model.coordinates.grad.double() - gradient).norm() / gradient.norm()
    assert gradient.norm() > 1e-3
    assert error < tolerance


@pytest.mark.parametrize(
    ("sizes", "dim"),
    [
        ([5000], 5000),
        ([4096, 17, 2048, 3000], 64),
        ([3000, 100, 1], 100),
        ([2500, 1, 300], 10),
        ([700, 800], 1),
        ([9000, 3], 300),
        ([70_000], 66_000),
    ],
)
def test_hashed_map_is_what_is_documented(sizes, dim):
    mapping = RowHash(sizes, dim, 3, "test")
    w = torch.arange(1.0, dim + 1, dtype=torch.float64)
    tiled = mapping.prepare(w)
    got = []
    for index, size in enumerate(sizes):
        part = torch.zeros(size, dtype=torch.float64)
        mapping.write(tiled, index, part, part, 1.0)
        got.append(part)
    entries = torch.cat(got)
    # Each coordinate is met floor(D/d) or ceil(D/d) times: the load is balanced.
    counts = torch.bincount(entries.abs().long(), minlength=dim + 1)[1:]
    assert counts.min() >= sum(sizes) // dim
    assert counts.max() <= -(-sum(sizes) // dim)
    if sum(sizes) * dim < 2_000_000:
        assert torch.equal(entries, hash_matrix(sizes, dim, 3, "test") @ w)


def test_hashed_map_ties_no_coordinate_to_an_input_channel():
    """With d a multiple of a layer's width, each coordinate still meets many of its input channels."""
    width, dim = 128, 256
    mapping = RowHash([512 * width], dim, 0, "test")
    part = torch.zeros(512 * width, dtype=torch.float64)
    mapping.write(mapping.prepare(torch.arange(1.0, dim + 1, dtype=torch.float64)), 0, part, part, 1.0)
    coordinate = part.abs().long().view(512, width)
    for j in (1, 77, 256):
        channels = (coordinate == j).nonzero()[:, 1].unique()
        assert len(channels) > width // 2


def test_hashed_map_preserves_inner_products():
    """E |P'g|^2 = |g|^2 also for a gradient with strong structure (all entries equal)."""
    dim, size = 128, 100_000
    ratios = []
    for seed in range(20):
        mapping = RowHash([size], dim, seed, "test")
        total = mapping.new_total(torch.float64, torch.device("cpu"))
        mapping.project(0, torch.ones(size, dtype=torch.float64), total, 1.0)
        ratios.append(float(mapping.fold(total).square().sum() / size))
    # Each ratio has mean 1 and standard deviation sqrt(2/d) = 0.125 if signs are independent.
    assert abs(np.mean(ratios) - 1) < 4 * 0.125 / 20**0.5
    assert np.std(ratios) < 0.25


def test_full_dimension_is_a_signed_permutation():
    net = small_net()
    layout = build_layout(net, HEAD)
    largest = build_projection(SubspaceConfig("film", 1), layout).trainable_size
    projection = build_projection(SubspaceConfig("film", largest), layout)
    w = torch.arange(1.0, largest + 1, dtype=torch.float64)
    seen = torch.cat([projection.exact(w, i)[0][2] for i in projection.trainable]).abs()
    assert torch.equal(seen.sort().values, w)
    with pytest.raises(SubspaceError, match=f"largest dim is {largest}"):
        build_projection(SubspaceConfig("film", largest + 1), layout)


def test_contexts_tell_terms_and_head_apart():
    layout = build_layout(small_net(), HEAD)
    config = SubspaceConfig("head+hashed", 60)
    contexts = build_projection(config, layout).contexts()
    assert contexts.tolist() == [1] * 30 + [2] * 30
    film = build_projection(SubspaceConfig("film", 1), layout).trainable_size
    contexts = build_projection(SubspaceConfig("film", film), layout).contexts()
    assert contexts.sum() == 16 * 5 + 5
    assert build_projection(SubspaceConfig("hashed", 50), layout).contexts().sum() == 0


def test_sum_describes_who_owns_which_coordinates():
    layout = build_layout(small_net(), HEAD)
    found = build_projection(SubspaceConfig("film+kron", 61), layout).describe()
    assert [t["coordinates"] for t in found["terms"]] == [[0, 31], [31, 61]]
    assert found["touched_parameters"] == layout.size


@pytest.mark.parametrize(
    ("config", "what"),
    [
        (SubspaceConfig("head", 10_000), "largest dim is 68"),
        (SubspaceConfig("hashed", 1_000_000), "largest dim is"),
        (SubspaceConfig("lora", 10, rank=100), "rank=100"),
        (SubspaceConfig("modules", 10, modules="layer9.*"), "layer9"),
        (SubspaceConfig("dense", 1 << 20), "dense projection"),
    ],
)
def test_a_subspace_that_does_not_fit_is_refused(config, what):
    with pytest.raises(SubspaceError, match=what):
        SubspaceModel(small_net(), config, HEAD)


@pytest.mark.parametrize("classes", [2, 5])
def test_head_kind_moves_every_class_but_the_first(classes):
    head = torch.nn.Linear(7, classes)
    start = [p.detach().clone() for p in head.parameters()]
    size = (classes - 1) * 8
    model = SubspaceModel(head, SubspaceConfig("head", size), ["weight", "bias"])
    assert model.projection.describe()["touched_parameters"] == size
    with torch.no_grad():
        model.coordinates.copy_(torch.arange(1.0, size + 1))
    model(torch.zeros(1, 7))
    for before, after in zip(start, head.parameters(), strict=True):
        assert torch.equal(before[0], after[0])
        assert (before[1:] != after[1:]).all()  # d is all there is to move: a signed permutation


def test_head_kind_with_one_output_moves_it():
    model = SubspaceModel(torch.nn.Linear(7, 1), SubspaceConfig("head", 8), ["weight", "bias"])
    assert model.projection.describe()["touched_parameters"] == 8


def test_head_kind_without_a_head_is_refused():
    with pytest.raises(SubspaceError, match="name the head"):
        SubspaceModel(small_net(), SubspaceConfig("head", 10))
    with pytest.raises(SubspaceError, match=r"classifier\.weight"):
        SubspaceModel(small_net(), SubspaceConfig("head", 10), ["classifier.weight"])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"kind": "fourier"}, "fourier"),
        ({"kind": "film+film"}, "twice"),
        ({"kind": "film+"}, "none of"),
        ({"dim": 0}, "dim"),
        ({"dim": True}, "dim"),
        ({"dim": 2.0}, "dim"),
        ({"dim": 2**40}, "dim"),
        ({"seed": -1}, "seed"),
        ({"rank": 8}, "rank=8"),
        ({"kind": "lora", "rank": 0}, "rank"),
        ({"modules": "fc"}, "modules"),
        ({"kind": "modules"}, "modules"),
        ({"head_scale": 65}, "head_scale"),
        ({"kind": "film+kron", "dim": 1}, "without a coordinate"),
    ],
)
def test_bad_configs_are_refused(change, what):
    with pytest.raises(SubspaceError, match=what):
        SubspaceConfig(**change)


def test_config_round_trip_refuses_unknown_keys():
    config = CONFIGS["head+lora+hashed"]
    assert SubspaceConfig.from_dict(config.to_dict()) == config
    with pytest.raises(SubspaceError, match="levels"):
        SubspaceConfig.from_dict({**config.to_dict(), "levels": 3})
    assert [SubspaceConfig(head_scale=h).head_factor for h in (0, 2, -2)] == [1.0, 2.0, 0.5]
    assert SubspaceConfig(head_scale=-1).head_factor == pytest.approx(2**-0.5, rel=1e-15)


def test_roles_and_scales_come_from_the_checkpoint():
    net = small_net()
    layout = build_layout(net, HEAD)
    roles = {s.name: s.role for s in layout.specs}
    assert "again.weight" not in roles  # tied: once
    assert roles == {
        "features.0.weight": "weight",
        "features.0.bias": "bias",
        "features.1.weight": "norm_scale",
        "features.1.bias": "norm_shift",
        "features.3.weight": "weight",
        "features.3.bias": "bias",
        "norm.weight": "norm_scale",
        "norm.bias": "norm_shift",
        "mix.weight": "weight",
        "mix.bias": "bias",
        "again.bias": "bias",
        "fc.weight": "head",
        "fc.bias": "head",
    }
    scales = {s.name: s.scale for s in layout.specs}
    assert scales["fc.weight"] == 0.25  # zero: 1 / sqrt(fan-in of 16)
    assert scales["fc.bias"] == 1.0
    assert scales["norm.bias"] == 1.0  # that of its norm scale
    for spec in layout.specs:
        assert np.log2(spec.scale) == round(np.log2(spec.scale))
    rms = net.mix.weight.square().mean().sqrt().item()
    assert 2**-0.51 < scales["mix.weight"] / rms < 2**0.51
    scaled = copy.deepcopy(net)
    with torch.no_grad():
        scaled.mix.weight.mul_(4)
    assert {s.name: s.scale for s in build_layout(scaled, HEAD).specs}["mix.weight"] == 4 * scales[
        "mix.weight"
    ]


def test_broken_checkpoints_are_refused():
    net = small_net()
    with torch.no_grad():
        net.mix.weight[0, 0] = float("nan")
    with pytest.raises(SubspaceError, match=r"mix\.weight.*not finite"):
        build_layout(net, HEAD)
    with pytest.raises(SubspaceError, match="meta"):
        build_layout(small_net().to("meta"), HEAD)
    with pytest.raises(SubspaceError, match="no floating-point parameters"):
        build_layout(torch.nn.ReLU())


@pytest.mark.parametrize(
    ("sizes", "dim"),
    [([300_000, 17, 90_000], 64), ([400_000, 5, 70_000], 1000), ([200_000], 10), ([150_000], 40_000)],
)
def test_batched_groups_are_the_same_map(sizes, dim, monkeypatch):
    """The path of accelerators, on the CPU: same weights bit by bit, same gradient."""
    monkeypatch.setattr("transferbound.subspace.rowhash._BATCH", 1 << 17)
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(dim, generator=generator)
    found = []
    for batched in (False, True):
        mapping = RowHash(sizes, dim, 3, "test")
        mapping.batched = batched
        total = mapping.new_total(torch.float32, torch.device("cpu"))
        parts = []
        generator.manual_seed(1)
        for index, size in enumerate(sizes):
            base, grad = (torch.randn(size, generator=generator) for _ in range(2))
            mapping.write(mapping.prepare(w), index, base, base, 0.5)
            mapping.project(index, grad, total, 0.5)
            parts.append(base)
        found.append((torch.cat(parts), mapping.fold(total)))
    assert torch.equal(found[0][0], found[1][0])
    assert (found[0][1] - found[1][1]).norm() < 1e-5 * found[0][1].norm()
    plans = [mapping._plan(i, torch.device("cpu")) for i in range(len(sizes))]
    assert any(len(getattr(s, "starts", ())) > 1 for plan in plans for s in plan)
